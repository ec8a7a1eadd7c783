package vc

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// Trust is which issuers are accepted. The zero Trust accepts none.
type Trust struct {
	any   bool
	lists []*TrustList
}

// TrustAnyIssuerUnsafe accepts every issuer, with the warning that it is on no list.
// Fit for showing to a person, who then judges the issuer; not for a program.
func TrustAnyIssuerUnsafe() Trust { return Trust{any: true} }

// TrustIssuers accepts the issuers of a list, which name names in reports. The issuers
// of embedded credentials must be on it as well; those of endorsements give a warning.
func TrustIssuers(name string, dids ...did.DID) Trust { return TrustLists(NewTrustList(name, dids...)) }

// TrustLists accepts the issuers that stand on one of the lists. While a list isn't
// available, an issuer who stands on none of the others could not be checked.
func TrustLists(lists ...*TrustList) Trust { return Trust{lists: slices.Clone(lists)} }

// Knowing adds lists to a Trust: their issuers are accepted too, and where it accepts any,
// those get no warning.
func (t Trust) Knowing(lists ...*TrustList) Trust {
	t.lists = append(slices.Clone(t.lists), lists...)
	return t
}

func (t Trust) isZero() bool { return !t.any && t.lists == nil }

// A TrustList is a list of issuers that somebody trusts. It is made by [NewTrustList] or
// [ParseTrustList]; any other has no issuers and says that the list isn't available yet.
// Once a policy has it, nobody changes it.
type TrustList struct {
	Name    string    // in reports
	Updated time.Time // when it was changed last, by its own word; zero: it doesn't say
	Expires time.Time // after which it says nothing any more; zero: it has no end
	Loaded  time.Time // when it was last read from where it lies; zero: it lies nowhere else
	Problem string    // why it could not be read since, or ever; "" when all is well. No sentence of a stranger's

	issuers map[string]ListedIssuer // nil: not available
}

// A ListedIssuer is what a list says of an issuer.
type ListedIssuer struct{ Name, URL string }

// NewTrustList makes a list of issuers that are at hand.
func NewTrustList(name string, dids ...did.DID) *TrustList {
	l := &TrustList{Name: name, issuers: map[string]ListedIssuer{}}
	for _, d := range dids {
		l.issuers[d.String()] = ListedIssuer{}
	}
	return l
}

// Issuer says whether an issuer is on the list, and what it says of it.
func (l *TrustList) Issuer(d did.DID) (ListedIssuer, bool) {
	listed, ok := l.issuers[d.String()]
	return listed, ok
}

// Len is how many issuers are on the list.
func (l *TrustList) Len() int { return len(l.issuers) }

// Limits of a list.
const (
	MaxTrustList  = 8 << 20 // bytes
	maxListed     = 100_000 // issuers
	maxListedName = 200     // runes of a name, here or in the list
)

