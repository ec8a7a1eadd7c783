package vc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// Linked domains: a DID document names web sites (service LinkedDomains), and each of them
// names the DID in a file, with credentials that the DID signed (DIF Well Known DID
// Configuration). So a name that everybody knows is proven, apart from what an issuer
// calls itself.
const (
	domainSection    = "DIF Well Known DID Configuration"
	contextDIDConfig = "https://identity.foundation/.well-known/did-configuration/v1"
	contextIntegrity = "https://w3id.org/security/data-integrity/v2" // of proofs, for data model 1.1
	typeDomain       = "DomainLinkageCredential"

	// DIDConfigPath is where a web site has the file.
	DIDConfigPath = "/.well-known/did-configuration.json"
	// LinkedDomains is the type of the service that names the web sites of a DID.
	LinkedDomains = "LinkedDomains"
)

const (
	maxOrigins = 3       // of one DID that are asked
	maxLinkage = 4       // credentials of one DID in a file that are judged
	maxConfig  = 1 << 20 // bytes of a file
)

// sites are the web sites of one DID, asked for once in a call of Verify.
type sites struct {
	once   sync.Once
	proven []string
	checks []Check
}

// domains says which web sites are provably those of a part's issuer. What a site says
// decides nothing about the credential.
func (v *verifier) domains(ctx context.Context, part *Part) []Check {
	d, err := did.Parse(part.issuer)
	if err != nil || isKeyItself(d) {
		return nil
	}
	v.mu.Lock()
	s := v.sites[d.String()]
	if s == nil {
		s = new(sites)
		v.sites[d.String()] = s
	}
	v.mu.Unlock()
	s.once.Do(func() { v.askSites(ctx, d, s) })
	part.Domains = s.proven
	return s.checks
}

func (v *verifier) askSites(ctx context.Context, d did.DID, s *sites) {
	if host := hostOf(d); host != "" {
		s.proven = append(s.proven, host)
	}
	if v.policy.Linked != LinkedFetch || v.policy.Fetch == nil {
		return
	}
	found, err := v.resolve(ctx, d, false)
	if err != nil {
		return
	}
	asked := 0
	for _, origin := range linkedOrigins(found.Document) {
		if o, err := Origin(origin); err == nil && slices.Contains(s.proven, strings.TrimPrefix(o, "https://")) {
			continue // by the DID itself
		}
		if asked++; asked > maxOrigins || !v.may(&v.questions.domains, maxDomains) {
			s.checks = append(s.checks, v.check("domain.unchecked", GroupIssuer, Warning, "The issuer names more web sites as its own than this program asks.", domainSection, origin))
			return
		}
		host, c := v.site(ctx, d, origin)
		s.checks = append(s.checks, c)
		if host != "" {
			s.proven = append(s.proven, host)
		}
	}
}

