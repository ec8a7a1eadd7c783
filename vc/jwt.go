package vc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
	"clrnode/vc/clr"
)

const (
	jwtSection      = "Securing Verifiable Credentials using JOSE and COSE, 3; Open Badges 3.0, JSON Web Token Proof Format"
	envelopedPrefix = "data:application/vc+jwt,"
	presentedPrefix = "data:application/vp+jwt,"
)

// registered are the claims of a token that aren't members of the credential in it
// (RFC 7519, 4.1; RFC 9449 and OpenID use nonce).
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce"}

// inToken takes the credential or presentation out of a token: the claims themselves
// (data model 2.0), or the claim vc or vp (1.1), to which the registered claims add
// what was left out of it.
func inToken(t *jose.Token) (*jcs.Value, error) {
	for _, claim := range []string{"vc", "vp"} {
		inner := t.Payload.Get(claim)
		if inner == nil {
			continue
		}
		if !inner.Is(jcs.Object) {
			return nil, fmt.Errorf("its claim %s is no object", claim)
		}
		if !isV1(inner) {
			return nil, fmt.Errorf("its claim %s belongs to data model 1.1, and the credential in it isn't written in that; the claims themselves should be the credential", claim)
		}
		for _, other := range []string{"vp", "@context", "credentialSubject", "verifiableCredential"} {
			if other != claim && t.Payload.Has(other) {
				return nil, fmt.Errorf("it has a claim %s and a claim %s, so that two programs could read two credentials in it", claim, other)
			}
		}
		return fitsTyp(t, restored(inner, t.Payload, claim == "vp"))
	}
	if isV1(t.Payload) {
		return nil, errors.New("the credential is written in data model 1.1, which has it in a claim vc")
	}
	return fitsTyp(t, t.Payload.Without(registered...))
}

// fitsTyp refuses a credential in a token that says it is a presentation, and the
// reverse: what was signed as the one is never taken for the other (RFC 8725, 3.11).
func fitsTyp(t *jose.Token, doc *jcs.Value) (*jcs.Value, error) {
	if t.Typ == "vp+jwt" && !isPresentation(doc) || t.Typ == "vc+jwt" && isPresentation(doc) {
		return nil, fmt.Errorf("its header says that it is of type %s, and it holds something else", t.Typ)
	}
	return doc, nil
}

// restored puts into a credential or presentation of data model 1.1 what its token
// says in registered claims alone (VC Data Model 1.1, 6.3.1, JWT Decoding).
func restored(inner, claims *jcs.Value, presentation bool) *jcs.Value {
	party := "issuer"
	if presentation {
		party = "holder"
	}
	put := func(member string, v *jcs.Value) {
		if v.String() != "" && !inner.Has(member) {
			inner = inner.With(member, v)
		}
	}
	put(party, claims.Get("iss"))
	put("id", claims.Get("jti"))
	if presentation {
		return inner
	}
	for claim, member := range map[string]string{"nbf": "issuanceDate", "exp": "expirationDate"} {
		if t, ok := numericDate(claims.Get(claim)); ok {
			put(member, jcs.NewString(t.Format(time.RFC3339)))
		}
	}
	if subject := inner.Get("credentialSubject"); subject.Is(jcs.Object) && !subject.Has("id") && claims.Str("sub") != "" {
		inner = inner.With("credentialSubject", subject.With("id", claims.Get("sub")))
	}
	return inner
}

