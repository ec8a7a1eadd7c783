package did_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// liar is a chain's node that says what a test wants it to: no honest one says this.
type liar struct {
	changed []byte
	events  func(block uint64) []did.Event
	asked   int
	newest  uint64 // block; 0: it has all
}

func (l *liar) Call(context.Context, did.Address, []byte) ([]byte, error) { return l.changed, nil }

func (l *liar) Events(_ context.Context, _, _ did.Address, block uint64) ([]did.Event, time.Time, error) {
	switch l.asked++; {
	case l.events == nil:
		return nil, time.Time{}, errors.New("away")
	case block > l.newest && l.newest > 0:
		return nil, time.Time{}, fmt.Errorf("block %d: %w", block, did.ErrNotFound)
	}
	return l.events(block), time.Unix(int64(block), 0), nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 24), n) }

func padded(a did.Address) [32]byte { return [32]byte(append(make([]byte, 12), a[:]...)) }

func ownerEvent(identity, owner did.Address, previous uint64) did.Event {
	w := padded(owner)
	return did.Event{Topics: [][32]byte{did.TopicOwner, padded(identity)}, Data: append(w[:], number(previous)...)}
}

// named is text in a word.
func named(s string) []byte { return append([]byte(s), make([]byte, 32-len(s))...) }

// attribute is the data of an event that sets one, for very long.
func attribute(name string, value []byte, previous uint64) []byte {
	data := bytes.Join([][]byte{named(name), number(128), number(1 << 40), number(previous), number(uint64(len(value))), value}, nil)
	return append(data, make([]byte, (32-len(value)%32)%32)...)
}

func attributeEvent(identity did.Address, name string, value []byte, previous uint64) did.Event {
	return did.Event{Topics: [][32]byte{did.TopicAttribute, padded(identity)}, Data: attribute(name, value, previous)}
}

