package anchor

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"golang.org/x/crypto/sha3"

	"clrnode/did"
)

// ServiceType is the type of the service in a DID document that names an anchor log. Its
// endpoint is an object with the members log (CAIP-10), registry (the contract) and
// statement (see [Statement]), and receipts, a URL to which a digest is added. A log that
// stands on several chains has one for each.
const ServiceType = "CLRAnchorLog"

// A Statement is what a log's key says of whose log it is. A DID document may name any
// log, and the owner of a log any DID: the log is the DID's where both do.
type Statement struct {
	ChainID  uint64
	Registry Address
	Log      Address
	DID      string
}

// A SignedStatement is the member of a DID document's service that has the log key's word:
// {"did": ..., "signature": "0x..."}. Its chain, registry and log are the service's.
type SignedStatement struct {
	DID       string `json:"did"`
	Signature string `json:"signature"` // 0x, and in hex the 65 bytes r, s and 27 or 28
}

// The types of the statement (EIP-712), by which wallets show it.
const (
	domainType    = "EIP712Domain(string name,uint256 chainId,address verifyingContract)"
	statementType = "AnchorLog(address log,string did)"
	domainName    = "clrnode anchor log"
)

// Hash is what the log's key signs, by EIP-712: the domain has the name "clrnode anchor
// log", the chain's id and the registry as verifying contract; the message is of the type
// AnchorLog(address log,string did).
func (s Statement) Hash() [32]byte {
	word := func(b []byte) []byte { return append(make([]byte, 32-len(b)), b...) }
	domain := keccak(keccak([]byte(domainType)), keccak([]byte(domainName)),
		word(binary.BigEndian.AppendUint64(nil, s.ChainID)), word(s.Registry[:]))
	message := keccak(keccak([]byte(statementType)), word(s.Log[:]), keccak([]byte(s.DID)))
	return [32]byte(keccak([]byte{0x19, 0x01}, domain, message))
}

// Sign makes the statement with the log's key, a secp256k1 scalar of 32 bytes. The same
// statement always gets the same signature.
func (s Statement) Sign(key []byte) (SignedStatement, error) {
	if len(key) != btcec.PrivKeyBytesLen {
		return SignedStatement{}, errors.New("the key of a log has 32 bytes")
	}
	private, _ := btcec.PrivKeyFromBytes(key)
	hash := s.Hash()
	compact := ecdsa.SignCompact(private, hash[:], false)
	signed := SignedStatement{s.DID, "0x" + hex.EncodeToString(append(compact[1:], compact[0]))}
	return signed, s.Check(signed.Signature)
}

// Check says whether a signature is the log's own.
func (s Statement) Check(signature string) error {
	digits, ok := strings.CutPrefix(signature, "0x")
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return errors.New("its signature should be 0x and hexadecimal digits")
	}
	signer, err := did.RecoverSigner(s.Hash(), raw)
	if err == nil && signer != s.Log {
		err = errors.New("its signature is another key's, or of another statement")
	}
	return err
}

func keccak(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// A Binding says whether a log is a DID's, in both directions.
type Binding struct {
	DID      string  `json:"did"`
	Outcome  Outcome `json:"outcome"` // OK where both hold, CouldNotCheck where another name of the DID has to be asked
	Listed   bool    `json:"listed"`  // the DID's document names the log
	Stated   bool    `json:"stated"`  // the log's key names the DID
	Sentence string  `json:"sentence"`
}

// CheckBinding looks in a DID document for the log on a chain, and for the statement of
// the log's key. The document is to be the one of that DID: whoever got it knows.
func CheckBinding(doc *did.Document, chain Chain, log Address) Binding {
	b := Binding{DID: doc.ID.String(), Outcome: Failed}
	other := ""
	var wrong error
	for _, s := range doc.Service {
		var e struct {
			Log       string          `json:"log"`
			Registry  string          `json:"registry"`
			Statement SignedStatement `json:"statement"`
		}
		if !s.Is(ServiceType) || json.Unmarshal(s.Endpoint, &e) != nil {
			continue
		}
		chainID, named, err := ParseCAIP10(e.Log)
		registry, err2 := ParseAddress(e.Registry)
		if err != nil || err2 != nil || chainID != chain.ID || named != log || registry != chain.Registry {
			continue
		}
		b.Listed = true
		if e.Statement.Signature == "" {
			continue
		}
		err = Statement{ChainID: chain.ID, Registry: registry, Log: log, DID: e.Statement.DID}.Check(e.Statement.Signature)
		switch {
		case err != nil:
			wrong = err
		case e.Statement.DID == b.DID:
			b.Stated = true
		default:
			other = e.Statement.DID
		}
	}
	switch {
	case !b.Listed:
		b.Sentence = fmt.Sprintf("The document of %s names no such log: it isn't this DID's.", b.DID)
	case b.Stated:
		b.Outcome = OK
		b.Sentence = fmt.Sprintf("The document of %s names the log, and the log's key names the DID.", b.DID)
	case other != "" && slices.Contains(doc.AlsoKnownAs, other):
		b.Outcome = CouldNotCheck
		b.Sentence = fmt.Sprintf("The document of %s names the log, and the log's key names %s, which the document has as another name of it: look at that one.", b.DID, other)
	case other != "":
		b.Sentence = fmt.Sprintf("The document of %s names the log, but the log's key names %s.", b.DID, other)
	case wrong != nil:
		b.Sentence = fmt.Sprintf("The document of %s names the log, but what it has as the statement of the log's key isn't: %v.", b.DID, wrong)
	default:
		b.Sentence = fmt.Sprintf("The document of %s names the log, but has no statement of the log's key that names the DID.", b.DID)
	}
	return b
}