// ParseTrustList reads a list of trusted issuers, at most [MaxTrustList] bytes and 100,000
// issuers, in one of two forms of strict JSON. Ours, where all but "issuers" may be left
// out, no other member may stand, and an issuer may be its DID alone:
//
//	{"name": "Our partners", "updated": "2026-11-01T00:00:00Z", "expires": "2027-11-01T00:00:00Z",
//	 "issuers": [{"id": "did:web:example.edu", "name": "Example University", "url": "https://example.edu"}]}
//
// And that of the issuer registries of the Digital Credentials Consortium (DCC), whose
// other members are ignored:
//
//	{"meta": {"updated": "2026-11-01T00:00:00+0000"},
//	 "registry": {"did:web:example.edu": {"name": "Example University", "url": "https://example.edu"}}}
//
// A list without issuers is refused, so that a mistake doesn't empty one. Errors say what
// is wrong.
func ParseTrustList(raw []byte) (*TrustList, error) {
	if len(raw) > MaxTrustList {
		return nil, fmt.Errorf("it is longer than %d MiB", MaxTrustList>>20)
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("ey")) {
		return nil, errFederation
	}
	doc, err := jcs.Read(raw)
	if err != nil {
		return nil, fmt.Errorf("it isn't JSON that can be read: %w", err)
	}
	l := &TrustList{issuers: map[string]ListedIssuer{}}
	switch {
	case doc.Is(jcs.Array):
		return nil, errors.New("it is a list of registries, not of issuers: name the address of each registry in it by itself")
	case doc.Has("trustAnchorEC"), doc.Str("type") == "oidf":
		return nil, errFederation
	case doc.Has("registry"):
		err = l.readDCC(doc)
	case doc.Has("issuers"):
		err = l.readOwn(doc)
	default:
		err = errors.New(`it names no issuers: it has neither "issuers" nor, as registries of the DCC have it, "registry"`)
	}
	if err == nil && len(l.issuers) == 0 {
		err = errors.New("it names no issuers")
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

var errFederation = errors.New("it is a registry of the kind OpenID Federation, which isn't supported; name a list of issuers in its place")

func (l *TrustList) readOwn(doc *jcs.Value) error {
	if err := onlyMembers(doc, "name", "updated", "expires", "issuers"); err != nil {
		return err
	}
	var err error
	if l.Name, err = listText(doc, "name"); err != nil {
		return err
	}
	for member, t := range map[string]*time.Time{"updated": &l.Updated, "expires": &l.Expires} {
		if *t = timeAt(doc, member); doc.Has(member) && t.IsZero() {
			return fmt.Errorf("its %q should be a time such as 2026-11-23T12:00:00Z", member)
		}
	}
	if !doc.Get("issuers").Is(jcs.Array) {
		return errors.New(`"issuers" should be an array`)
	}
	for _, entry := range doc.Get("issuers").List() {
		if entry.Is(jcs.String) {
			if err := l.add(entry.Text, ListedIssuer{}); err != nil {
				return err
			}
			continue
		}
		if !entry.Is(jcs.Object) {
			return errors.New(`each of its "issuers" should be a DID, or an object with an "id"`)
		}
		if err := onlyMembers(&entry, "id", "name", "url"); err != nil {
			return err
		}
		if err := l.addEntry(entry.Str("id"), &entry); err != nil {
			return err
		}
	}
	return nil
}

func (l *TrustList) readDCC(doc *jcs.Value) error {
	registry := doc.Get("registry")
	if !registry.Is(jcs.Object) {
		return errors.New(`"registry" should be an object whose members are DIDs`)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} { // they write +0000
		if t, err := time.Parse(layout, doc.Get("meta").Str("updated")); err == nil {
			l.Updated = t
		}
	}
	for _, entry := range registry.List() {
		if err := l.addEntry(entry.Name, &entry); err != nil {
			return err
		}
	}
	return nil
}

func (l *TrustList) addEntry(id string, entry *jcs.Value) (err error) {
	var listed ListedIssuer
	if listed.Name, err = listText(entry, "name"); err == nil {
		listed.URL, err = listText(entry, "url")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", short(id), err)
	}
	if listed.URL != "" && !hasScheme(listed.URL, "http", "https") {
		return fmt.Errorf(`%s: its "url" is no web address`, short(id))
	}
	return l.add(id, listed)
}

func (l *TrustList) add(id string, listed ListedIssuer) error {
	d, err := did.Parse(id)
	switch {
	case err != nil:
		return err
	case len(l.issuers) == maxListed:
		return fmt.Errorf("it names more than %d issuers", maxListed)
	}
	if _, twice := l.issuers[d.String()]; twice {
		return fmt.Errorf("it names %s twice", short(id))
	}
	l.issuers[d.String()] = listed
	return nil
}

// onlyMembers refuses members with other names.
func onlyMembers(o *jcs.Value, names ...string) error {
	for _, m := range o.List() {
		if !slices.Contains(names, m.Name) {
			return fmt.Errorf("it has the member %s, which nobody reads; known are %s", short(m.Name), strings.Join(names, ", "))
		}
	}
	return nil
}

// listText is a text of a list, fit to be shown; "" for none.
func listText(o *jcs.Value, member string) (string, error) {
	v := o.Get(member)
	switch {
	case v == nil:
		return "", nil
	case !v.Is(jcs.String):
		return "", fmt.Errorf("its %q should be a text", member)
	case member != "url":
		return oneLine(v.Text, maxListedName), nil
	case len(v.Text) > maxAboutShown || oneLine(v.Text, maxAboutShown) != v.Text:
		return "", errors.New(`its "url" is too long, or has characters that aren't seen`)
	}
	return v.Text, nil
}

// Listed is a list on which an issuer stands.
type Listed struct {
	Name    string    `json:"name"`
	Updated time.Time `json:"updated,omitzero"` // when the list was changed last, by its own word
	Loaded  time.Time `json:"loaded,omitzero"`  // when it was last read from where it lies
	Stale   bool      `json:"stale,omitempty"`  // it could not be read again since
	Calls   string    `json:"calls,omitempty"`  // what the list calls the issuer
	URL     string    `json:"url,omitempty"`    // the issuer's site, as the list has it
}

const trustSection = "Open Badges 3.0, Verification"

// trust looks for the issuer on the policy's lists.
func (v *verifier) trust(part *Part, endorsement bool) []Check {
	check := func(code string, o Outcome, sentence string) []Check {
		return []Check{v.check(code, GroupIssuer, o, sentence, trustSection, part.IssuerID)}
	}
	t := v.policy.Trust
	var names, away []string
	for _, l := range t.lists {
		names = append(names, quoted(l.Name))
		switch listed, ok := l.issuers[part.issuer]; {
		case l.issuers == nil:
			away = append(away, quoted(l.Name)+" could not be had: "+l.Problem)
		case !l.Expires.IsZero() && v.now.After(l.Expires):
			away = append(away, quoted(l.Name)+" holds only until "+day(l.Expires))
		case ok:
			return []Check{v.listed(l, listed, part)}
		}
	}
	who := part.by()
	if part.IssuerName != "" {
		who += ","
	}
	unsure := ""
	if len(away) > 0 {
		unsure = " The list " + strings.Join(away, "; the list ") + "."
	}
	lists := "your list " + strings.Join(names, ", ")
	if len(names) > 1 {
		lists = "your lists " + strings.Join(names, ", ")
	}
	switch {
	case t.any:
		return check("trust.unlisted", Warning, "The issuer "+who+" is not in your list; judge for yourself whether you know it."+unsure)
	case endorsement:
		return check("trust.unlisted", Warning, "The endorser "+who+" is not on "+lists+"."+unsure)
	case len(away) > 0:
		return check("trust.unchecked", Unchecked, "Could not check whether the issuer "+who+" is on "+lists+"."+unsure)
	}
	return check("trust.unlisted", Failed, "The issuer "+who+" is not on "+lists+".")
}

// listed is the check of an issuer that stands on a list. What the list calls it is known
// from then on.
func (v *verifier) listed(l *TrustList, as ListedIssuer, part *Part) Check {
	code, outcome := "trust.ok", OK
	sentence := "The issuer " + part.IssuerID + " is on the list " + quoted(l.Name)
	if as.Name != "" {
		part.calls = ", which the list " + quoted(l.Name) + " calls " + quoted(as.Name)
		sentence += ", which calls it " + quoted(as.Name)
	}
	if !l.Updated.IsZero() {
		sentence += "; the list is of " + day(l.Updated)
	}
	if !l.Loaded.IsZero() {
		sentence += "; it was read on " + minute(l.Loaded)
	}
	if l.Problem != "" {
		code, outcome = "trust.stale", Warning
		sentence += ", and could not be read again since"
	}
	c := v.check(code, GroupIssuer, outcome, sentence+".", trustSection, part.IssuerID)
	c.List = &Listed{Name: l.Name, Updated: l.Updated.UTC(), Loaded: l.Loaded.UTC(), Stale: l.Problem != "", Calls: as.Name, URL: as.URL}
	return c
}

// minute writes a time for people.
func minute(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
