package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

const (
	contextV1        = "https://www.w3.org/2018/credentials/v1"
	contextIntegrity = "https://w3id.org/security/data-integrity/v2"
	contextStatus    = "https://www.w3.org/ns/credentials/status/v1"

	typeStatusEntry = "BitstringStatusListEntry"

	// maxCredentialID bounds ids under which places in status lists are found again.
	maxCredentialID = 2048
)

// CredentialOptions say what a credential that somebody else wrote is to get, beside
// what its profile gives it.
type CredentialOptions struct {
	ID        string    // where the credential has no id of its own
	Purposes  []string  // of the entries in status lists that are asked for
	Created   time.Time // of the proof; zero: now
	Expires   time.Time // of the proof
	Domain    []string
	Challenge string
}

// IssueCredential signs a credential that somebody else wrote, as the profile does. The
// issuer is completed; a credential of data model 1.1 gets its issuanceDate and the
// context of its proof; one with a proof gets another one beside it (but not as a
// token). Where the profile has status lists, each entry that is asked for gets a
// place: the purposes in o, or those of the entries of type BitstringStatusListEntry
// that name no list; a credential without any status gets one for revocation, and with
// it an id, if it has none.
//
// What can't be signed as it is written is a *[vc.RulesError]; its pointers begin at
// the credential.
func (n *Node) IssueCredential(ctx context.Context, p Profile, credential *jcs.Value, o CredentialOptions, by string) (vc.Signed, error) {
	doc, err := p.complete(credential, o, n.now())
	if err != nil {
		return vc.Signed{}, err
	}
	if doc, err = n.withStatus(ctx, p, doc, o.Purposes, by); err != nil {
		return vc.Signed{}, err
	}
	options := vc.Options{Form: p.form, Created: o.Created, Expires: o.Expires, Domain: o.Domain, Challenge: o.Challenge}
	if options.Created.IsZero() {
		options.Created = n.now()
	}
	if p.form == vc.FormJWT {
		if options.Typ = "vc+jwt"; isV1(doc) {
			options.Form, options.Typ = vc.FormJWT11, "JWT"
		}
	}
	for {
		_, key, err := n.issuerKey(ctx, p.issuer)
		if err != nil {
			return vc.Signed{}, err
		}
		s, err := signCredential(ctx, doc, key, options)
		if err != nil && ctx.Err() == nil && !errors.Is(err, did.ErrCouldNotSign) {
			return s, broken(err)
		} else if err != nil || p.publisher == "" {
			return s, err
		}
		if stolen, err := n.stolenMeanwhile(ctx, p.publisher, key.Method); err != nil || !stolen {
			return s, err
		}
	}
}

// signCredential signs, or adds a proof to those that are there.
func signCredential(ctx context.Context, doc *jcs.Value, key vc.Key, o vc.Options) (vc.Signed, error) {
	isToken := o.Form == vc.FormJWT || o.Form == vc.FormJWT11
	if !doc.Has("proof") || isToken {
		return vc.Issue(ctx, members(doc), key, o)
	}
	proofs := doc.Get("proof").Items()
	for i := range proofs {
		if proofs[i].Str("type") == "" {
			return vc.Signed{}, &rule{"proof.kind", "/proof", "A proof must be an object with a type; leave out what isn't one."}
		}
	}
	// That the rules are kept and every term means something is seen by signing it anew.
	if _, err := vc.Issue(ctx, members(doc.Without("proof")), key, o); err != nil {
		return vc.Signed{}, err
	}
	s, err := vc.ParseSigned(doc.Append(nil))
	if err != nil {
		return vc.Signed{}, err
	}
	if s, err = vc.AddProof(ctx, s, key, o); err != nil && !errors.Is(err, did.ErrCouldNotSign) {
		return s, &rule{"proof.added", "/proof", asSentence(err.Error())}
	}
	return s, err
}

