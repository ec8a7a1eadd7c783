package anchor

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

const (
	ownershipType    = "CLROwnership"
	holdingType      = "CLROwnershipStatement"
	ownershipVersion = 1

	maxHeldDID, maxMethod = 2048, 64 // bytes
)

// OwnershipSchema is the JSON Schema of an [Ownership], which refers to [ReceiptSchema].
//
//go:embed ownership.schema.json
var OwnershipSchema []byte

// An Ownership shows that a record belonged to a DID: that a learner had proven control of
// the DID when the record that names it was anchored. Its statement is a leaf of its own
// (type 6) beside the record's, in the same log, and whoever gives it away reveals the salt
// of that leaf and nothing else.
//
// Nothing in it is to be believed: [CheckOwnership] compares it with the record and with
// the chain.
type Ownership struct {
	Type      string  `json:"type"`    // always "CLROwnership"
	Version   int     `json:"version"` // 1
	Statement Holding `json:"statement"`
	Receipt   Receipt `json:"receipt"` // of the statement's JCS form (RFC 8785)
}

// A Holding is what was anchored: which record belonged to which DID, and by which proof.
type Holding struct {
	Type   string    `json:"type"`   // always "CLROwnershipStatement"
	DID    string    `json:"did"`    // that the record names as its subject
	Record Hash      `json:"record"` // digest of the record, as its own receipt has it
	Method string    `json:"method"` // how control was proven: "presentation" or "ethereum"
	Proof  Hash      `json:"proof"`  // SHA-256 of what the learner signed, which the publisher keeps
	Proven time.Time `json:"proven"` // when the publisher took that, in UTC, whole seconds
}

// NewHolding makes a statement.
func NewHolding(did string, record Hash, method string, proof Hash, proven time.Time) Holding {
	return Holding{holdingType, did, record, method, proof, proven.UTC().Truncate(time.Second)}
}

// NewOwnership puts a statement and the receipt of its leaf together.
func NewOwnership(h Holding, r Receipt) Ownership {
	return Ownership{ownershipType, ownershipVersion, h, r}
}

// ParseOwnership reads an ownership strictly: every member spelt as documented, none
// twice, none unknown, the receipt as [ParseReceipt] takes it.
func ParseOwnership(raw []byte) (Ownership, error) {
	o, err := parseOwnership(raw)
	if err != nil {
		return Ownership{}, fmt.Errorf("not an ownership: %w", err)
	}
	return o, nil
}

func parseOwnership(raw []byte) (Ownership, error) {
	if len(raw) > maxReceipt {
		return Ownership{}, fmt.Errorf("it is longer than %d bytes", maxReceipt)
	}
	given, err := jcs.Parse(raw)
	if err != nil {
		return Ownership{}, err
	}
	if members, ok := given.(map[string]any); !ok || members["type"] != ownershipType {
		return Ownership{}, fmt.Errorf("its type should be %q", ownershipType)
	}
	var o Ownership
	if err := decode(given, &o); err != nil {
		return Ownership{}, err
	}
	var file struct{ Receipt json.RawMessage }
	if err := json.Unmarshal(raw, &file); err != nil {
		return Ownership{}, err
	}
	if o.Receipt, err = ParseReceipt(file.Receipt); err != nil {
		return Ownership{}, err
	}
	if err := o.consistent(); err != nil {
		return Ownership{}, err
	}
	return o, sameMembers(given, o)
}

// consistent says what is wrong on its face.
func (o Ownership) consistent() error {
	h := o.Statement
	switch {
	case o.Version != ownershipVersion:
		return fmt.Errorf("version %d is not known here, only %d: a newer program may read it", o.Version, ownershipVersion)
	case h.Type != holdingType:
		return fmt.Errorf("the type of its statement should be %q", holdingType)
	case !strings.HasPrefix(h.DID, "did:"), h.Method == "", h.Record.IsZero(), h.Proof.IsZero():
		return fmt.Errorf("the statement's did, record, method and proof may not be empty")
	case len(h.DID) > maxHeldDID, len(h.Method) > maxMethod:
		return fmt.Errorf("the statement's did may have %d bytes, and its method %d", maxHeldDID, maxMethod)
	case h.Proven.IsZero(), h.Proven.Location() != time.UTC, h.Proven.Nanosecond() != 0:
		return fmt.Errorf("the statement's time should be in UTC (Z) and whole seconds")
	}
	return nil
}

