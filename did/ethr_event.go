package did

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"clrnode/internal/jcs"
)

// The kinds of events of an ERC-1056 registry.
var (
	topicOwner     = topic("DIDOwnerChanged(address,address,uint256)")
	topicDelegate  = topic("DIDDelegateChanged(address,bytes32,address,uint256,uint256)")
	topicAttribute = topic("DIDAttributeChanged(address,bytes32,bytes,uint256,uint256)")
)

func topic(signature string) [32]byte { return [32]byte(keccak([]byte(signature))) }

// ethrChange is one event of an identity.
type ethrChange struct {
	kind     [32]byte // one of the topics
	name     string   // the type of a delegate, or an attribute's name; "" when it isn't text
	address  Address  // the new owner, or the delegate
	value    []byte   // of an attribute
	validTo  time.Time
	previous uint64 // the block of the change before it; 0: none

	block uint64
	time  time.Time // of the block
}

func (c ethrChange) givesUp() bool { return c.kind == topicOwner && c.address.IsZero() }

// parseChange reads an event of account's identity as the registry's code writes it, and
// in no other encoding.
func parseChange(e Event, account Address) (ethrChange, error) {
	if len(e.Topics) != 2 || !bytes.Equal(e.Topics[1][:], word(account)) {
		return ethrChange{}, errors.New("it is about somebody else")
	}
	c := ethrChange{kind: e.Topics[0]}
	n := map[[32]byte]int{topicOwner: 2, topicDelegate: 4, topicAttribute: 4}[c.kind] // words before what has no fixed length
	if n == 0 || len(e.Data) < 32*n || c.kind != topicAttribute && len(e.Data) != 32*n {
		return ethrChange{}, errors.New("it is none of an ERC-1056 registry")
	}
	at := func(i int) []byte { return e.Data[32*i : 32*i+32] }
	var ok bool
	if c.previous, ok = abiNumber(at(n - 1)); !ok || c.previous > math.MaxInt64 {
		return ethrChange{}, errors.New("the block before it is beyond any chain")
	}
	switch c.kind {
	case topicOwner:
		c.address, ok = abiAddress(at(0))
	case topicDelegate:
		c.name, c.validTo = abiText(at(0)), abiTime(at(2))
		c.address, ok = abiAddress(at(1))
	case topicAttribute:
		c.name, c.validTo = abiText(at(0)), abiTime(at(2))
		c.value, ok = abiBytes(e.Data, at(1), 4)
	}
	if !ok {
		return ethrChange{}, errors.New("its data aren't encoded as contracts do it")
	}
	return c, nil
}

// word is an address as contracts take it: 32 bytes.
func word(a Address) []byte { return append(make([]byte, 12), a[:]...) }

// abiNumber reads a word that should be a number below 2^64.
func abiNumber(w []byte) (uint64, bool) {
	if len(w) != 32 || slices.ContainsFunc(w[:24], func(c byte) bool { return c != 0 }) {
		return 0, false
	}
	return binary.BigEndian.Uint64(w[24:]), true
}

func abiAddress(w []byte) (Address, bool) {
	a := Address(w[12:])
	return a, bytes.Equal(w, word(a))
}

// abiText is a name in a word, with zeros after it; empty when it is no text.
func abiText(w []byte) string {
	w = bytes.TrimRight(w, "\x00")
	if !utf8.Valid(w) || bytes.IndexByte(w, 0) >= 0 {
		return ""
	}
	return string(w)
}

// lastTime is the end of what a document can say of a time.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// abiTime reads seconds since 1970. Whatever is beyond the year 9999 is its end: some
// write the largest number there is.
func abiTime(w []byte) time.Time {
	n, ok := abiNumber(w)
	if !ok || n > uint64(lastTime.Unix()) {
		return lastTime
	}
	return time.Unix(int64(n), 0).UTC()
}

// abiBytes reads bytes that stand behind n words, filled up to whole words with zeros.
func abiBytes(data, offset []byte, n int) ([]byte, bool) {
	if start, ok := abiNumber(offset); !ok || start != uint64(32*n) || len(data) < 32*(n+1) {
		return nil, false
	}
	size, ok := abiNumber(data[32*n : 32*n+32])
	rest := data[32*n+32:]
	if !ok || size > uint64(len(rest)) || uint64(len(rest)) != (size+31)/32*32 {
		return nil, false
	}
	return rest[:size], !slices.ContainsFunc(rest[size:], func(c byte) bool { return c != 0 })
}

// ethrState is a document in the making, from change to change.
type ethrState struct {
	did   DID
	chain uint64
	owner Address
	now   time.Time
	gone  bool // given up by its owner, for ever

	keys, services int // the numbers of the newest ones; those that ended count too
	listed         []ethrListed
}

// ethrListed is a delegate or an attribute that is valid.
type ethrListed struct {
	key     string // what takes it back says the same
	method  VerificationMethod
	uses    []Relationship
	service Service // when it isn't a method
}

// attributeName is what a name says: the section, the algorithm or the service's type,
// the purpose and the encoding in which documents were to have the key.
var attributeName = regexp.MustCompile(`^did/(pub|svc)/(\w+)(?:/(\w+))?(?:/(\w+))?$`)