// complete fills in what a profile knows better than whoever asks.
func (p Profile) complete(doc *jcs.Value, o CredentialOptions, now time.Time) (*jcs.Value, error) {
	if !doc.Is(jcs.Object) {
		return nil, broken(&rule{"member.kind", "", "A credential is a JSON object."})
	}
	own := jcs.NewString(p.ID)
	switch issuer := doc.Get("issuer"); {
	case issuer == nil:
		doc = doc.With("issuer", own)
	case issuer.Is(jcs.Object) && !issuer.Has("id"):
		doc = doc.With("issuer", issuer.With("id", own))
	case issuer.Is(jcs.Object) && issuer.Str("id") != p.ID:
		return nil, broken(&rule{"issuer.other", "/issuer/id", "This profile issues as " + p.ID + ", not in another's name; leave the issuer out, or write that."})
	case !issuer.Is(jcs.Object) && issuer.String() != p.ID:
		return nil, broken(&rule{"issuer.other", "/issuer", "This profile issues as " + p.ID + ", not in another's name; leave the issuer out, or write that."})
	}
	switch id := doc.Get("id"); {
	case o.ID != "" && id == nil:
		doc = doc.With("id", jcs.NewString(o.ID))
	case o.ID != "" && id.String() != o.ID:
		return nil, broken(&rule{"id.other", "/id", "The credential has another id than the one in options.credentialId; leave one of them out."})
	}
	if !isV1(doc) {
		return doc, nil
	}
	if !doc.Has("issuanceDate") {
		doc = doc.With("issuanceDate", jcs.NewString(now.UTC().Format(time.RFC3339)))
	}
	if p.form == vc.FormRDFC || p.form == vc.FormJCS {
		doc = withContext(doc, contextIntegrity)
	}
	return doc, nil
}

func isV1(doc *jcs.Value) bool {
	contexts := doc.Get("@context").Items()
	return len(contexts) > 0 && contexts[0].String() == contextV1
}

// withContext adds a context at the end, unless it is there.
func withContext(doc *jcs.Value, url string) *jcs.Value {
	contexts := doc.Get("@context")
	if contexts.HasString(url) {
		return doc
	}
	var all []*jcs.Value
	items := contexts.Items()
	for i := range items {
		all = append(all, &items[i])
	}
	return doc.With("@context", jcs.NewArray(append(all, jcs.NewString(url))...))
}

// withStatus gives the credential its places in status lists. One that turns out not to
// be signed has used a place up, which harms nobody: there are enough.
func (n *Node) withStatus(ctx context.Context, p Profile, doc *jcs.Value, purposes []string, by string) (*jcs.Value, error) {
	purposes = slices.Clone(purposes)
	var kept []*jcs.Value
	entries := doc.Get("credentialStatus").Items()
	for i := range entries {
		e := &entries[i]
		if !e.Get("type").HasString(typeStatusEntry) || e.Has("statusListCredential") || e.Has("statusListIndex") || len(p.Statuses) == 0 {
			kept = append(kept, e)
			continue
		}
		purpose := e.Str("statusPurpose")
		if !slices.Contains(p.Statuses, purpose) {
			return nil, broken(&rule{"status.purpose", "/credentialStatus", noPurpose(p, purpose)})
		}
		purposes = append(purposes, purpose)
	}
	for _, purpose := range purposes {
		if !slices.Contains(p.Statuses, purpose) {
			return nil, broken(&rule{"status.purpose", "/credentialStatus", noPurpose(p, purpose)})
		}
	}
	// A profile for tests of statuses always adds one; a publisher's leaves alone what
	// points to another's list.
	if len(purposes) == 0 && len(p.Statuses) > 0 && (len(kept) == 0 || p.publisher == "") {
		purposes = append(purposes, registry.PurposeRevocation)
	}
	slices.Sort(purposes)
	purposes = slices.Compact(purposes)
	if len(purposes) > 0 && !doc.Has("id") {
		doc = doc.With("id", jcs.NewString(newURN()))
	}
	id := doc.Str("id")
	if len(id) > maxCredentialID {
		return nil, broken(&rule{"id.long", "/id", fmt.Sprintf("The id is longer than this node keeps (%d bytes).", maxCredentialID)})
	}
	if id == "" { // none is needed, or what stands there is no id, which the rules tell
		purposes = nil
	}
	if len(purposes) == 0 && p.publisher == "" {
		return doc, nil
	}
	var places []registry.StatusPlace
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		places = make([]registry.StatusPlace, len(purposes))
		for i, purpose := range purposes {
			var err error
			if places[i], err = tx.AllocateStatusFor(p.issuer, id, purpose, n.statusURL); err != nil {
				return err
			}
		}
		if p.publisher == "" {
			return nil
		}
		return tx.Trail(registry.TrailEntry{Publisher: p.publisher, Who: by, What: "issue credential", On: id})
	})
	if err != nil || len(places) == 0 {
		return doc, err
	}
	for i, place := range places {
		entry := vc.StatusEntry(place.URL, place.Index)
		entry["statusPurpose"] = purposes[i]
		v, err := jcs.From(entry)
		if err != nil {
			return nil, err
		}
		kept = append(kept, v)
	}
	status := kept[0]
	if len(kept) > 1 {
		status = jcs.NewArray(kept...)
	}
	if isV1(doc) {
		doc = withContext(doc, contextStatus)
	}
	return doc.With("credentialStatus", status), nil
}