// numericDate reads a NumericDate (RFC 7519, 2).
func numericDate(v *jcs.Value) (time.Time, bool) {
	if !v.Is(jcs.Number) {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || f < 0 || f > 253402300799 { // the end of the year 9999
		return time.Time{}, false
	}
	s, fraction := math.Modf(f)
	return time.Unix(int64(s), int64(fraction*1e9)).UTC(), true
}

// disagreement says which claim of a token contradicts the credential or presentation
// in it: one thing said in two ways is said by nobody.
func disagreement(t *jose.Token, doc *jcs.Value) string {
	claims := t.Payload
	party := "issuer"
	if isPresentation(doc) {
		party = "holder"
	}
	says := map[string]string{"iss": idOf(doc.Get(party)), "jti": doc.Str("id")}
	if isPresentation(doc) { // which needs neither a holder nor an id; the token may name them
		maps.DeleteFunc(says, func(_, said string) bool { return said == "" })
	}
	subjects := doc.Get("credentialSubject").Items()
	for i := range subjects {
		// Of several subjects the token is about one.
		if id := subjects[i].Str("id"); i == 0 || id == claims.Str("sub") {
			says["sub"] = id
		}
	}
	for _, claim := range []string{"iss", "jti", "sub"} {
		v := claims.Get(claim)
		member, judged := says[claim]
		if v == nil || !judged {
			continue
		}
		if v.String() == "" || v.String() != member {
			return fmt.Sprintf("The token's claim %s is %s, and the credential in it says %s.", claim, short(v.Text), short(member))
		}
	}
	for claim, of := range map[string]time.Time{"nbf": validFrom(doc), "exp": validUntil(doc)} {
		v := claims.Get(claim)
		if v == nil {
			continue
		}
		at, ok := numericDate(v)
		switch {
		case !ok:
			return fmt.Sprintf("The token's claim %s is no date.", claim)
		case !of.IsZero() && at.Unix() != of.Unix():
			return fmt.Sprintf("The token's claim %s is %s, and the credential in it says %s.", claim, at.Format(time.RFC3339), of.UTC().Format(time.RFC3339))
		}
	}
	return ""
}

// jwt judges the token around a credential or presentation.
func (v *verifier) jwt(ctx context.Context, s secured, who signatory) ([]Check, bool) {
	t := s.token
	bad := func(sentence string) ([]Check, bool) {
		return []Check{v.check("proof.bad", GroupUnchanged, Failed, sentence, jwtSection, t.Kid)}, false
	}
	if problem := disagreement(t, s.doc); problem != "" {
		return []Check{v.check("claims.disagree", GroupUnchanged, Failed, problem, jwtSection, t.Kid)}, false
	}
	if exp, ok := numericDate(t.Payload.Get("exp")); ok && validUntil(s.doc).IsZero() && v.now.After(exp) {
		return []Check{v.check("proof.expired", GroupUnchanged, Failed, "The token says that it holds only until "+day(exp)+".", jwtSection, t.Kid)}, false
	}
	if nbf, ok := numericDate(t.Payload.Get("nbf")); ok && validFrom(s.doc).IsZero() && v.now.Add(skew).Before(nbf) {
		return []Check{v.check("proof.early", GroupUnchanged, Failed, "The token says that it holds only from "+day(nbf)+".", jwtSection, t.Kid)}, false
	}
	if who.relation == did.Authentication {
		switch {
		case v.policy.Challenge != "" && t.Payload.Str("nonce") != v.policy.Challenge:
			return bad("The presentation was made for another occasion: its nonce isn't the challenge that was given out.")
		case v.policy.Domain != "" && !t.Payload.Get("aud").HasString(v.policy.Domain):
			return bad("The presentation was made for " + short(strings.Join(t.Payload.Get("aud").Strings(), ", ")) + ", not for " + short(v.policy.Domain) + ".")
		}
	}
	// The signature binds every byte; that every term means something is checked all the same.
	if _, err := newPayload(withoutTokens(s.doc)).sum(ctx, sumOf{hash: crypto.SHA256}); err != nil {
		return []Check{v.term(s.doc, err)}, false
	}
	made, _ := numericDate(t.Payload.Get("iat"))
	if made.IsZero() {
		made, _ = numericDate(t.Payload.Get("nbf"))
	}
	key, found := v.tokenKey(ctx, t, who, made)
	if found.Outcome == Failed {
		return []Check{found}, false
	}
	if key == (did.PublicKey{}) {
		return []Check{v.check("proof.unchecked", GroupUnchanged, Unchecked, "Could not check whether anything was changed, without the "+who.word+"'s key.", jwtSection, t.Kid), found}, false
	}
	if err := t.Verify(key); err != nil {
		return bad("Changed since it was signed, or signed with another key: " + strings.TrimSuffix(err.Error(), ".") + ".")
	}
	return []Check{v.signed(who, made, found, jwtSection, t.Kid), found}, found.Outcome != Unchecked
}

// withoutTokens is a presentation without the tokens that stand among its credentials
// in data model 1.1: they are strings, which say nothing in JSON-LD.
func withoutTokens(doc *jcs.Value) *jcs.Value {
	list := doc.Get("verifiableCredential").Items()
	if !isV1(doc) || !isPresentation(doc) || !slices.ContainsFunc(list, func(c jcs.Value) bool { return c.Kind == jcs.String }) {
		return doc
	}
	objects := []*jcs.Value{}
	for i := range list {
		if list[i].Kind != jcs.String {
			objects = append(objects, &list[i])
		}
	}
	if len(objects) == 0 {
		return doc.Without("verifiableCredential")
	}
	return doc.With("verifiableCredential", jcs.NewArray(objects...))
}

// tokenKey finds the key of a token by its header: kid, a DID URL or a web address, or
// the name of a key in the issuer's document or key set; or jwk, which must be one of
// the issuer's keys (Open Badges 3.0; 1EdTech's guide on key provenance).
func (v *verifier) tokenKey(ctx context.Context, t *jose.Token, who signatory, made time.Time) (did.PublicKey, Check) {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, jwtSection, t.Kid)
	}
	if !hasScheme(who.id, "did") {
		return v.setKey(ctx, t, who, made)
	}
	if t.Kid != "" {
		method := t.Kid
		if !hasScheme(method, "did", "http", "https") {
			method = who.id + "#" + strings.TrimPrefix(method, "#")
		}
		key, found := v.key(ctx, method, who, made)
		if t.JWK != nil && key != *t.JWK && found.Outcome != Unchecked {
			return did.PublicKey{}, check("key.foreign", Failed, "The token's header has another key (jwk) than the one that it names (kid).")
		}
		return key, found
	}
	d, err := did.Parse(who.id)
	if err != nil {
		return did.PublicKey{}, check("key.unlisted", Failed, "The "+who.word+"'s identifier can't be read: "+err.Error()+".")
	}
	found, err := v.resolve(ctx, d, who.relation == did.Authentication)
	if err != nil && !errors.Is(err, did.ErrDeactivated) {
		return did.PublicKey{}, v.noDocument(err, who, check)
	}
	if t.JWK == nil {
		return did.PublicKey{}, check("key.unlisted", Failed, "The token's header names no key (kid or jwk).")
	}
	method := methodWith(found.Document, *t.JWK)
	if method == "" && !made.IsZero() && !made.After(v.now) && who.relation != did.Authentication && !isKeyItself(d) {
		then, err := v.version(ctx, d, did.Options{VersionTime: made}) // it may have been taken out since
		if errors.Is(err, did.ErrCouldNotCheck) {
			return did.PublicKey{}, v.noDocument(err, who, check)
		}
		method = methodWith(then.Document, *t.JWK)
	}
	switch {
	case method != "":
		return v.key(ctx, method, who, made)
	case err != nil:
		return did.PublicKey{}, v.noDocument(err, who, check)
	}
	return did.PublicKey{}, check("key.unlisted", Failed, "The key in the token's header (jwk) isn't in the document of "+who.id+".")
}