// A chain's node that lies, or has forgotten, is not believed, and isn't asked for ever.
func TestChainsThatLie(t *testing.T) {
	self, other := must(did.ParseAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")), did.Address{19: 1}
	one := func(e did.Event) func(uint64) []did.Event {
		return func(uint64) []did.Event { return []did.Event{e} }
	}
	with := func(f func(*did.Event)) did.Event { e := ownerEvent(self, other, 0); f(&e); return e }
	for name, c := range map[string]struct {
		l    *liar
		says string
	}{
		"no contract": {&liar{}, "no ERC-1056 registry"}, "half a word": {&liar{changed: make([]byte, 31)}, "no ERC-1056 registry"}, "two words": {&liar{changed: make([]byte, 64)}, "no ERC-1056 registry"},
		"a block beyond all": {&liar{changed: bytes.Repeat([]byte{0xff}, 32)}, "no ERC-1056 registry"}, "away": {&liar{changed: number(7)}, "away"},
		"behind":           {&liar{changed: number(7), newest: 6, events: func(uint64) []did.Event { return nil }}, "block 7 should have a change"},
		"forgotten":        {&liar{changed: number(7), events: func(uint64) []did.Event { return nil }}, "keep old events"},
		"a ring":           {&liar{changed: number(7), events: one(ownerEvent(self, other, 7))}, "as the one before"},
		"a way forward":    {&liar{changed: number(7), events: one(ownerEvent(self, other, 8))}, "as the one before"},
		"two beginnings":   {&liar{changed: number(7), events: func(uint64) []did.Event { return []did.Event{ownerEvent(self, other, 0), ownerEvent(self, other, 3)} }}, "as the one before"},
		"somebody else's":  {&liar{changed: number(7), events: one(ownerEvent(other, self, 0))}, "somebody else"},
		"no topics":        {&liar{changed: number(7), events: one(did.Event{})}, "somebody else"},
		"another event":    {&liar{changed: number(7), events: one(with(func(e *did.Event) { e.Topics[0] = [32]byte{1} }))}, "none of an ERC-1056 registry"},
		"a topic too many": {&liar{changed: number(7), events: one(with(func(e *did.Event) { e.Topics = append(e.Topics, [32]byte{}) }))}, "somebody else"},
		"a long address":   {&liar{changed: number(7), events: one(with(func(e *did.Event) { e.Data[3] = 1 }))}, "encoded"},
		"more after it":    {&liar{changed: number(7), events: one(with(func(e *did.Event) { e.Data = append(e.Data, make([]byte, 32)...) }))}, "none of an ERC-1056 registry"},
		"cut":              {&liar{changed: number(7), events: one(with(func(e *did.Event) { e.Data = e.Data[:40] }))}, "none of an ERC-1056 registry"},
		"endless":          {&liar{changed: number(1 << 40), events: func(b uint64) []did.Event { return []did.Event{ownerEvent(self, other, b-1)} }}, "more than 1000 changes"},
		"endless in a block": {&liar{changed: number(7), events: func(b uint64) []did.Event {
			all := make([]did.Event, 5000)
			for i := range all {
				all[i] = ownerEvent(self, other, b)
			}
			all[0] = ownerEvent(self, other, 0)
			return all
		}}, "more than 1000 changes"},
		"long": {&liar{changed: number(900), events: func(b uint64) []did.Event {
			return []did.Event{attributeEvent(self, "did/svc/A", make([]byte, 1<<20), b-1)}
		}}, "more than 4194304 bytes"},
	} {
		r := did.NewResolver(nil, did.Network{Name: "liars", ChainID: 5, Chain: c.l})
		_, err := r.Resolve(t.Context(), must(did.Parse("did:ethr:liars:"+self.String())), did.Options{})
		if !errors.Is(err, did.ErrCouldNotCheck) || errors.Is(err, did.ErrNotFound) || !strings.Contains(err.Error(), c.says) || c.l.asked > 1001 || name == "long" && c.l.asked > 4 {
			t.Errorf("%s: %v, after %d questions", name, err, c.l.asked)
		}
	}
}

// A version that doesn't exist isn't found: the chain's node did answer.
func TestABlockThatIsNotThere(t *testing.T) {
	r := did.NewResolver(nil, did.Network{Name: "mainnet", ChainID: 1, Chain: &liar{changed: number(0), newest: 6, events: func(uint64) []did.Event { return nil }}})
	d := must(did.Parse("did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))
	for version, want := range map[string]string{"6": "", "7": "NOT_FOUND"} {
		if _, err := r.Resolve(t.Context(), d, did.Options{VersionID: version}); did.ErrorType(err) != want {
			t.Errorf("block %s: %v; want %q", version, err, want)
		}
	}
}

// A key of megabytes is none. That is known without writing it in base58, which would
// take minutes.
func TestALongMultikeyOnAChain(t *testing.T) {
	self := must(did.ParseAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))
	long := attributeEvent(self, "did/pub/Multikey/veriKey", bytes.Repeat([]byte{0xed, 1, 7, 7}, 900_000), 0)
	short := attributeEvent(self, "did/pub/Multikey/veriKey", append([]byte{0xe7, 1}, must(did.ParseMultibase(specK1)).Bytes()...), 7)
	r := did.NewResolver(nil, did.Network{Name: "mainnet", ChainID: 1, Chain: &liar{changed: number(7), events: func(uint64) []did.Event { return []did.Event{long, short} }}})
	d := must(did.Parse("did:ethr:" + self.String()))
	got, err := r.Resolve(t.Context(), d, did.Options{})
	if err != nil || len(got.Document.VerificationMethod) != 2 || got.Document.VerificationMethod[1].ID != d.String()+"#delegate-2" || got.Document.VerificationMethod[1].PublicKeyMultibase != specK1 {
		t.Errorf("Resolve = %v, %v", got.Document, err)
	}
}

func TestEthrIdentifiers(t *testing.T) {
	chain := &liar{changed: number(0)}
	r := did.NewResolver(nil, did.Network{Name: "mainnet", ChainID: 1, Chain: chain}, did.Network{Name: "test", ChainID: 0x539, Chain: chain}, did.Network{ChainID: 0x2a, Chain: chain})
	const address, lower = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
	const key = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
	for s, account := range map[string]string{
		address: "eip155:1:" + address, lower: "eip155:1:" + address, "mainnet:" + lower: "eip155:1:" + address, "0x1:" + address: "eip155:1:" + address, "test:" + address: "eip155:1337:" + address,
		"0x539:" + address: "eip155:1337:" + address, "0x2a:" + address: "eip155:42:" + address, key: "eip155:1:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "0x539:" + key: "eip155:1337:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
	} {
		d := must(did.Parse("did:ethr:" + s))
		got, err := r.Resolve(t.Context(), d, did.Options{})
		if err != nil || got.Document.ID != d || !got.Document.HasAccount(must(did.ParseAccount(account)), did.AssertionMethod) {
			t.Errorf("%s: %v, %v", d, got.Document, err)
		}
	}
	for s, want := range map[string]error{
		"0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed": did.ErrInvalid, address[:41]: did.ErrInvalid, address + "0": did.ErrInvalid, address[2:]: did.ErrInvalid, "0x0000000000000000000000000000000000000000": did.ErrInvalid, ":" + address: did.ErrInvalid,
		"a%20b:" + address: did.ErrInvalid, "0x04" + key[4:]: did.ErrInvalid, "0x02" + strings.Repeat("f", 64): did.ErrInvalid, "0x" + strings.Repeat("g", 66): did.ErrInvalid, key[2:] + "00": did.ErrInvalid,
		"sepolia:" + address: did.ErrCouldNotCheck, "0x0539:" + address: did.ErrCouldNotCheck, "1337:" + address: did.ErrCouldNotCheck, "0x2A:" + address: did.ErrCouldNotCheck, "Test:" + address: did.ErrCouldNotCheck,
	} {
		if got, err := r.Resolve(t.Context(), must(did.Parse("did:ethr:"+s)), did.Options{}); !errors.Is(err, want) {
			t.Errorf("did:ethr:%s: %+v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := did.NewResolver(nil).Resolve(t.Context(), must(did.Parse("did:ethr:"+address)), did.Options{}); !errors.Is(err, did.ErrCouldNotCheck) || !strings.Contains(err.Error(), "no chain is configured") {
		t.Errorf("without any network: %v", err)
	}
}

// FuzzEvents: whatever a chain's node calls an event, it is refused or becomes a document
// that reads as itself.
func FuzzEvents(f *testing.F) {
	self := must(did.ParseAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))
	owner := padded(did.Address{19: 1})
	f.Add(byte(0), append(owner[:], number(0)...))
	f.Add(byte(1), bytes.Join([][]byte{named("sigAuth"), owner[:], bytes.Repeat([]byte{0xff}, 32), number(0)}, nil))
	for _, of := range []string{"did/pub/Secp256k1/veriKey/hex", "did/pub/Ed25519/sigAuth/base64", "did/pub/X25519/enc", "did/pub/Multikey/veriKey", "did/pub/RSA/veriKey/pem", "did/svc/LinkedDomains", "did/svc/A", "x"} {
		f.Add(byte(2), attribute(of, must(did.GenerateEd25519()).Public().Bytes(), 0))
		f.Add(byte(2), attribute(of, []byte("https://a.edu"), 0))
		f.Add(byte(2), attribute(of, []byte(`[{"uri":"https://a.edu"},"did:a:b"]`), 0))
		f.Add(byte(2), attribute(of, must(did.ParseMultibase(specK1)).Bytes(), 0))
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		topic := []([32]byte){did.TopicOwner, did.TopicDelegate, did.TopicAttribute}[kind%3]
		e := did.Event{Topics: [][32]byte{topic, padded(self)}, Data: data}
		_, wrong := did.ParseChange(e, self)
		r := did.NewResolver(nil, did.Network{Name: "mainnet", ChainID: 1, Chain: &liar{changed: number(1 << 62), events: func(uint64) []did.Event { return []did.Event{e} }}})
		got, err := r.Resolve(t.Context(), must(did.Parse("did:ethr:"+self.String())), did.Options{})
		if wrong != nil && !errors.Is(err, did.ErrCouldNotCheck) {
			t.Fatalf("%v, and %v, %v", wrong, got, err)
		}
		if err != nil {
			return
		}
		if back, err := did.ParseDocument(got.Document.JSON()); err != nil || fmt.Sprint(back) != fmt.Sprint(got.Document) {
			t.Fatalf("%v: %s", err, got.Document.JSON())
		}
		for _, m := range got.Document.VerificationMethod {
			if _, err := m.Key(); errors.Is(err, did.ErrInvalid) {
				t.Fatalf("%s: %v", got.Document.JSON(), err)
			}
		}
	})
}