func noPurpose(p Profile, purpose string) string {
	if len(p.Statuses) == 0 {
		return "This profile gives no status; the profile status does, and so do publishers'."
	}
	return fmt.Sprintf("There is no status list of purpose %q; use revocation or suspension.", purpose)
}

// newURN is an id for a credential that has none (RFC 9562, version 4).
func newURN() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// SetCredentialStatus sets or ends the status of every credential that was issued with
// this id over the VC-API, and its status lists show it when it returns. publisher is
// whose credential it must be; empty is anybody's. The error is registry.ErrNotFound
// when there is none with a status of that purpose, and wraps [ErrRefused] for taking
// a revocation back.
func (n *Node) SetCredentialStatus(ctx context.Context, publisher, id, purpose string, set bool, by string) error {
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		all, err := tx.StatusesOf(id)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s registry.CredentialStatus) bool {
			return s.Purpose != purpose || publisher != "" && s.Issuer != publisher
		})
		if len(all) == 0 {
			return registry.ErrNotFound
		}
		if err := tx.SetStatus(all, set); errors.Is(err, registry.ErrFinal) {
			return badRequest("a revocation is final: issue the credential anew; only a suspension can be ended")
		} else if err != nil {
			return err
		}
		return tx.Trail(registry.TrailEntry{Publisher: publisher, Who: by, What: "set status", On: id, Why: fmt.Sprintf("%s %t", purpose, set)})
	})
	if err != nil {
		return err
	}
	if err := n.publishLists(ctx, n.db); err != nil {
		return fmt.Errorf("the status of %s is set; its list could not be signed yet, and will be as soon as possible: %w", id, err)
	}
	return nil
}

// VerifyPresentation checks a presentation as [Node.Verify] does a credential, and that
// it was made for this challenge and domain; an empty one isn't asked for.
func (n *Node) VerifyPresentation(ctx context.Context, raw []byte, challenge, domain string) (report *vc.Report, err error) {
	err = n.judge(ctx, n.checking, nil, func(ctx context.Context, p vc.Policy) error {
		p.Challenge, p.Domain = challenge, domain
		presented, err := vc.VerifyPresentation(ctx, raw, p)
		if err == nil {
			report = presented.Report()
			return nil
		}
		_, report, err = Verdict(nil, err)
		return err
	})
	return report, err
}

// A rule is one reason for which a credential isn't signed.
type rule struct{ code, pointer, sentence string }

func (r *rule) Error() string { return r.sentence }

// broken makes the one error of what somebody wrote out of those that there are.
func broken(err error) error {
	var rules *vc.RulesError
	if errors.As(err, &rules) {
		return rules
	}
	p := clr.Problem{Code: "refused", Sentence: asSentence(err.Error())}
	var own *rule
	var term *rdf.Error
	var text *jcs.Error
	switch {
	case errors.As(err, &own):
		p.Code, p.Pointer, p.Sentence = own.code, own.pointer, own.sentence
	case errors.As(err, &term):
		p.Code, p.Pointer, p.Section = "term", term.Pointer, "JSON-LD 1.1"
		p.Sentence = asSentence(term.Reason)
		if errors.Is(err, rdf.ErrContextNotBundled) {
			p.Code = "context.unknown"
		}
	case errors.As(err, &text):
		p.Code, p.Pointer, p.Sentence = "json", text.Pointer, asSentence(text.Reason)
	}
	return &vc.RulesError{Problems: []clr.Problem{p}}
}

// asSentence gives a text a capital and a full stop.
func asSentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// members are those of an object, as vc takes a credential.
func members(doc *jcs.Value) vc.Credential {
	c := make(vc.Credential, len(doc.List()))
	for i := range doc.List() {
		c[doc.List()[i].Name] = &doc.List()[i]
	}
	return c
}
