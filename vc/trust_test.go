package vc

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// What stands in the wild of a DCC issuer registry, and the same in our own form.
const (
	registryDCC = `{"meta":{"created":"2020-12-02T02:32:16+0000","updated":"2022-05-25T12:40:00+0000"},
		"registry":{"did:web:example.edu":{"name":"Example University","location":"Cambridge, MA, USA","url":"https://example.edu"},"did:key:z6MkqEwzA36k2PWsWpeQXjFMzT1PpZuVjZ9W9jd2ZGRb6JKr":{"name":"Sandbox"}}}`
	listOwn = `{"name":"Partners","updated":"2026-05-25T12:40:00Z","expires":"2026-07-01T00:00:00Z",
		"issuers":[{"id":"did:web:example.edu","name":"Example University","url":"https://example.edu"},"did:key:z6MkqEwzA36k2PWsWpeQXjFMzT1PpZuVjZ9W9jd2ZGRb6JKr"]}`
)

func TestTrustListsAreReadStrictly(t *testing.T) {
	example, err := did.Parse("did:web:example.edu")
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{registryDCC, listOwn} {
		l, err := ParseTrustList([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := l.Issuer(example); !ok || i.Name != "Example University" || i.URL != "https://example.edu" || l.Len() != 2 || l.Updated.Hour() != 12 || l.Updated.Minute() != 40 {
			t.Errorf("%+v %+v", l, i)
		}
	}
	for want, raw := range map[string]string{
		"isn't JSON":                  `{"issuers":[`,
		"twice":                       `{"issuers":["did:web:example.edu",{"id":"did:web:example.edu"}]}`,
		"names no issuers":            `{"issuers":[]}`,
		"no issuers":                  `{"registry":{}}`,
		"neither":                     `{"meta":{}}`,
		"registries, not of issuers":  `[{"name":"DCC Pilot Registry","type":"dcc-legacy","url":"https://example.edu/registry.json"}]`,
		"OpenID Federation":           `{"name":"DCC","type":"oidf","trustAnchorEC":"https://example.edu/.well-known/openid-federation"}`,
		"of the kind OpenID":          `eyJhbGciOiJFUzI1NiJ9.e30.c2ln`,
		"which nobody reads":          `{"issuers":["did:web:example.edu"],"isuers":[]}`,
		"member “nam”":                `{"issuers":[{"id":"did:web:example.edu","nam":"x"}]}`,
		"invalid DID":                 `{"issuers":["did:web:example.edu#key"]}`,
		`"updated" should be a time`:  `{"issuers":["did:web:example.edu"],"updated":"yesterday"}`,
		`"name" should be a text`:     `{"registry":{"did:web:example.edu":{"name":7}}}`,
		"no web address":              `{"registry":{"did:web:example.edu":{"url":"javascript:alert(1)"}}}`,
		`"issuers" should be`:         `{"issuers":{"did:web:example.edu":{}}}`,
		`a DID, or an object`:         `{"issuers":[7]}`,
		`"registry" should be`:        `{"registry":["did:web:example.edu"]}`,
		"more than 100000":            `{"issuers":["did:a:` + strings.Join(numbers(maxListed+1), `","did:a:`) + `"]}`,
		"longer than 8 MiB":           `{"issuers":["did:web:example.edu"]}` + strings.Repeat(" ", MaxTrustList),
		"characters that aren't seen": `{"registry":{"did:web:example.edu":{"url":"https://a.example/\u202e"}}}`,
	} {
		if _, err := ParseTrustList([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v", raw, err)
		}
	}
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

func FuzzTrustList(f *testing.F) {
	f.Add([]byte(registryDCC))
	f.Add([]byte(listOwn))
	f.Add([]byte(`[{"type":"oidf"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseTrustList(raw)
		if err != nil {
			return
		}
		if l.Len() == 0 || strings.ContainsFunc(l.Name, misleads) {
			t.Errorf("%+v", l)
		}
		for id, i := range l.issuers {
			if _, err := did.Parse(id); err != nil || !bytes.Contains(raw, []byte("did")) || strings.ContainsFunc(i.Name+i.URL, misleads) {
				t.Errorf("%s %+v", id, i)
			}
		}
	})
}

// The issuer stands on a list, or not, or nobody knows; the report says which list it was
// and how old.
func TestWhoIsOnWhichList(t *testing.T) {
	u := newUniversity(t)
	s := u.issue(u.general("", nil))
	named := func(change func(*TrustList)) *TrustList {
		l, err := ParseTrustList([]byte(`{"name":"Partners","updated":"2026-05-01T00:00:00Z","expires":"2027-01-01T00:00:00Z","issuers":[{"id":"` + u.did.String() + `","name":"Quillhaven"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		l.Loaded = now.Add(-time.Hour)
		change(l)
		return l
	}
	good := named(func(*TrustList) {})
	stale := named(func(l *TrustList) { l.Problem = "it could not be read" })
	over := named(func(l *TrustList) { l.Name, l.Expires = "Old", now.Add(-time.Second) })
	away := &TrustList{Name: "Far", Problem: "it could not be read"}
	others := NewTrustList("Others", must(did.Parse("did:web:example.edu")))
	for name, test := range map[string]struct {
		trust   Trust
		verdict Outcome
		code    string
		says    []string
	}{
		"on it":             {TrustLists(others, good), OK, "trust.ok=ok", []string{"is on the list “Partners”, which calls it “Quillhaven”", "the list is of 1 May 2026", "read on 2 June 2026, 11:00 UTC", u.did.String() + ", which the list “Partners” calls “Quillhaven”; nothing"}},
		"on a stale one":    {TrustLists(stale), OK, "trust.stale=warning", []string{"could not be read again since"}},
		"on none":           {TrustLists(others), Failed, "trust.unlisted=failed", []string{"is not on your list “Others”"}},
		"on none of two":    {TrustLists(others, NewTrustList("None")), Failed, "trust.unlisted=failed", []string{"your lists “Others”, “None”"}},
		"no lists":          {TrustLists(), Failed, "", nil},
		"one is away":       {TrustLists(others, away), Unchecked, "trust.unchecked=could not check", []string{"“Far” could not be had: it could not be read"}},
		"one is over":       {TrustLists(over), Unchecked, "trust.unchecked=could not check", []string{"“Old” holds only until 2 June 2026"}},
		"away, and on one":  {TrustLists(away, good), OK, "trust.ok=ok", nil},
		"anybody":           {TrustAnyIssuerUnsafe().Knowing(others, away), OK, "trust.unlisted=warning", []string{"“Far” could not be had"}},
		"anybody, on it":    {TrustAnyIssuerUnsafe().Knowing(good), OK, "trust.ok=ok", nil},
		"known, then a DID": {TrustIssuers("mine", u.did), OK, "trust.ok=ok", []string{"on the list “mine”."}},
	} {
		p := u.policy()
		p.Trust = test.trust
		if name == "no lists" {
			if _, err := Verify(t.Context(), s.Bytes(), p); err != ErrNoPolicy {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		_, r := u.verify(s.Bytes(), p)
		matchesSchema(t, r)
		if r.Verdict != test.verdict || !strings.Contains(codes(r), test.code) {
			t.Errorf("%s: %s", name, r.Text())
		}
		for _, says := range test.says {
			if !strings.Contains(r.Text(), says) {
				t.Errorf("%s: %q isn't said in %s", name, says, r.Text())
			}
		}
	}
	p := u.policy()
	p.Trust = TrustLists(stale)
	_, r := u.verify(s.Bytes(), p)
	c, _ := r.Envelope.withCode("trust.stale")
	if c.List == nil || !c.List.Stale || c.List.Name != "Partners" || c.List.Calls != "Quillhaven" || !c.List.Loaded.Equal(now.Add(-time.Hour)) || c.List.Updated.IsZero() {
		t.Errorf("%+v", c.List)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
