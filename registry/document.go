package registry

import (
	"fmt"
	"time"
)

var tableDocuments = Table{Name: "did_documents"}

// A DocumentCopy is what the document of a publisher's DID said when something was issued.
// A did:web keeps no history, so these copies are the only one.
type DocumentCopy struct {
	Publisher string    `json:"publisher"`
	DID       string    `json:"did"`
	Number    int       `json:"number"`   // from 1 on, for each DID
	At        time.Time `json:"at"`       // since when it is known to have been so
	Document  string    `json:"document"` // canonical JSON
}

// documentKey sorts copies as they were made.
func (c DocumentCopy) documentKey() []string {
	return []string{c.Publisher, didKey(c.DID), fmt.Sprintf("%08d", c.Number)}
}

// KeepDocument stores what a DID's document, in canonical JSON, says now, if the last copy
// says something else. Its time is cut to the second, as those of proofs are: one that is
// made right after isn't older.
func (tx *Tx) KeepDocument(publisher, did string, document string) error {
	copies, err := tx.Documents(publisher, did)
	if err != nil {
		return err
	}
	c := DocumentCopy{Publisher: publisher, DID: did, Number: len(copies) + 1, At: tx.Now.Truncate(time.Second), Document: document}
	if n := len(copies); n > 0 {
		last := copies[n-1]
		if last.Document == document {
			return nil
		}
		if !c.At.After(last.At) { // twice in a second, or another node's clock is ahead
			c.At = last.At.Add(time.Nanosecond)
		}
	}
	return put(tx, tableDocuments, c, c.documentKey()...)
}

// Documents returns the copies of a DID's document, the oldest first; none is no error.
func (tx *Tx) Documents(publisher, did string) ([]DocumentCopy, error) {
	return list[DocumentCopy](tx, tableDocuments, prefixOf(publisher, didKey(did)), "", 0)
}