// methodWith is the id of the method that holds a key in a document; empty if none does,
// or if there is no document.
func methodWith(doc *did.Document, key did.PublicKey) string {
	if doc == nil {
		return ""
	}
	for _, m := range doc.VerificationMethod {
		if own, err := m.Key(); err == nil && own == key {
			return m.ID
		}
	}
	return ""
}

// setKey finds the key of a token whose issuer is known by a web address: it lies at
// that site, or in the site's key set, /.well-known/jwks.json. Where the issuer's own
// address lists keys, it is one of those.
func (v *verifier) setKey(ctx context.Context, t *jose.Token, who signatory, made time.Time) (did.PublicKey, Check) {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, jwtSection, t.Kid)
	}
	key, found := v.siteKey(ctx, t, who, made, check)
	if found.Outcome != OK {
		return key, found
	}
	profile, err := v.page(ctx, who.id)
	if away := (unasked{}); errors.As(err, &away) {
		return key, check("key.unresolved", Unchecked, "Could not check whether the key is the "+who.word+"'s: "+who.id+" was asked, and "+err.Error()+".")
	}
	if err == nil && lists(profile, who) {
		return v.ownKey(ctx, profile, key, who, made, check)
	}
	return key, found
}

func (v *verifier) siteKey(ctx context.Context, t *jose.Token, who signatory, made time.Time, check checker) (did.PublicKey, Check) {
	u, err := url.Parse(who.id)
	if err != nil || !hasScheme(who.id, "http", "https") || u.Host == "" {
		key := did.PublicKey{}
		if t.JWK != nil {
			key = *t.JWK
		}
		return key, check("key.unbound", Unchecked, "Could not check who issued it: "+short(who.id)+", whom it names, is no DID and no web address.")
	}
	if t.Kid == "" && t.JWK == nil {
		return did.PublicKey{}, check("key.unlisted", Failed, "The token's header names no key (kid or jwk).")
	}
	if hasScheme(t.Kid, "http", "https") && sameSite(t.Kid, who.id) {
		base, _, _ := strings.Cut(t.Kid, "#")
		doc, err := v.page(ctx, base)
		if err == nil && doc.Has("kty") {
			key, err := did.ParseJWK(doc.Append(nil))
			if err != nil || t.JWK != nil && key != *t.JWK {
				return did.PublicKey{}, check("key.unlisted", Failed, "What lies at the key's address "+t.Kid+" isn't a key that fits.")
			}
			return key, check("key.ok", OK, "The key lies at the "+who.word+"'s own web site, "+u.Host+".")
		}
		if err == nil { // the key set may name it by another name
			if key, found := v.webKey(ctx, t.Kid, who, made); found.Outcome == OK && (t.JWK == nil || key == *t.JWK) {
				return key, found
			}
		}
	}
	set := u.Scheme + "://" + u.Host + "/.well-known/jwks.json"
	doc, err := v.page(ctx, set)
	if err == nil {
		if iss := doc.Get("iss"); iss != nil && iss.String() != who.id {
			return did.PublicKey{}, check("key.foreign", Failed, "The key set at "+set+" is that of "+short(iss.Text)+", not of "+who.id+".")
		}
		keys := doc.Get("keys").Items()
		for i := range keys[:min(len(keys), maxSetKeys)] {
			key, err := did.ParseJWK(keys[i].Append(nil))
			named := keys[i].Str("kid") == t.Kid
			switch {
			case t.JWK != nil && t.Kid != "" && !hasScheme(t.Kid, "http", "https") && keys[i].Has("kid"):
				named = named && err == nil && key == *t.JWK
			case t.JWK != nil:
				named = err == nil && key == *t.JWK
			}
			if err == nil && named {
				return key, check("key.ok", OK, "The key is in the key set of the "+who.word+"'s web site, "+set+".")
			}
		}
		return did.PublicKey{}, check("key.unlisted", Failed, "The key set at "+set+" doesn't have the token's key.")
	}
	if hasScheme(t.Kid, "http", "https") {
		key, found := v.webKey(ctx, t.Kid, who, made)
		if found.Outcome == OK {
			return key, found
		}
	}
	key := did.PublicKey{}
	if t.JWK != nil {
		key = *t.JWK
	}
	return key, check("key.unresolved", Unchecked, "Could not check whether the key is the "+who.word+"'s: "+set+" was asked, and "+err.Error()+".")
}

