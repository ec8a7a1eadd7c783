package vc

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"clrnode/did"
)

// What one call of Verify asks of others at most: everybody may hand in a document, and
// others would bear the cost of the questions that it names. Beyond, the answer is
// "could not check".
const (
	maxDIDs      = 32       // DIDs that have to be looked up, those of keys alone (did:key) apart
	maxLists     = 32       // status lists
	maxReasons   = 8        // reasons of revocations
	maxListsSize = 32 << 20 // bytes of all status lists together, as they are sent
	maxProofs    = 8        // proofs of one credential
	maxStatuses  = 8        // status entries of one credential
	maxLogs      = 4        // logs in which one credential elects to be anchored
)

// A verifier's questions are those that one call of Verify asks of others, each once.
type questions struct {
	mu    sync.Mutex
	docs  map[string]*resolved
	lists map[string]*list
	size  int // bytes of status lists

	reasons int // of revocations that were asked for
}

// resolved is a DID's document, asked for once.
type resolved struct {
	once sync.Once
	doc  *did.Document
	err  error
}

// plan takes up the questions that a credential raises, before any is asked: what is
// beyond the bounds then depends on the document alone, and of status lists no more is
// kept than what is asked for.
func (v *verifier) plan(doc map[string]any) {
	for i, p := range listOf(doc["proof"]) {
		proof, _ := p.(map[string]any)
		if u, err := did.ParseURL(text(proof, "verificationMethod")); err == nil && i < maxProofs && u.DID.Method() != "key" {
			v.question(u.DID)
		}
	}
	for i, e := range listOf(doc["credentialStatus"]) {
		entry, _ := e.(map[string]any)
		index, err := statusIndex(entry)
		if err != nil || i >= maxStatuses {
			continue
		}
		url := text(entry, "statusListCredential")
		l := v.lists[url]
		if l == nil && len(v.lists) < maxLists {
			l = &list{set: map[int]bool{}}
			v.lists[url] = l
		}
		if l != nil {
			l.set[index] = false
		}
	}
}

func statusIndex(entry map[string]any) (int, error) {
	i, err := strconv.ParseUint(text(entry, "statusListIndex"), 10, 31)
	return int(i), err
}

// question is the question after a DID's document; nil when there are too many.
func (v *verifier) question(d did.DID) *resolved {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.docs[d.String()]
	if r == nil && len(v.docs) < maxDIDs {
		r = new(resolved)
		v.docs[d.String()] = r
	}
	return r
}

func (v *verifier) resolve(ctx context.Context, d did.DID) (*did.Document, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCouldNotCheck, err)
	}
	if d.Method() == "key" {
		return v.policy.Resolver.Resolve(ctx, d)
	}
	r := v.question(d)
	if r == nil {
		return nil, fmt.Errorf("%w: the file names more issuers than this program asks for at once (%d)", ErrCouldNotCheck, maxDIDs)
	}
	r.once.Do(func() { r.doc, r.err = v.policy.Resolver.Resolve(ctx, d) })
	return r.doc, r.err
}

// take says whether n more bytes of status lists are within bounds.
func (v *verifier) take(n int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.size += n
	return v.size <= maxListsSize
}

// askWhy says whether one more reason of a revocation may be asked for.
func (v *verifier) askWhy() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reasons++
	return v.reasons <= maxReasons
}
