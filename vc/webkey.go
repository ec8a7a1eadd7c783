package vc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// A webPage is a JSON object at a web address, asked for at most once in a call of Verify.
type webPage struct {
	once sync.Once
	doc  *jcs.Value
	err  error
}

const maxPage = 1 << 20 // bytes of a key document

// errNoJSON is that of an address which answers with something else than a JSON object.
var errNoJSON = errors.New("it answers with something else than a JSON object")

// unasked is why nobody knows what lies at a web address, as there was no answer.
type unasked struct{ error }

// page gets the JSON object at a web address.
func (v *verifier) page(ctx context.Context, address string) (*jcs.Value, error) {
	if v.policy.Fetch == nil {
		return nil, errors.New("no connection is opened")
	}
	v.mu.Lock()
	p := v.pages[address]
	if p == nil && len(v.pages) < maxPages {
		p = new(webPage)
		v.pages[address] = p
	}
	v.mu.Unlock()
	if p == nil {
		return nil, unasked{fmt.Errorf("the file names more addresses than this program asks at once (%d)", maxPages)}
	}
	p.once.Do(func() {
		r, err := v.policy.Fetch(ctx, address, "application/cid, application/jwk+json;q=0.9, application/ld+json;q=0.8, application/json;q=0.7")
		switch {
		case err != nil:
			p.err = unasked{errors.New(unreached(err))}
		case r.URL != "" && !sameSite(r.URL, address):
			// Where a site redirects whatever it is asked to, anybody could answer for it.
			p.err = fmt.Errorf("it leads to another site, %s", short(r.URL))
		case r.Status != 200:
			p.err = fmt.Errorf("it answered %d", r.Status)
		case len(r.Body) > maxPage:
			p.err = fmt.Errorf("its answer is longer than %d bytes", maxPage)
		default:
			if p.doc, p.err = jcs.Read(r.Body); p.err != nil || !p.doc.Is(jcs.Object) {
				p.doc, p.err = nil, errNoJSON
			}
		}
	})
	return p.doc, p.err
}

// webKey finds a key that is named by a web address (Open Badges 3.0, "Dereferencing
// the public key"; Controlled Identifiers 1.0, 3.3). It is the issuer's if the document
// at the issuer's own address lists it; or if it names the issuer as its controller and
// lies at the same web site.
func (v *verifier) webKey(ctx context.Context, method string, who signatory, made time.Time) (did.PublicKey, Check) {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, keySection, method)
	}
	base, fragment, _ := strings.Cut(method, "#")
	named, _ := did.ParseMultibase(fragment) // issuer#z6Mk...: shows whether the bytes hang together, not whose the key is
	if !hasScheme(who.id, "http", "https") || base != who.id && !sameSite(base, who.id) {
		return named, check("key.foreign", Failed, "The key "+method+" isn't the "+who.word+"'s, who is "+who.id+".")
	}
	profile, err := v.page(ctx, who.id)
	if err == nil && lists(profile, who) {
		return v.listedKey(ctx, profile, method, who, made, check)
	}
	if base == who.id {
		if err == nil {
			err = errors.New("the document there lists no keys")
		}
		return named, check("key.unresolved", Unchecked, "Could not check whether the key is the "+who.word+"'s: "+who.id+" was asked, and "+err.Error()+".")
	}
	key, entry, err := v.keyDocument(ctx, method, who.id)
	switch {
	case errors.Is(err, did.ErrNoKey):
		return did.PublicKey{}, check("key.unlisted", Failed, "The key isn't the "+who.word+"'s: "+err.Error()+".")
	case err != nil:
		return named, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key at "+base+": "+err.Error()+".")
	}
	if past, over := v.over(ctx, entry, who, made, check); over {
		return key, past
	}
	return key, check("key.ok", OK, "The key lies at the "+who.word+"'s own web site, and names "+who.id+" as its controller.")
}

// lists says whether what lies at the address of who is a controlled identifier document,
// which says what keys are theirs.
func lists(profile *jcs.Value, who signatory) bool {
	return profile.Str("id") == who.id && profile.Has(string(who.relation))
}

