package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/contracts"
	"clrnode/did"
	"clrnode/internal/jose"
	"clrnode/testnet"
)

// answer is what the programs in peers say; see peer.mjs.
type answer struct {
	Error       string
	DIDDocument json.RawMessage `json:"didDocument"`
	Metadata    struct {
		Deactivated                                   bool
		VersionID, Updated, NextVersionID, NextUpdate string
	} `json:"didDocumentMetadata"`
	Resolution struct{ Error, Message string } `json:"didResolutionMetadata"`
	Web        json.RawMessage                 // the did:web beside a did:webvh
	Log        string                          // of a did:webvh

	ID, Address, PublicKey string
	JWT, Signer, Alg       string
	Text, Signature        string
	Fields                 struct {
		Domain, Address, Statement, URI, Version, Nonce, IssuedAt, ExpirationTime, NotBefore, RequestID string
		ChainID                                                                                         uint64
		Resources                                                                                       []string
	}
	Verified bool
}

// peers are the process that the first test which needs it starts, and TestMain ends.
var peers struct {
	sync.Once
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if peers.process != nil {
		peers.in.Close()
		if err := peers.process.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "the peers ended with:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func startPeers() error {
	peers.process = exec.Command("node", "peer.mjs")
	peers.process.Dir, peers.process.Stderr = "peers", os.Stderr
	in, err := peers.process.StdinPipe()
	if err != nil {
		return err
	}
	out, err := peers.process.StdoutPipe()
	if err != nil {
		return err
	}
	peers.in, peers.out = in, bufio.NewReaderSize(out, 1<<20)
	return peers.process.Start()
}

// ask puts a question to the peers. The test is skipped where they aren't installed;
// .ci/run counts that as a failure.
func ask(t *testing.T, op string, with map[string]any) answer {
	t.Helper()
	_, err := exec.LookPath("node")
	if _, missing := os.Stat("peers/node_modules"); err != nil || missing != nil {
		t.Skip("SKIP: the peers aren't installed: run npm ci --prefix did/interop/peers (Node.js 20 or later)")
	}
	peers.Do(func() { peers.err = startPeers() })
	if peers.err != nil {
		t.Fatal(peers.err)
	}
	question := map[string]any{"op": op}
	for k, v := range with {
		question[k] = v
	}
	raw, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := peers.in.Write(append(raw, '\n')); err != nil {
		t.Fatal(err)
	}
	out, err := peers.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s: the peers ended: %v", op, err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: %v in %s", op, err, out)
	}
	if a.Error != "" {
		t.Fatalf("%s: %s", op, a.Error)
	}
	return a
}

// document reads theirs with our rules.
func (a answer) document(t *testing.T) *did.Document {
	t.Helper()
	d, err := did.ParseDocument(a.DIDDocument)
	if err != nil {
		t.Fatalf("their document: %v\n%s\n%s", err, a.DIDDocument, a.Resolution.Message)
	}
	return d
}

var allUses = []did.Relationship{did.Authentication, did.AssertionMethod, did.KeyAgreement, did.CapabilityInvocation, did.CapabilityDelegation}

