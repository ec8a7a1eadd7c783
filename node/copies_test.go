package node

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/vc"
)

// What an issuer wrote into its log stands for that issuer alone: who wraps a credential in a
// record of its own can't answer for the others who it says issued it, neither with a document
// in their name nor with an old list of theirs.
func TestCopiesStandForTheirIssuerAlone(t *testing.T) {
	raw, err := os.ReadFile("../anchor/testdata/receipts.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Receipt, BlockHash, Log string }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.Name != "copies: sound" {
			continue
		}
		copies, err := anchor.ParseIssuerCopies([]byte(v.Receipt))
		if err != nil {
			t.Fatal(err)
		}
		document, list := copies.Documents[0], copies.StatusLists[0]
		const wrapped = `"verifiableCredential":[{"issuer":"did:web:example.edu","credentialStatus":{"statusListCredential":"https://example.edu/status/1"}}]`
		for issuer, its := range map[string]bool{"did:web:example.edu": true, "did:web:wraps.example": false, "": false} {
			for _, form := range []string{`"` + issuer + `"`, `{"id":"` + issuer + `","name":"did:web:example.edu"}`} {
				record := []byte(`{"id":"https://example.edu/records/1","issuer":` + form + `,` + wrapped + `}`)
				stands := func(c anchor.Copy) vc.Policy {
					var block anchor.Hash
					for text := range strings.SplitSeq(v.BlockHash, ",") {
						if err := block.UnmarshalText([]byte(text)); err == nil && block == c.Receipt.Block.Hash {
							break
						}
					}
					reader, err := evm.NewOffline(c.Receipt, block, anchor.Address{})
					if err != nil {
						t.Fatal(err)
					}
					return WithCopies(vc.Policy{Resolver: did.NewResolver(nil)}, record, copies, v.Log, reader)
				}
				d, err := did.Parse("did:web:example.edu")
				if err != nil {
					t.Fatal(err)
				}
				found, err := stands(document).Resolver.Resolve(t.Context(), d, did.Options{})
				if (err == nil) != its || its && found.Metadata.AsOf.IsZero() {
					t.Errorf("a record of %s: the DID document: %v, %v", form, found.Metadata, err)
				}
				// The list in the vectors names no issuer, so it is nobody's.
				if _, err := stands(list).Fetch(t.Context(), "https://example.edu/status/1", "application/vc"); !errors.Is(err, errOffline) {
					t.Errorf("a record of %s: the list of nobody: %v", form, err)
				}
			}
		}
		return
	}
	t.Fatal("there is no such vector")
}