// maxSetKeys is how many keys of a key set are looked at.
const maxSetKeys = 100

// enveloped is the token in an EnvelopedVerifiableCredential or
// EnvelopedVerifiablePresentation (VC Data Model 2.0, 4.13 and 4.14); ok is whether doc
// is one. Of other members it has none: nobody signed them, and a reader might believe
// them.
func enveloped(doc *jcs.Value) (token string, ok bool, err error) {
	prefix := envelopedPrefix
	switch types := doc.Get("type"); {
	case types.HasString("EnvelopedVerifiablePresentation"):
		prefix = presentedPrefix
	case !types.HasString("EnvelopedVerifiableCredential"):
		return "", false, nil
	}
	refuse := func(reason string) (string, bool, error) {
		return "", true, &jose.Error{Reason: reason, Err: did.ErrInvalid}
	}
	if len(doc.Get("type").Items()) != 1 {
		return refuse("what envelops it must be of that one type")
	}
	if contexts := doc.Get("@context").Items(); len(contexts) == 0 || contexts[0].String() != clr.ContextVC {
		return refuse("the first context of what envelops it must be " + clr.ContextVC)
	}
	for i := range doc.List() {
		if name := doc.List()[i].Name; name != "@context" && name != "type" && name != "id" {
			return refuse("what envelops it has the member " + short(name) + ", which nobody signed")
		}
	}
	token, found := strings.CutPrefix(doc.Str("id"), prefix)
	if strings.HasPrefix(doc.Str("id"), "data:application/vc+sd-jwt,") {
		return "", true, errSDJWT
	}
	if !found {
		return refuse("the id of what envelops it must be a data: URL that begins with " + prefix)
	}
	return token, true, nil
}

// errSDJWT is that of a form which isn't read.
var errSDJWT = errors.New("this is an SD-JWT, which this version doesn't read; ask for the credential as JSON")

// Envelope puts a credential that is a JSON Web Token into an
// EnvelopedVerifiableCredential (VC Data Model 2.0, 4.13), the form in which it stands
// among JSON.
func Envelope(s Signed) Credential {
	return Credential{
		"@context": []any{clr.ContextVC},
		"type":     []any{"EnvelopedVerifiableCredential"},
		"id":       envelopedPrefix + string(s.raw),
	}
}