// clocksDiffer is by how much a publisher's clock may be ahead of its chain's.
const clocksDiffer = 5 * time.Minute

// NoProofOfOwnership says what an ownership doesn't prove. It stands wherever one is given
// away or found sound.
const NoProofOfOwnership = "It doesn't prove who that is, that they control the DID today, or that who shows it is the one: " +
	"ask for a fresh signature by the DID. That control was proven is the publisher's word, and that the record is the publisher's " +
	"only its signature shows, which has to be checked, too."

// CheckOwnership says whether the record with this digest, whose signed bytes name subject
// as whom it is about and log (CAIP-10) as where it is anchored, belonged to the DID that o
// names. The rest is as in [CheckReceipt].
func CheckOwnership(ctx context.Context, o Ownership, record [32]byte, subject, log string, reader Reader) (Finding, error) {
	if err := o.consistent(); err != nil {
		return failed(CodeContradicted, "The ownership is not sound: %v.", err)
	}
	if o.Statement.Record != record {
		return failed(CodeOtherDocument, "The ownership is of another record, or the record was changed.")
	}
	if subject != o.Statement.DID {
		return failed(CodeOtherDocument, "The record names %s as whom it is about, and not %s.", nameOr(subject, "no DID"), shorten(o.Statement.DID))
	}
	statement, err := json.Marshal(o.Statement)
	if err != nil {
		return failed(CodeContradicted, "The ownership is not sound: %v.", err)
	}
	f, err := Copy{statement, o.Receipt}.Check(ctx, log, LeafHolder, reader)
	if !f.Time.IsZero() && o.Statement.Proven.After(f.Time.Add(clocksDiffer)) {
		return failed(CodeContradicted, "The ownership says that control was proven on %s, after it was anchored.", moment(o.Statement.Proven))
	}
	if f.Outcome == OK || f.Outcome == Warning && !f.Time.IsZero() {
		f.Sentence = fmt.Sprintf("When this was anchored, no later than %s (block %d of chain %d), whoever held %s had proven control of it, on %s, and the record was about them. %s",
			moment(f.Time), f.Block, o.Receipt.Chain.ID, shorten(o.Statement.DID), day(o.Statement.Proven), NoProofOfOwnership) + localOrYoung(f)
	}
	return f, err
}

// CheckAlone says what an ownership shows without its record, which is never that something
// belonged to somebody: which log counts, only the record tells, and anybody may write into a
// log of their own. Where nothing is wrong, it is [CouldNotCheck] with [CodeNoRecord].
func (o Ownership) CheckAlone(ctx context.Context, reader Reader) (Finding, error) {
	log := o.Receipt.LogID()
	f, err := CheckOwnership(ctx, o, o.Statement.Record, o.Statement.DID, log, reader)
	if f.Outcome == Failed || f.Time.IsZero() {
		return f, err
	}
	alone, err := couldNot(CodeNoRecord, nil, "The log %s has the statement, since %s at the latest. "+
		"Whether that log is the publisher's, and whom the record is about, only the record tells: give it, too.", log, moment(f.Time))
	alone.Time, alone.Block, alone.Local = f.Time, f.Block, f.Local
	return alone, err
}

// localOrYoung is what else is to be said of a finding.
func localOrYoung(f Finding) (s string) {
	if f.Local {
		s = " The chain is local, which proves nothing to others: who runs the node could rewrite it."
	}
	if f.Outcome == Warning {
		s += " The block is young and may still be replaced, or the receipt names another one: fetch it again."
	}
	return s
}

func nameOr(name, none string) string {
	if name == "" {
		return none
	}
	return shorten(name)
}