// says is what a document comes to for who checks signatures: each method that is listed,
// its key, and for what. The forms of keys and their order may differ.
func says(d *did.Document, uses ...did.Relationship) string {
	var lines []string
	for _, m := range d.VerificationMethod {
		var listed []string
		for _, rel := range uses {
			if _, _, err := d.KeyFor(m.ID, rel); !errors.Is(err, did.ErrNoKey) {
				listed = append(listed, string(rel))
			}
		}
		if k, err := m.Key(); err == nil {
			lines = append(lines, fmt.Sprintf("%s %s %s for %s", m.ID, k.Algorithm(), k, strings.Join(listed, ", ")))
		} else {
			lines = append(lines, fmt.Sprintf("%s, which verifies nothing, for %s", m.ID, strings.Join(listed, ", ")))
		}
	}
	for _, s := range d.Service {
		lines = append(lines, fmt.Sprintf("%s %s %s", s.ID, s.Type, s.Endpoint))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// ours resolves a DID that needs no network.
func ours(t *testing.T, d string) *did.Document {
	t.Helper()
	parsed, err := did.Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	r, err := did.NewResolver(nil).Resolve(t.Context(), parsed, did.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Document
}

// Our did:key identifiers mean to others what they mean to us, and theirs to us.
func TestDIDKeyBothWays(t *testing.T) {
	signs := []did.Relationship{did.Authentication, did.AssertionMethod, did.CapabilityInvocation, did.CapabilityDelegation}
	for _, algorithm := range []string{"Ed25519", "P-256", "P-384", "secp256k1"} {
		d, _ := did.KeyDID(mustSigner(t, algorithm).Public())
		mine := says(ours(t, d.String()), signs...)
		if algorithm != "secp256k1" { // which Digital Bazaar has no package for among these
			if theirs := says(only(ask(t, "keyDocument", map[string]any{"did": d}).document(t), signs), signs...); theirs != mine {
				t.Errorf("@digitalbazaar/did-method-key says of a key for %s\n%s\nand we\n%s", algorithm, theirs, mine)
			}
		}
		if theirs := says(only(ask(t, "resolve", map[string]any{"did": d}).document(t), signs), signs...); theirs != mine {
			t.Errorf("key-did-resolver says of a key for %s\n%s\nand we\n%s", algorithm, theirs, mine)
		}
	}
	for _, curve := range []string{"", "P-256", "P-384"} {
		made := ask(t, "keyMake", map[string]any{"curve": curve}).document(t)
		if theirs, mine := says(only(made, signs), signs...), says(ours(t, made.ID.String()), signs...); theirs != mine {
			t.Errorf("a did:key that @digitalbazaar/did-method-key made is to it\n%s\nand to us\n%s", theirs, mine)
		}
	}
}

// only leaves out the methods that are listed for none of the uses, such as the X25519
// key that some derive from an Ed25519 key.
func only(d *did.Document, uses []did.Relationship) *did.Document {
	d.VerificationMethod = slices.DeleteFunc(d.VerificationMethod, func(m did.VerificationMethod) bool {
		return !slices.ContainsFunc(uses, func(rel did.Relationship) bool {
			_, _, err := d.KeyFor(m.ID, rel)
			return !errors.Is(err, did.ErrNoKey)
		})
	})
	return d
}

// peerChain is the embedded chain as the peers want it described.
func (w *world) peerChain() map[string]any {
	return map[string]any{"name": fmt.Sprintf("0x%x", testnet.ChainID), "chainId": testnet.ChainID, "rpc": w.chain.URL(), "registry": contracts.DIDRegistryAddress.Hex()}
}

// ethr-did-resolver and this program say the same of an identity, at each of its versions,
// whoever made its history.
func TestDIDEthrBothWays(t *testing.T) {
	w := newWorld(t)
	ada, second, delegate := w.person(), w.person(), w.person()
	ed := mustSigner(t, "Ed25519").Public()
	made := ask(t, "ethrMake", map[string]any{"chain": w.peerChain(), "key": ada.hex(), "second": second.hex(), "delegate": delegate.address.Hex(), "ed25519": fmt.Sprintf("0x%x", ed.Bytes())})
	if made.ID != ada.address.Hex() {
		t.Fatalf("ethers has the address %s for the key of %s", made.ID, ada.address)
	}
	last := w.mined(
		w.call(second, "setAttribute", ada.address, name("did/pub/Secp256k1/sigAuth/hex"), crypto.CompressPubkey(&delegate.key.PublicKey), day),
		w.call(second, "setAttribute", ada.address, name("did/svc/Files"), []byte(`{"uri":"https://files.example"}`), day),
		w.call(second, "addDelegate", ada.address, name("veriKey"), second.address, big.NewInt(1)),
	)
	// Theirs lists a delegate in the second in which it ends, ours until then.
	for time.Now().Before(w.at(last).Add(2500 * time.Millisecond)) {
		time.Sleep(100 * time.Millisecond)
	}
	id, byKey := ada.did(w)
	compare := func(d did.DID, o did.Options) did.Resolution {
		t.Helper()
		url := d.String()
		if o.VersionID != "" {
			url += "?versionId=" + o.VersionID
		}
		theirs := ask(t, "resolve", map[string]any{"did": url, "chain": w.peerChain()})
		o.NoCache = true
		mine, err := w.resolver.Resolve(t.Context(), d, o)
		if m := mine.Metadata; theirs.Metadata.VersionID != m.VersionID || theirs.Metadata.NextVersionID != m.NextVersionID || theirs.Metadata.Deactivated != errors.Is(err, did.ErrDeactivated) {
			t.Errorf("%s: their metadata %+v, ours %+v, %v", url, theirs.Metadata, m, err)
		}
		if err == nil {
			// In the very block in which a delegate is taken back theirs still lists it, under
			// the number of the taking back; the contract itself doesn't take it for valid.
			document := theirs.document(t)
			document.VerificationMethod = slices.DeleteFunc(document.VerificationMethod, func(m did.VerificationMethod) bool {
				return m.ID == d.String()+"#delegate-3"
			})
			if theirs, mine := says(document, allUses...), says(mine.Document, allUses...); theirs != mine {
				t.Errorf("%s: ethr-did-resolver says\n%s\nand we\n%s", url, theirs, mine)
			}
		}
		return mine
	}
	now := compare(id, did.Options{})
	if n := len(now.Document.VerificationMethod); n != 4 {
		t.Errorf("now there are %d methods: %s", n, now.Document.JSON())
	}
	compare(byKey, did.Options{})
	versions := 0
	for o := (did.Options{VersionID: "1"}); o.VersionID != ""; versions++ {
		r := compare(id, o)
		o.VersionID = r.Metadata.NextVersionID
	}
	if versions < 7 {
		t.Errorf("there were %d versions", versions)
	}
	compare(byKey, did.Options{VersionID: "1"})

	// Tokens of did-jwt: by the owner's account, and by a key that is listed.
	for _, c := range []struct {
		by          *person
		recoverable bool
		fragment    string
	}{{second, true, "controller"}, {second, false, "controller"}, {delegate, true, "delegate-4"}, {delegate, false, "delegate-5"}} {
		jwt := ask(t, "token", map[string]any{"did": id, "key": c.by.hex(), "recoverable": c.recoverable}).JWT
		token, err := jose.Parse(jwt)
		if err != nil {
			t.Fatal(err)
		}
		key, _, err := now.Document.KeyFor(id.String()+"#"+c.fragment, did.Authentication)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Verify(key); err != nil {
			t.Errorf("did-jwt's token with %s by %s: %v", token.Alg, c.fragment, err)
		}
		if other, _, err := now.Document.KeyFor(id.String()+"#delegate-2", did.AssertionMethod); err != nil || token.Verify(other) == nil {
			t.Errorf("another key verifies the token: %v", err)
		}
		if theirs := ask(t, "verify", map[string]any{"jwt": jwt, "audience": id, "chain": w.peerChain()}); !theirs.Verified {
			t.Errorf("did-jwt refuses its own token by %s", c.fragment)
		}
	}
	// And ours to them.
	signer := mustSigner(t, "secp256k1")
	own, _ := did.KeyDID(signer.Public())
	ownAddress, _ := signer.Public().Address()
	ethr := fmt.Sprintf("did:ethr:0x%x:%s", testnet.ChainID, ownAddress)
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"ada"}`, ethr, own)
	token, err := jose.Sign(t.Context(), jose.Header{Kid: ethr + "#controller", Typ: "JWT"}, []byte(claims), signer)
	if err != nil {
		t.Fatal(err)
	}
	if theirs := ask(t, "verify", map[string]any{"jwt": token, "audience": own, "chain": w.peerChain()}); !theirs.Verified || theirs.Alg != "ES256K" || theirs.Signer != ethr+"#controller" {
		t.Errorf("did-jwt of our token: %+v", theirs)
	}

	// Given up.
	w.mined(w.call(second, "changeOwner", ada.address, [20]byte{}))
	if _, err := w.resolver.Resolve(t.Context(), id, did.Options{NoCache: true}); !errors.Is(err, did.ErrDeactivated) {
		t.Errorf("given up: %v", err)
	}
	compare(id, did.Options{})
}

// Private keys have the addresses that ethers gives them, with its checksums.
func TestAddressesOfEthers(t *testing.T) {
	for range 3 {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		theirs := ask(t, "address", map[string]any{"key": (&person{key: key}).hex()})
		mine, err := did.VerificationMethod{Type: "EcdsaSecp256k1VerificationKey2019", PublicKeyHex: theirs.PublicKey}.Key()
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := mine.Address(); !ok || a.String() != theirs.Address {
			t.Errorf("ethers says %s, we say %s", theirs.Address, a)
		}
		if _, err := did.ParseAddress(theirs.Address); err != nil {
			t.Error(err)
		}
	}
}