// ownKey says of a key of a web site whether it is one of those that the issuer lists at its
// own address: the site may be that of many issuers.
func (v *verifier) ownKey(ctx context.Context, profile *jcs.Value, key did.PublicKey, who signatory, made time.Time, check checker) (did.PublicKey, Check) {
	items := profile.Get(string(who.relation)).Items()
	no := check("key.unlisted", Failed, "The "+who.word+"'s document at "+who.id+" doesn't list this key for "+string(who.relation)+", though it is one of that web site.")
	for i := range items[:min(len(items), maxSetKeys)] {
		listed, c := v.listedKey(ctx, profile, absolute(who.id, idOf(&items[i])), who, made, check)
		if listed == key {
			return key, c
		}
		if listed == (did.PublicKey{}) && c.Outcome == Unchecked {
			no = c
		}
	}
	return did.PublicKey{}, no
}

// listedKey finds a key in a controlled identifier document.
func (v *verifier) listedKey(ctx context.Context, profile *jcs.Value, method string, who signatory, made time.Time, check checker) (did.PublicKey, Check) {
	var entry *jcs.Value
	listed := false
	items := profile.Get(string(who.relation)).Items()
	for i := range items {
		if absolute(who.id, idOf(&items[i])) == method {
			listed = true
			if items[i].Is(jcs.Object) {
				entry = &items[i]
			}
		}
	}
	if !listed {
		return did.PublicKey{}, check("key.unlisted", Failed, "The "+who.word+"'s document at "+who.id+" doesn't list this key for "+string(who.relation)+".")
	}
	methods := profile.Get("verificationMethod").Items()
	for i := range methods {
		if entry == nil && absolute(who.id, methods[i].Str("id")) == method {
			entry = &methods[i]
		}
	}
	var key did.PublicKey
	var err error
	if entry != nil {
		key, err = keyOfMethod(entry, who.id)
	} else {
		key, entry, err = v.keyDocument(ctx, method, who.id)
	}
	switch {
	case errors.Is(err, did.ErrNoKey):
		return did.PublicKey{}, check("key.unlisted", Failed, "The key isn't the "+who.word+"'s: "+err.Error()+".")
	case err != nil:
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+err.Error()+".")
	}
	if past, over := v.over(ctx, entry, who, made, check); over {
		return key, past
	}
	return key, check("key.ok", OK, "The key is listed for signing at the "+who.word+"'s own address, "+who.id+".")
}

// over says whether a verification method was revoked or had expired when the key signed,
// or says something of that which can't be read; or that it was revoked since.
func (v *verifier) over(ctx context.Context, method *jcs.Value, who signatory, made time.Time, check checker) (Check, bool) {
	for _, name := range []string{"revoked", "expires"} {
		if method.Has(name) && timeAt(method, name).IsZero() {
			return check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: its "+name+" is no date and time with its zone."), true
		}
	}
	if c, over := v.expired(timeAt(method, "expires"), who, made, check); over {
		return c, true
	}
	return v.revoked(ctx, timeAt(method, "revoked"), who, check)
}

// keyDocument gets a key that is a document of its own, of a controller, and the
// document. [did.ErrNoKey] means that it is another's.
func (v *verifier) keyDocument(ctx context.Context, method, controller string) (did.PublicKey, *jcs.Value, error) {
	base, _, _ := strings.Cut(method, "#")
	doc, err := v.page(ctx, base)
	if err != nil {
		return did.PublicKey{}, nil, err
	}
	if doc.Has("kty") {
		return did.PublicKey{}, nil, errors.New("the JSON Web Key there doesn't say whose it is")
	}
	if id := doc.Str("id"); id != method && id != base {
		return did.PublicKey{}, nil, fmt.Errorf("%w: what lies there is %s", did.ErrNoKey, short(id))
	}
	key, err := keyOfMethod(doc, controller)
	return key, doc, err
}

// keyOfMethod reads the key of a verification method that has a controller.
func keyOfMethod(method *jcs.Value, controller string) (did.PublicKey, error) {
	if c := method.Str("controller"); c != controller {
		return did.PublicKey{}, fmt.Errorf("%w: it is controlled by %s, not by %s", did.ErrNoKey, short(c), controller)
	}
	m := did.VerificationMethod{Type: method.Str("type"), PublicKeyMultibase: method.Str("publicKeyMultibase")}
	if jwk := method.Get("publicKeyJwk"); jwk.Is(jcs.Object) {
		m.PublicKeyJWK = jwk.Append(nil)
	}
	return m.Key()
}

// absolute resolves the fragment of a key against the id of the document around it.
func absolute(base, id string) string {
	if strings.HasPrefix(id, "#") {
		return base + id
	}
	return id
}

// sameSite says whether two web addresses have one scheme, host and port.
func sameSite(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Host != "" && x.Scheme == y.Scheme && x.Host == y.Host
}
