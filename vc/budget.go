package vc

import (
	"context"
	"fmt"
	"sync"

	"clrnode/did"
)

// What one call of Verify asks of others at most: everybody may hand in a document, and
// others would bear the cost of the questions that it names. Beyond, the answer is
// "could not check".
const (
	maxDIDs      = 32       // DIDs that have to be looked up, those of keys alone (did:key) apart
	maxPages     = 32       // key documents and key sets at web addresses
	maxLists     = 32       // status lists
	maxReasons   = 8        // reasons of revocations
	maxListsSize = 32 << 20 // bytes of all status lists together, as they are sent
	maxProofs    = 8        // proofs of one credential
	maxStatuses  = 8        // status entries of one credential
	maxLogs      = 4        // logs in which one credential elects to be anchored
	maxAsked     = 32       // logs that are asked for all credentials together
	maxHosted    = 32       // hosted copies
	maxVersions  = 32       // earlier versions of DID documents
	maxDomains   = 8        // web sites that issuers say are theirs

	maxLinked     = 32        // linked things: schemas, related resources, newer versions
	maxRefreshes  = 4         // newer versions among them, each of which has questions of its own
	maxLinkedSize = 8 << 20   // bytes of all of them together
	maxSchema     = 256 << 10 // bytes of one schema
	maxSchemaWork = 300_000   // steps of judging by schemas, all together

	maxSchemaNumber = 40     // characters of a number in a schema
	maxPatterns     = 10_000 // steps of the patterns in one schema, or of one that is judged
)

// A verifier's questions are those that one call of Verify asks of others, each once.
type questions struct {
	mu    sync.Mutex
	docs  map[string]*resolved // of DIDs that have to be looked up
	past  map[string]*history  // of the same
	keys  map[string]*resolved // of DIDs that are keys alone: nobody is asked
	pages map[string]*webPage
	lists map[listName]*list

	things     map[link]*linkedThing // all are planned before any is asked for
	refreshes  int                   // newer versions among them
	linkedSize int                   // bytes of linked things
	schemaWork int                   // steps that were made

	answers map[keyQuestion]keyAnswer

	size int // bytes of status lists

	reasons  int // of revocations that were asked for
	hosted   int // copies that were asked for
	logs     int // that were asked
	versions int // earlier ones of DID documents that were asked for
	domains  int // web sites that were asked for

	sites map[string]*sites // of issuers' DIDs
}

func newQuestions() questions {
	return questions{docs: map[string]*resolved{}, past: map[string]*history{}, sites: map[string]*sites{}, keys: map[string]*resolved{}, pages: map[string]*webPage{}, lists: map[listName]*list{}, things: map[link]*linkedThing{}, answers: map[keyQuestion]keyAnswer{}}
}

// resolved is a DID's document, asked for once.
type resolved struct {
	once  sync.Once
	found did.Resolution
	err   error
}

// plan takes up the questions that a credential raises, before any is asked: what is
// beyond the bounds then depends on the document alone, and of status lists no more is
// kept than what is asked for.
func (v *verifier) plan(s secured) {
	doc, methods := s.doc, []string{}
	proofs := doc.Get("proof").Items()
	for i := range proofs[:min(len(proofs), maxProofs)] {
		methods = append(methods, proofs[i].Str("verificationMethod"))
	}
	if s.token != nil {
		methods = append(methods, issuerID(doc))
	}
	for _, method := range methods {
		if u, err := did.ParseURL(method); err == nil && !isKeyItself(u.DID) {
			v.question(u.DID)
		}
	}
	entries := doc.Get("credentialStatus").Items()
	for i := range entries[:min(len(entries), maxStatuses)] {
		v.ask(entryOf(doc, &entries[i]))
	}
	v.planLinked(doc)
}

// question is the question after a DID's document; nil when there are too many.
func (v *verifier) question(d did.DID) *resolved {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, most := v.docs, maxDIDs
	if isKeyItself(d) {
		known, most = v.keys, MaxEmbedded
	}
	r := known[d.String()]
	if r == nil && len(known) < most {
		r = new(resolved)
		known[d.String()] = r
	}
	return r
}

// resolve asks for a DID's newest document, once in a call of Verify. today is for who shows
// up in person: an answer that the resolver kept might be from before a key was taken away.
func (v *verifier) resolve(ctx context.Context, d did.DID, today bool) (did.Resolution, error) {
	if err := ctx.Err(); err != nil {
		return did.Resolution{}, fmt.Errorf("%w: %w", ErrCouldNotCheck, err)
	}
	r := v.question(d)
	if r == nil {
		return did.Resolution{}, fmt.Errorf("%w: the file names more issuers than this program asks for at once (%d)", ErrCouldNotCheck, maxDIDs)
	}
	r.once.Do(func() { r.found, r.err = v.policy.Resolver.Resolve(ctx, d, did.Options{NoCache: today}) })
	return r.found, r.err
}

// keyIn is what [did.Document.KeyFor] says, asked once: reading a key takes longer than
// using it once.
func (v *verifier) keyIn(document *did.Document, method string, relation did.Relationship) (did.PublicKey, did.VerificationMethod, error) {
	of := keyQuestion{document, method, relation}
	v.mu.Lock()
	a, ok := v.answers[of]
	v.mu.Unlock()
	if !ok {
		a.key, a.method, a.err = document.KeyFor(method, relation)
		v.mu.Lock()
		v.answers[of] = a
		v.mu.Unlock()
	}
	return a.key, a.method, a.err
}

type keyQuestion struct {
	document *did.Document
	method   string
	relation did.Relationship
}

type keyAnswer struct {
	key    did.PublicKey
	method did.VerificationMethod
	err    error
}

// take says whether n more bytes of status lists are within bounds.
func (v *verifier) take(n int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.size += n
	return v.size <= maxListsSize
}

// may says whether one more of what is counted may be asked for.
func (v *verifier) may(count *int, most int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	*count++
	return *count <= most
}
