package vc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// A revocation is one credential in a list of revoked ids.
type revocation struct{ reason string }

// revocations is a list of revoked ids (1EdTech Revocation List 1.0, RevocationList).
// Nobody signs it.
type revocations struct {
	id, issuer string
	revoked    map[string]*revocation // by plainID
}

// parseRevocations reads a list strictly: whoever misreads one entry might miss it.
func parseRevocations(raw []byte) (*revocations, error) {
	doc, err := jcs.Read(raw)
	if err != nil {
		return nil, err
	}
	if !doc.Is(jcs.Object) || !doc.Has("revokedCredential") && !doc.Has("issuer") {
		return nil, errors.New("it has no revokedCredential")
	}
	for _, k := range []string{"id", "issuer"} {
		if doc.Has(k) && idOf(doc.Get(k)) == "" {
			return nil, errors.New("its " + k + " is no URI")
		}
	}
	l := &revocations{doc.Str("id"), idOf(doc.Get("issuer")), map[string]*revocation{}}
	items := doc.Get("revokedCredential").Items()
	for i := range items {
		o := &items[i]
		revoked := o.Get("revoked")
		if o.Str("id") == "" || revoked != nil && !revoked.Is(jcs.Bool) {
			return nil, fmt.Errorf("entry %d is no object with an id, and revoked as true or false", i)
		}
		if revoked == nil || revoked.True() {
			l.revoked[plainID(o.Str("id"))] = &revocation{plainText(o.Get("revocationReason"))}
		}
	}
	return l, nil
}

// plainID is an id as it is compared: without white space around it, and with its
// percent signs decoded (Open Badges 3.0, "Comparing credentials").
func plainID(id string) string {
	id = strings.TrimSpace(id)
	if decoded, err := url.PathUnescape(id); err == nil {
		return decoded
	}
	return id
}

// fillIDs answers what was asked of a list of ids. It is asked for anew each time: what
// nobody signed isn't kept.
func (v *verifier) fillIDs(ctx context.Context, url string, l *list) string {
	r, problem := v.getList(ctx, url, "application/json, application/ld+json;q=0.9")
	if problem != "" {
		return problem
	}
	list, err := parseRevocations(r.Body)
	switch {
	case err != nil:
		return "what lies at " + url + " is no revocation list (" + err.Error() + ")"
	case list.id != "" && list.id != url:
		return "what lies at " + url + " is the revocation list " + list.id
	}
	l.issuer, l.at = list.issuer, url
	if r.URL != "" {
		l.at = r.URL
	}
	for id := range l.ids {
		l.ids[id] = list.revoked[id]
	}
	return ""
}

// revocation judges a credential by a list of ids. That a credential isn't in a list
// which nobody signed is worth as much as the web site that says so: at the issuer's own
// it is the issuer's word, as its key is; elsewhere it is that of a site which the
// signed credential names.
func (v *verifier) revocation(l *list, e entry, part *Part, check func(string, Outcome, string, ...any) Check) Check {
	switch r := l.ids[plainID(e.id)]; {
	case r != nil && r.reason != "":
		return check("status.revoked", Failed, "Revoked by %s: %s.", part.by(), strings.TrimSuffix(oneLine(r.reason, maxReasonShown), "."))
	case r != nil:
		return check("status.revoked", Failed, "Revoked by %s.", part.by())
	case atIssuer(part.issuer, e.list) && atIssuer(part.issuer, l.at):
		return check("status.ok", OK, "Not revoked, by the list at the issuer's own site. Nobody signs such lists.")
	}
	return check("status.unsigned", Warning, "Not revoked, by the list at %s, to which the credential leads. Nobody signed that list and the site isn't the issuer's, so that it is as good as the site is.", oneLine(l.at, maxAboutShown))
}

// atIssuer says whether a web address lies at the site that the issuer's id names.
func atIssuer(issuer, address string) bool {
	if hasScheme(issuer, "http", "https") {
		return sameSite(issuer, address)
	}
	d, err := did.Parse(issuer)
	if err != nil || d.Method() != "web" {
		return false
	}
	document, err := did.WebDocumentURL(d)
	return err == nil && sameSite(document, address)
}