// hostOf is the host whose web site a DID belongs to by itself, since its document is read
// from there over TLS, out of the folder that speaks for the whole site; "" for none. Whoever
// has a folder of a site (did:web:example.edu:student) isn't the site: that one says in its
// own file whose it is.
func hostOf(d did.DID) string {
	address := ""
	switch d.Method() {
	case "web":
		address, _ = did.WebDocumentURL(d)
	case "webvh":
		address, _ = did.WebVHLogURL(d)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || path.Dir(u.Path) != "/.well-known" {
		return ""
	}
	return u.Host
}

// linkedOrigins are the web sites that a document names as its own, as it writes them.
func linkedOrigins(document *did.Document) []string {
	var all []string
	for _, s := range document.Service {
		endpoint, err := jcs.Read(s.Endpoint)
		if !s.Is(LinkedDomains) || err != nil {
			continue
		}
		for _, e := range endpoint.Items() {
			origins := []string{e.String()}
			if e.Is(jcs.Object) {
				origins = e.Get("origins").Strings()
			}
			for _, o := range origins {
				if o != "" && !slices.Contains(all, o) {
					all = append(all, o)
				}
			}
		}
	}
	return all
}

// Origin reads the origin of a web site, such as https://example.edu, as the files of
// others have it: with its scheme or without, in any letters, with a slash after it or its
// usual port. http is only for this machine. Errors say what is wrong.
func Origin(s string) (string, error) {
	text := s
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "#") {
		return "", fmt.Errorf("%s is no origin of a web site, such as https://example.edu", short(s))
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	for _, c := range []byte(host) {
		if c > 0x7e {
			return "", fmt.Errorf("%s has other letters than a-z; write the name as in the DNS, with xn--", short(s))
		}
	}
	loopback := host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return "", fmt.Errorf("%s isn't reached over https", short(s))
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && !(port == "443" && u.Scheme == "https") && !(port == "80" && u.Scheme == "http") {
		host += ":" + port
	}
	return u.Scheme + "://" + host, nil
}

// site asks a web site whether a DID is its own, and gives its host if so.
func (v *verifier) site(ctx context.Context, d did.DID, written string) (string, Check) {
	check := func(code string, o Outcome, sentence string) (string, Check) {
		return "", v.check(code, GroupIssuer, o, sentence, domainSection, written)
	}
	origin, err := Origin(written)
	if err != nil {
		return check("domain.bad", Warning, "The issuer names as its own web site what is none: "+err.Error()+".")
	}
	_, host, _ := strings.Cut(origin, "://")
	place := origin + DIDConfigPath
	r, err := v.policy.Fetch(ctx, place, "application/json")
	var file *jcs.Value
	switch {
	case err != nil:
		return check("domain.unchecked", Warning, "Could not ask whether the web site "+host+" is the issuer's: "+unreached(err)+".")
	case r.URL != "" && r.URL != place: // whoever may redirect isn't the whole site
		return check("domain.bad", Warning, "The issuer says that the web site "+host+" is its own, and that site leads elsewhere when it is asked.")
	case r.Status == 404, r.Status == 410:
		return check("domain.bad", Warning, "The issuer says that the web site "+host+" is its own, and that site doesn't say so.")
	case r.Status != 200:
		return check("domain.unchecked", Warning, fmt.Sprintf("Could not ask whether the web site %s is the issuer's: it answered %d.", host, r.Status))
	case len(r.Body) > maxConfig:
		return check("domain.bad", Warning, "What the web site "+host+" says of DIDs is too long to be read.")
	}
	if file, err = jcs.Read(r.Body); err != nil || !file.Get("linked_dids").Is(jcs.Array) {
		return check("domain.bad", Warning, "What the web site "+host+" says of DIDs can't be read.")
	}
	why, judged := "it names others", 0
	for _, entry := range file.Get("linked_dids").List() {
		s, err := signedIn(&entry)
		if err != nil || s.IssuerID() != d.String() {
			continue
		}
		if judged++; judged > maxLinkage {
			break
		}
		if why = v.linkage(ctx, s, d, origin); why == "" {
			_, c := check("domain.ok", OK, "The web site "+host+" says that the issuer's identifier is its own, and the issuer signed it.")
			return host, c
		}
	}
	return check("domain.bad", Warning, "The issuer says that the web site "+host+" is its own, and that site doesn't prove it: "+strings.TrimSuffix(why, ".")+".")
}

// linkage says what is wrong with a credential by which a DID and an origin are one's.
func (v *verifier) linkage(ctx context.Context, s Signed, d did.DID, origin string) string {
	subject := s.doc.Get("credentialSubject")
	named, err := Origin(subject.Str("origin"))
	switch {
	case !s.doc.Get("type").HasString(typeDomain):
		return "its credential is of another type than " + typeDomain
	case subject.Str("id") != d.String():
		return "its credential is about " + short(subject.Str("id"))
	case err != nil:
		return err.Error()
	case named != origin:
		return "its credential is for " + short(named)
	case validUntil(s.doc).IsZero() || validFrom(s.doc).IsZero():
		return "its credential doesn't say from when and until when it holds"
	}
	if problems := rules(s.doc); len(problems) > 0 {
		return problems[0].Sentence
	}
	alone := &verifier{policy: v.policy, now: v.now, questions: newQuestions()}
	alone.policy.Linked, alone.policy.Resolver = LinkedUnchecked, answered{v}
	part := newPart(s.doc, "")
	alone.credential(ctx, s.secured, &part, nil)
	for _, o := range []Outcome{Failed, Unchecked} {
		if c, found := part.has(o); found {
			return c.Sentence
		}
	}
	if _, today := part.withCode("key.ok"); !today { // it says whose the site is now
		return "its credential was signed with a key of earlier days"
	}
	return ""
}

// LinkDomain makes the two credentials by which the web site of an origin says that the
// DID of k is its own, and the DID that it is so: a Data Integrity proof and a JSON Web
// Token, both of data model 1.1, as the specification has it. The site serves them with
// [DIDConfig] at [DIDConfigPath], and the DID document names it in a service of the type
// [LinkedDomains]. Times are kept to the second.
func LinkDomain(ctx context.Context, origin string, k Key, from, until time.Time) (proof, token Signed, err error) {
	if origin, err = Origin(origin); err != nil {
		return Signed{}, Signed{}, fmt.Errorf("link a domain: %w", err)
	}
	method, err := did.ParseURL(k.Method)
	if err != nil {
		return Signed{}, Signed{}, fmt.Errorf("link a domain: the key %s: %w", k.Method, err)
	}
	if !until.After(from) {
		return Signed{}, Signed{}, errors.New("link a domain: it should hold for some time")
	}
	c := Credential{
		"@context": []any{contextV1, contextDIDConfig}, "type": []any{"VerifiableCredential", typeDomain},
		"issuer": method.DID.String(), "issuanceDate": second(from), "expirationDate": second(until),
		"credentialSubject": map[string]any{"id": method.DID.String(), "origin": origin},
	}
	if token, err = Issue(ctx, c, k, Options{Form: FormJWT11}); err != nil {
		return Signed{}, Signed{}, fmt.Errorf("link a domain: %w", err)
	}
	c["@context"] = append(c["@context"].([]any), contextIntegrity)
	if proof, err = Issue(ctx, c, k, Options{Created: from}); err != nil {
		return Signed{}, Signed{}, fmt.Errorf("link a domain: %w", err)
	}
	return proof, token, nil
}

// DIDConfig is the file of a web site that names the DIDs of [LinkDomain]'s credentials.
func DIDConfig(linked ...Signed) []byte {
	list := make([]*jcs.Value, len(linked))
	for i, s := range linked {
		if list[i] = s.doc; s.Token() {
			list[i] = jcs.NewString(s.raw)
		}
	}
	file := (&jcs.Value{Kind: jcs.Object}).With("@context", jcs.NewString(contextDIDConfig)).With("linked_dids", jcs.NewArray(list...))
	return file.Append(nil)
}