// apply takes one change over (did:ethr method specification, "Read"). What is no valid
// key or service counts, so that the numbers of the others stay, and isn't listed.
func (s *ethrState) apply(c ethrChange) {
	if c.kind == topicOwner {
		s.owner, s.gone = c.address, c.givesUp()
		return
	}
	key := fmt.Sprintf("%x %s %x %x", c.kind, c.name, c.address, c.value)
	s.listed = slices.DeleteFunc(s.listed, func(l ethrListed) bool { return l.key == key })
	valid := c.validTo.After(s.now)
	l := ethrListed{key: key}
	ok := false
	if c.kind == topicDelegate {
		s.keys++
		l.method, l.uses, ok = s.delegate(c)
	} else if name := attributeName.FindStringSubmatch(c.name); name != nil && name[1] == "pub" {
		s.keys++
		l.method, l.uses, ok = publishedKey(name[2], name[3], c.value)
	} else if name != nil {
		s.services++
		l.service, ok = s.publishedService(name[2], c.value)
	}
	if !ok || !valid {
		return
	}
	if l.uses != nil {
		l.method.ID, l.method.Controller = fmt.Sprintf("%s#delegate-%d", s.did, s.keys), s.did.String()
		if c.validTo != lastTime {
			l.method.Expires = c.validTo
		}
	}
	s.listed = append(s.listed, l)
}

// delegate is another account that signs for the identity, and with sigAuth may also log
// in for it.
func (s *ethrState) delegate(c ethrChange) (VerificationMethod, []Relationship, bool) {
	uses := purposes(c.name)
	if c.address.IsZero() || c.name != "veriKey" && c.name != "sigAuth" {
		return VerificationMethod{}, nil, false
	}
	return s.account(c.address), uses, true
}

func (s *ethrState) account(a Address) VerificationMethod {
	return VerificationMethod{Type: "EcdsaSecp256k1RecoveryMethod2020", Controller: s.did.String(), BlockchainAccountID: Account{s.chain, a}.String()}
}

// purposes are the uses of a key by the word for it in the registry.
func purposes(word string) []Relationship {
	switch word {
	case "enc":
		return []Relationship{KeyAgreement}
	case "sigAuth":
		return []Relationship{Authentication, AssertionMethod}
	}
	return []Relationship{AssertionMethod}
}

// publishedKey is the method of a key that stands in an attribute, for the uses of its
// purpose. Keys of types that this program doesn't know, and bytes that are no key, are
// none.
func publishedKey(algorithm, purpose string, value []byte) (VerificationMethod, []Relationship, bool) {
	var m VerificationMethod
	var k PublicKey
	var err error
	switch algorithm {
	case "Secp256k1":
		k, err = rawKey(keySecp256k1, value)
		m.Type, m.PublicKeyHex = "EcdsaSecp256k1VerificationKey2019", fmt.Sprintf("%x", value)
	case "Ed25519":
		k, err = ed25519Key(value)
		m.Type, m.PublicKeyMultibase = "Ed25519VerificationKey2020", k.Multibase()
	case "X25519":
		k, err = x25519Key(value)
		m.Type, m.PublicKeyMultibase = "X25519KeyAgreementKey2020", k.Multibase()
	case "Multikey":
		if len(value) > maxBase58 { // to write it in base58 would take as long as a stranger likes
			return m, nil, false
		}
		k, err = anyMultibase(EncodeMultibase(value))
		m.Type, m.PublicKeyMultibase = "Multikey", k.Multibase()
	default:
		return m, nil, false
	}
	uses := purposes(purpose)
	if agrees := k.kind == keyX25519; err != nil || agrees != (purpose == "enc") && (agrees || k.kind == keyEd25519) {
		return m, nil, false
	}
	return m, uses, true
}

// publishedService is the service of an attribute, whose value is a URI or JSON.
func (s *ethrState) publishedService(kind string, value []byte) (Service, bool) {
	var endpoint any
	if v, err := jcs.Parse(value); err == nil {
		endpoint = v
	} else {
		endpoint = string(value)
	}
	if !utf8.Valid(value) || checkEndpoint(endpoint) != nil {
		return Service{}, false
	}
	raw, err := jcs.Marshal(endpoint)
	if err != nil {
		return Service{}, false
	}
	return Service{ID: fmt.Sprintf("%s#service-%d", s.did, s.services), Type: []string{kind}, Endpoint: raw}, true
}

// document is what the changes amount to.
func (s *ethrState) document(id ethrID) *Document {
	owner := s.account(s.owner)
	owner.ID = s.did.String() + "#controller"
	doc := &Document{ID: s.did}
	add := func(m VerificationMethod, uses []Relationship) {
		doc.VerificationMethod = append(doc.VerificationMethod, m)
		for _, rel := range uses {
			list := doc.listed(rel)
			*list = append(*list, m.ID)
		}
	}
	owns := []Relationship{Authentication, AssertionMethod}
	add(owner, owns)
	// The key in the identifier is the owner's for as long as the account owns itself.
	if id.key != (PublicKey{}) && s.owner == id.account {
		add(VerificationMethod{ID: s.did.String() + "#controllerKey", Type: "EcdsaSecp256k1VerificationKey2019", Controller: s.did.String(), PublicKeyHex: fmt.Sprintf("%x", id.key.Bytes())}, owns)
	}
	for _, l := range s.listed {
		if l.uses == nil {
			doc.Service = append(doc.Service, l.service)
		} else {
			add(l.method, l.uses)
		}
	}
	return doc
}
