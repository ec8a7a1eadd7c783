package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

var tableSigned = Table{Name: "credentials_by_key"}

// allSigned is what signedSoFar is once it is known of every version which key signed it.
const allSigned = "all"

// A signedSoFar is how far a store of before knows which key signed each version: the key
// of the last one that was looked at, or allSigned. It stands beside the schema's number,
// as a store that was only opened is empty.
type signedSoFar struct {
	At string `json:"at"`
}

func (tx *Tx) signedSoFar() (at string, err error) {
	s, err := get[signedSoFar](tx, tableSchema, "signed")
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return s.At, err
}

func (tx *Tx) setSignedSoFar(at string) error { return put(tx, tableSchema, signedSoFar{at}, "signed") }

// signedCounter is the name of the counter of what a key signed.
func signedCounter(key string) string { return "signed by " + key }

// Place is where a version stands among what its key signed, which is ordered by time:
// what the next page of SignedBy begins behind.
func (v Version) Place() string {
	return fmt.Sprintf("%016x-%s-%d", v.Issued.UnixNano(), v.Credential, v.Number)
}

// countSigned counts a version, with the credentials that it embeds and that were signed
// together with it, to those of its key.
func (tx *Tx) countSigned(v Version) error {
	return errors.Join(
		put(tx, tableSigned, VersionRef{v.Credential, v.Number}, v.Key, v.Place()),
		tx.Count(v.Publisher, signedCounter(v.Key), int64(1+v.Embedded)))
}

// SignedBy returns at most limit versions that a key signed, the oldest first, behind the
// place of an earlier one ("" for all).
func (tx *Tx) SignedBy(key, after string, limit int) ([]Version, error) {
	if after != "" {
		after = keyOf(key, after)
	}
	refs, err := list[VersionRef](tx, tableSigned, prefixOf(key), after, limit)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = keyOf(ref.Credential, strconv.Itoa(ref.Number))
	}
	tx.docs.Ahead(tableVersions, names)
	versions := make([]Version, len(refs))
	for i, ref := range refs {
		if versions[i], err = tx.Version(ref.Credential, ref.Number); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// CountSignedBy is how many credentials a publisher's key signed: versions of records, and
// credentials that these embed, each as often as it was signed.
func (tx *Tx) CountSignedBy(publisher, key string) (int64, error) {
	return tx.Counter(publisher, signedCounter(key))
}

// KnowsSigned tells whether the registry knows of every version which key signed it. In a
// store that a program wrote which didn't note that, it does after NoteSigned.
func (tx *Tx) KnowsSigned() (bool, error) {
	at, err := tx.signedSoFar()
	return at == allSigned, err
}

// noteOnce is how many versions NoteSigned looks at in one transaction.
const noteOnce = 64

// NoteSigned notes of every version of before which key signed it, as its bytes say. It
// may end at any moment, and goes on from there when it is called again.
func (db *DB) NoteSigned(ctx context.Context) error {
	for done := false; !done; {
		err := db.Update(ctx, func(tx *Tx) (err error) {
			done, err = tx.noteSigned()
			return err
		})
		if err != nil {
			return fmt.Errorf("note which keys signed what is stored: %w", err)
		}
	}
	return nil
}

// noteSigned is one step of NoteSigned, and tells whether it was the last.
func (tx *Tx) noteSigned() (done bool, err error) {
	at, err := tx.signedSoFar()
	if err != nil || at == allSigned {
		return err == nil, err
	}
	var versions []Version
	for row, err := range tx.docs.Scan(tableVersions, "", at, noteOnce) {
		if err != nil {
			return false, err
		}
		v, err := decode[Version](row)
		if err != nil {
			return false, err
		}
		versions, at = append(versions, v), row.Key
	}
	publishers := map[string]Publisher{}
	for _, v := range versions {
		if v.Key != "" {
			continue
		}
		p, known := publishers[v.Publisher]
		if !known {
			if p, err = tx.Publisher(v.Publisher); err != nil {
				return false, err
			}
			publishers[p.ID] = p
		}
		signed, err := tx.Bytes(v.Credential, v.Number)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		method, embedded := signedWith(signed)
		v.Key, v.Embedded = p.keyWith(method), embedded
		if v.Key == "" {
			continue // what is lost or spoilt stops nothing; Check names it
		}
		if err := errors.Join(tx.countSigned(v), tx.putVersion(v)); err != nil {
			return false, err
		}
	}
	if done = len(versions) < noteOnce; done {
		at = allSigned
	}
	return done, tx.setSignedSoFar(at)
}

// keyWith is the id of the key with this verification method, "" if there is none.
func (p Publisher) keyWith(method string) string {
	if method == p.Method {
		return p.Key
	}
	if i := slices.IndexFunc(p.Earlier, func(k OldKey) bool { return k.Method == method }); i >= 0 {
		return p.Earlier[i].ID
	}
	return ""
}

// signedWith reads from a record which method signed it, and how many of the credentials
// in it were signed together with it: those that are valid from the same moment, which no
// two versions are. Of bytes that are no record the method is "".
func signedWith(record []byte) (method string, embedded int) {
	var doc struct {
		ValidFrom time.Time `json:"validFrom"`
		Proof     []struct {
			VerificationMethod string `json:"verificationMethod"`
		} `json:"proof"`
		CredentialSubject struct {
			VerifiableCredential []struct {
				ValidFrom time.Time `json:"validFrom"`
			} `json:"verifiableCredential"`
		} `json:"credentialSubject"`
	}
	if json.Unmarshal(record, &doc) != nil || len(doc.Proof) == 0 {
		return "", 0
	}
	for _, c := range doc.CredentialSubject.VerifiableCredential {
		if c.ValidFrom.Equal(doc.ValidFrom) {
			embedded++
		}
	}
	return doc.Proof[0].VerificationMethod, embedded
}
