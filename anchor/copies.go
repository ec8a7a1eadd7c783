package anchor

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"

	"clrnode/internal/jcs"
)

const (
	copiesType    = "CLRIssuerCopies"
	copiesVersion = 1
	maxCopies     = 8 << 20 // bytes of a whole file
)

// CopiesSchema is the JSON Schema of [IssuerCopies], which refers to [ReceiptSchema].
//
//go:embed copies.schema.json
var CopiesSchema []byte

// IssuerCopies is what an issuer publishes beside its records, its DID document and its
// status lists, as it was anchored. It travels with a record, so that the record can be
// judged when the issuer answers no more: as of the time of those anchors.
//
// Nothing in it is to be believed: [Copy.Check] compares it with the chain, in the log
// of which the verifier knows that it is the issuer's.
type IssuerCopies struct {
	Type        string `json:"type"`        // always "CLRIssuerCopies"
	Version     int    `json:"version"`     // 1
	Documents   []Copy `json:"documents"`   // DID documents
	StatusLists []Copy `json:"statusLists"` // status list credentials
}

// A Copy is a JSON document as it was published, and the receipt of its anchor. Its digest
// is the SHA-256 of its JCS form (RFC 8785).
type Copy struct {
	Content json.RawMessage `json:"content"`
	Receipt Receipt         `json:"receipt"`
}

// NewIssuerCopies makes a file of copies.
func NewIssuerCopies(documents, statusLists []Copy) IssuerCopies {
	list := func(c []Copy) []Copy { return append([]Copy{}, c...) } // never null
	return IssuerCopies{copiesType, copiesVersion, list(documents), list(statusLists)}
}

// ParseIssuerCopies reads a file of copies strictly: no member unknown, none twice, each
// receipt as [ParseReceipt] takes it.
func ParseIssuerCopies(raw []byte) (IssuerCopies, error) {
	c, err := parseIssuerCopies(raw)
	if err != nil {
		return IssuerCopies{}, fmt.Errorf("not an issuer's copies: %w", err)
	}
	return c, nil
}

func parseIssuerCopies(raw []byte) (IssuerCopies, error) {
	if len(raw) > maxCopies {
		return IssuerCopies{}, fmt.Errorf("the file is longer than %d bytes", maxCopies)
	}
	given, err := jcs.Parse(raw)
	if err != nil {
		return IssuerCopies{}, err
	}
	members, ok := given.(map[string]any)
	if !ok || members["type"] != copiesType {
		return IssuerCopies{}, fmt.Errorf("its type should be %q", copiesType)
	}
	type copied struct {
		Content, Receipt json.RawMessage
	}
	var file struct {
		Type                   string
		Version                int
		Documents, StatusLists []copied
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return IssuerCopies{}, err
	}
	if file.Version != copiesVersion {
		return IssuerCopies{}, fmt.Errorf("version %d is not known here, only %d: a newer program may read it", file.Version, copiesVersion)
	}
	c := NewIssuerCopies(nil, nil)
	for name, list := range map[string]struct {
		from []copied
		to   *[]Copy
	}{"documents": {file.Documents, &c.Documents}, "statusLists": {file.StatusLists, &c.StatusLists}} {
		if _, there := members[name].([]any); !there {
			return IssuerCopies{}, fmt.Errorf("the member %q is missing or no list", name)
		}
		for _, one := range list.from {
			r, err := ParseReceipt(one.Receipt)
			if err != nil {
				return IssuerCopies{}, fmt.Errorf("%s: %w", name, err)
			}
			if len(one.Content) == 0 || one.Content[0] != '{' {
				return IssuerCopies{}, fmt.Errorf("%s: a content is no object", name)
			}
			if _, err := jcs.Parse(one.Content); err != nil { // which allows it less than the whole file
				return IssuerCopies{}, fmt.Errorf("%s: %w", name, err)
			}
			*list.to = append(*list.to, Copy{one.Content, r})
		}
	}
	return c, sameMembers(given, c)
}

// Check says whether the copy was anchored, as a leaf of this type, in a log (CAIP-10) of
// which the verifier knows that it is the issuer's. The rest is as in [CheckReceipt].
func (c Copy) Check(ctx context.Context, log string, leafType byte, reader Reader) (Finding, error) {
	content, err := jcs.Parse(c.Content)
	if err != nil {
		return failed(CodeOtherDocument, "The copy can't be read: %v.", err)
	}
	canonical, err := jcs.Marshal(content)
	if err != nil {
		return failed(CodeOtherDocument, "The copy can't be read: %v.", err)
	}
	if c.Receipt.LeafType != leafType || c.Receipt.Canonicalization != CanonicalJCS {
		return failed(CodeOtherDocument, "The receipt of the copy is of something else.")
	}
	return checkIn(ctx, log, c.Receipt, sha256.Sum256(canonical), reader)
}
