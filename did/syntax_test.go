package did_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// Each rule of an identifier's syntax, with one that keeps it and some that break nothing
// else. ABNF is DID Core 1.0, 3.1 and 3.2; RFC 3986 is where these point to.
var didSyntax = []struct{ source, rule, keeps, breaks string }{
	{"ABNF did", "it begins with did:", "did:web:a.edu", "urn:web:a.edu"},
	{"ABNF did", "did is in lower case", "did:web:a.edu", "DID:web:a.edu"},
	{"ABNF did", "there is nothing before it", "did:web:a.edu", " did:web:a.edu"},
	{"ABNF did", "there is a method", "did:web:a.edu", "did::a.edu"},
	{"ABNF did", "a colon follows the method", "did:web:a.edu", "did:web"},
	{"ABNF method-char", "the method is in lower case", "did:web:a.edu", "did:Web:a.edu"},
	{"ABNF method-char", "digits may be in it", "did:3:kj", "did:³:kj"},
	{"ABNF method-char", "a dash may not", "did:web2:a.edu", "did:web-2:a.edu"},
	{"ABNF method-specific-id", "it isn't empty", "did:web:a", "did:web:"},
	{"ABNF method-specific-id", "it doesn't end in a colon", "did:web:a:b", "did:web:a:"},
	{"ABNF method-specific-id", "colons may follow each other before its end", "did:ex:::a", "did:ex:a::"},
	{"ABNF idchar", "letters, digits, . - _", "did:ex:aZ09.-_", "did:ex:a~b"},
	{"ABNF idchar", "no space", "did:ex:ab", "did:ex:a b"},
	{"ABNF idchar", "no letters beyond ASCII", "did:ex:e", "did:ex:é"},
	{"ABNF idchar", "no letters that look like ASCII", "did:web:apple.com", "did:web:аpple.com"},
	{"ABNF idchar", "no @", "did:ex:a", "did:ex:u@a"},
	{"ABNF idchar", "no control characters", "did:ex:a", "did:ex:a\n"},
	{"ABNF idchar", "no NUL", "did:ex:a", "did:ex:a\x00"},
	{"ABNF pct-encoded", "two digits follow %", "did:ex:a%20b", "did:ex:a%2"},
	{"ABNF pct-encoded", "they are hexadecimal", "did:ex:a%2fb", "did:ex:a%zzb"},
	{"ABNF pct-encoded", "% is only for that", "did:ex:a%25", "did:ex:100%"},
	{"ABNF did", "a path isn't part of a DID", "did:ex:a", "did:ex:a/b"},
	{"ABNF did", "a query isn't either", "did:ex:a", "did:ex:a?b"},
	{"ABNF did", "a fragment isn't either", "did:ex:a", "did:ex:a#b"},
	{"ours", "it has 4096 bytes at most", "did:ex:" + strings.Repeat("a", 4089), "did:ex:" + strings.Repeat("a", 4090)},
}

var urlSyntax = []struct{ source, rule, keeps, breaks string }{
	{"ABNF did-url", "it begins with a DID", "did:ex:a/p?q#f", "/p?q#f"},
	{"ABNF did-url", "a fragment alone is relative", "did:ex:a#f", "#f"},
	{"ABNF did-url", "another scheme is another thing", "did:ex:a/p", "https://a/p"},
	{"ABNF did-url", "its DID keeps the rules of DIDs", "did:ex:a/p", "did:ex:/p"},
	{"RFC 3986, 3.3", "a path begins with a slash", "did:ex:a/p", "did:ex:a\\p"},
	{"RFC 3986, 3.3", "pchar: unreserved, sub-delims, : and @", "did:ex:a/-._~!$&'()*+,;=:@", "did:ex:a/[p]"},
	{"RFC 3986, 3.3", "no space in a path", "did:ex:a/p%20q", "did:ex:a/p q"},
	{"RFC 3986, 2.1", "two hexadecimal digits follow %, in a path", "did:ex:a/%C3%A4", "did:ex:a/%C"},
	{"RFC 3986, 3.4", "pchar, / and ? in a query", "did:ex:a?service=f&relativeRef=/x?y", "did:ex:a?q=<x>"},
	{"RFC 3986, 2.1", "two hexadecimal digits follow %, in a query", "did:ex:a?q=%3D", "did:ex:a?q=%3"},
	{"RFC 3986, 3.5", "pchar, / and ? in a fragment", "did:ex:a#k/1?x", "did:ex:a#k^1"},
	{"RFC 3986, 3.5", "there is one fragment", "did:ex:a#k", "did:ex:a#k#l"},
	{"RFC 3986, 2.1", "two hexadecimal digits follow %, in a fragment", "did:ex:a#%6B", "did:ex:a#%6"},
	{"RFC 3986, 2", "no letters beyond ASCII in a path", "did:ex:a/%C3%A4", "did:ex:a/ä"},
	{"RFC 3986, 2", "no letters beyond ASCII in a query", "did:ex:a?q=%C3%A4", "did:ex:a?q=ä"},
	{"RFC 3986, 2", "no letters beyond ASCII in a fragment", "did:ex:a#%C3%A4", "did:ex:a#ä"},
	{"RFC 3986, 2", "no control characters", "did:ex:a#k%0A", "did:ex:a#k\n"},
	{"ours", "a query isn't empty, so that a URL has one spelling", "did:ex:a?q", "did:ex:a?"},
	{"ours", "a fragment isn't empty", "did:ex:a#f", "did:ex:a#"},
	{"ours", "it has 4096 bytes at most", "did:ex:a#" + strings.Repeat("f", 4087), "did:ex:a#" + strings.Repeat("f", 4088)},
}

func TestEachRuleOfDIDSyntax(t *testing.T) {
	for _, c := range didSyntax {
		d, err := did.Parse(c.keeps)
		if err != nil || d.String() != c.keeps {
			t.Errorf("%s, %s: Parse(%q) = %q, %v", c.source, c.rule, c.keeps, d, err)
		}
		if d, err := did.Parse(c.breaks); !errors.Is(err, did.ErrInvalid) || !d.IsZero() {
			t.Errorf("%s, %s: Parse(%q) = %q, %v; want ErrInvalid", c.source, c.rule, c.breaks, d, err)
		}
	}
}

func TestEachRuleOfDIDURLSyntax(t *testing.T) {
	for _, c := range urlSyntax {
		u, err := did.ParseURL(c.keeps)
		if err != nil || u.String() != c.keeps {
			t.Errorf("%s, %s: ParseURL(%q) = %q, %v", c.source, c.rule, c.keeps, u, err)
		}
		if u, err := did.ParseURL(c.breaks); !errors.Is(err, did.ErrInvalid) || u != (did.URL{}) {
			t.Errorf("%s, %s: ParseURL(%q) = %q, %v; want ErrInvalid", c.source, c.rule, c.breaks, u, err)
		}
	}
}

const scid = "QmfGEUAcMpzo25kF2Rhn8L2FAXysfGnkzjwdKoNPi615XQ"

// What did:web and did:webvh ask of the host and the path, for both: HOST stands for
// did:web: and for did:webvh:SCID:.
var placeSyntax = []struct{ source, rule, keeps, where, breaks string }{
	{"did:web, ABNF", "there is a host", "HOSTa.edu", "https://a.edu/.well-known/", "HOST:a"},
	{"did:web, ABNF", "a path is parted by colons", "HOSTa.edu:p:1", "https://a.edu/p/1/", "HOSTa.edu::1"},
	{"RFC 1123, 2.1", "a label isn't empty", "HOSTa.b.edu", "https://a.b.edu/.well-known/", "HOSTa..edu"},
	{"RFC 1123, 2.1", "the name doesn't begin with a dot", "HOSTa.edu", "https://a.edu/.well-known/", "HOST.a.edu"},
	{"RFC 1123, 2.1", "the name doesn't end in a dot", "HOSTa.edu", "https://a.edu/.well-known/", "HOSTa.edu."},
	{"RFC 1123, 2.1", "a label doesn't begin with a dash", "HOSTa-b.edu", "https://a-b.edu/.well-known/", "HOST-a.edu"},
	{"RFC 1123, 2.1", "a label doesn't end in a dash", "HOSTa-b.edu", "https://a-b.edu/.well-known/", "HOSTa-.edu"},
	{"RFC 1123, 2.1", "no underscore in a host", "HOSTa.edu:_p", "https://a.edu/_p/", "HOST_a.edu"},
	{"RFC 1035, 2.3.4", "a label has 63 characters at most", "HOST" + strings.Repeat("a", 63) + ".edu", "https://" + strings.Repeat("a", 63) + ".edu/.well-known/", "HOST" + strings.Repeat("a", 64) + ".edu"},
	{"RFC 1035, 2.3.4", "a name has 253 characters at most", "HOST" + strings.Repeat("ab.", 80) + "edu", "https://" + strings.Repeat("ab.", 80) + "edu/.well-known/", "HOST" + strings.Repeat("ab.", 84) + "edu"},
	{"did:web, ABNF", "no IPv4 address", "HOST1.a", "https://1.a/.well-known/", "HOST127.0.0.1"},
	{"did:web, ABNF", "no address with a port", "HOST1.a%3A80", "https://1.a:80/.well-known/", "HOST127.0.0.1%3A80"},
	{"did:web, ABNF", "no address with a port in lower case", "HOSTa.edu%3a8080", "https://a.edu:8080/.well-known/", "HOST127.0.0.1%3a8080"},
	{"did:web, ABNF", "no address as one number", "HOSTa1.edu", "https://a1.edu/.well-known/", "HOST2130706433"},
	{"did:web, ABNF", "no short address", "HOST127.edu", "https://127.edu/.well-known/", "HOST127.1"},
	{"did:web, ABNF", "no hexadecimal address", "HOST0x7f.edu", "https://0x7f.edu/.well-known/", "HOST0x7f.0x1"},
	{"did:web, ABNF", "no octal address", "HOST0177.edu", "https://0177.edu/.well-known/", "HOST0177.0.0.01"},
	{"did:web, ABNF", "no percent-encoded address", "HOSTa.edu", "https://a.edu/.well-known/", "HOST127%2E0%2E0%2E1"},
	{"did:web, ABNF", "no IPv6 address", "HOSTa.edu", "https://a.edu/.well-known/", "HOST%5B%3A%3A1%5D"},
	{"did:web, ABNF", "a port is a number", "HOSTa.edu%3A443", "https://a.edu:443/.well-known/", "HOSTa.edu%3Ahttps"},
	{"RFC 6335, 6", "a port isn't 0", "HOSTa.edu%3A10", "https://a.edu:10/.well-known/", "HOSTa.edu%3A0"},
	{"RFC 6335, 6", "a port is at most 65535", "HOSTa.edu%3A65535", "https://a.edu:65535/.well-known/", "HOSTa.edu%3A65536"},
	{"did:webvh, ABNF", "a port has no zeros in front", "HOSTa.edu%3A80", "https://a.edu:80/.well-known/", "HOSTa.edu%3A080"},
	{"did:web, ABNF", "a port isn't empty", "HOSTa.edu%3A80", "https://a.edu:80/.well-known/", "HOSTa.edu%3A"},
	{"did:web, ABNF", "there is one port", "HOSTa.edu%3A80", "https://a.edu:80/.well-known/", "HOSTa.edu%3A80%3A81"},
	{"RFC 3986, 3.2.1", "no user stands before the host", "HOSTa.edu", "https://a.edu/.well-known/", "HOSTu%40a.edu"},
	{"RFC 3986, 3.2", "no slash ends the host", "HOSTa.edu:b", "https://a.edu/b/", "HOSTa.edu%2Fb"},
	{"RFC 3986, 3.2", "no fragment ends the host", "HOSTa.edu", "https://a.edu/.well-known/", "HOSTa.edu%23.b.edu"},
	{"RFC 3986, 3.2", "no query ends the host", "HOSTa.edu", "https://a.edu/.well-known/", "HOSTa.edu%3Fb.edu"},
	{"RFC 5891, 4.4", "other letters are written with xn--, and so shown", "HOSTxn--pple-43d.com", "https://xn--pple-43d.com/.well-known/", "HOST%D0%B0pple.com"},
	{"RFC 3986, 3.3", "no part of a path is a dot", "HOSTa.edu:.a", "https://a.edu/.a/", "HOSTa.edu:.:b"},
	{"RFC 3986, 3.3", "no part of a path is two dots", "HOSTa.edu:..a", "https://a.edu/..a/", "HOSTa.edu:..:b"},
	{"RFC 3986, 6.2.2.2", "nor percent-encoded", "HOSTa.edu:%2Ea", "https://a.edu/%2Ea/", "HOSTa.edu:%2E%2E:b"},
	{"RFC 3986, 6.2.2.1", "nor in lower case", "HOSTa.edu:%2ea", "https://a.edu/%2ea/", "HOSTa.edu:%2e%2e:b"},
	{"RFC 3986, 6.2.2.2", "nor half so", "HOSTa.edu:.%2Ea", "https://a.edu/.%2Ea/", "HOSTa.edu:.%2E:b"},
	{"RFC 3986, 3.3", "no slash in a part of a path", "HOSTa.edu:a%20b", "https://a.edu/a%20b/", "HOSTa.edu:a%2Fb"},
	{"RFC 3986, 3.3", "no backslash, which some read as a slash", "HOSTa.edu:a%7Cb", "https://a.edu/a%7Cb/", "HOSTa.edu:a%5Cb"},
	{"RFC 3986, 3.3", "no NUL in a path", "HOSTa.edu:a", "https://a.edu/a/", "HOSTa.edu:a%00"},
	{"RFC 3986, 3.3", "no end of a line in a path", "HOSTa.edu:a", "https://a.edu/a/", "HOSTa.edu:a%0D%0Ab"},
	{"did:webvh, Method-Specific Identifier", "a part of a path doesn't begin with a space", "HOSTa.edu:a%20b", "https://a.edu/a%20b/", "HOSTa.edu:%20a"},
	{"did:webvh, Method-Specific Identifier", "nor end in one", "HOSTa.edu:a%20b", "https://a.edu/a%20b/", "HOSTa.edu:a%20"},
	{"did:webvh, Method-Specific Identifier", "nor in another kind of space", "HOSTa.edu:a%20b", "https://a.edu/a%20b/", "HOSTa.edu:a%C2%A0"},
	{"RFC 3986, 2.5", "a path is UTF-8", "HOSTa.edu:%C3%A4", "https://a.edu/%C3%A4/", "HOSTa.edu:%E4"},
	{"RFC 3986, 3.3", "a path doesn't end in an empty part", "HOSTa.edu:%3F%23", "https://a.edu/%3F%23/", "HOSTa.edu:a::b"},
	{"ours", "localhost is plain http", "HOSTlocalhost%3A8080:p", "http://localhost:8080/p/", "HOST%6Cocalhost"},
}

func TestEachRuleOfWebPlaces(t *testing.T) {
	for _, m := range []struct {
		prefix, file string
		where        func(did.DID) (string, error)
	}{
		{"did:web:", "did.json", did.WebDocumentURL},
		{"did:webvh:" + scid + ":", "did.jsonl", did.WebVHLogURL},
	} {
		for _, c := range placeSyntax {
			keeps := strings.Replace(c.keeps, "HOST", m.prefix, 1)
			if got, err := m.where(must(did.Parse(keeps))); err != nil || got != c.where+m.file {
				t.Errorf("%s, %s: %s is at %q, %v; want %q", c.source, c.rule, keeps, got, err, c.where+m.file)
			}
			breaks := must(did.Parse(strings.Replace(c.breaks, "HOST", m.prefix, 1)))
			if got, err := m.where(breaks); !errors.Is(err, did.ErrInvalid) || got != "" {
				t.Errorf("%s, %s: %s is at %q, %v; want ErrInvalid", c.source, c.rule, breaks, got, err)
			}
		}
	}
}

func TestEachRuleOfWebVHSyntax(t *testing.T) {
	for _, c := range []struct{ rule, breaks string }{
		{"the method is webvh", "did:web:a.edu"},
		{"there is an SCID", "did:webvh:a.edu"},
		{"it comes first", "did:webvh:a.edu:" + scid},
		{"it has 46 characters", "did:webvh:" + scid[:45] + ":a.edu"},
		{"and no more", "did:webvh:" + scid + "1:a.edu"},
		{"they are base58", "did:webvh:" + scid[:45] + "0:a.edu"},
		{"it is a SHA-256 multihash", "did:webvh:" + strings.Repeat("z", 46) + ":a.edu"},
		{"it isn't the placeholder", "did:webvh:%7BSCID%7D:a.edu"},
		{"a host follows", "did:webvh:" + scid},
		{"the host has a domain", "did:webvh:" + scid + ":edu"},
	} {
		if got, err := did.WebVHLogURL(must(did.Parse(c.breaks))); !errors.Is(err, did.ErrInvalid) || got != "" {
			t.Errorf("%s: %s is at %q, %v; want ErrInvalid", c.rule, c.breaks, got, err)
		}
	}
}

func TestOptionsOfDIDURLs(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]did.Options{
		"":                                     {},
		"service=files&relativeRef=/x":         {},
		"versionId=1-Qm":                       {VersionID: "1-Qm"},
		"a=b&versionId=1%2DQm&c":               {VersionID: "1-Qm"},
		"versionTime=2026-01-31T12:00:00Z":     {VersionTime: at},
		"versionTime=2026-01-31T12%3A00%3A00Z": {VersionTime: at},
		"versionNumber=12":                     {VersionNumber: 12},
		"VERSIONID=1":                          {},
	} {
		if got, err := (did.URL{Query: query}).Options(); err != nil || got != want {
			t.Errorf("Options of %q = %+v, %v; want %+v", query, got, err, want)
		}
	}
	for query, want := range map[string]error{
		"versionId": did.ErrInvalid, "versionId=": did.ErrInvalid, "versionId=1&versionId=1": did.ErrInvalid, "versionId=1&versionId=2": did.ErrInvalid, "versionId=%zz": did.ErrInvalid,
		"versionTime=yesterday": did.ErrInvalid, "versionTime=2026-01-31": did.ErrInvalid, "versionTime=2026-01-31T12:00:00": did.ErrInvalid,
		"versionTime=2026-01-31T12:00:00%2B01:00": did.ErrInvalid, "versionTime=2026-01-31T12:00:00.5Z": did.ErrInvalid, "versionTime=2026-01-31T12:00:60Z": did.ErrInvalid,
		"versionTime=0001-01-01T00:00:00Z": did.ErrInvalid, "versionNumber=x": did.ErrInvalid, "versionNumber=01": did.ErrInvalid, "versionNumber=+1": did.ErrInvalid, "versionNumber=1.0": did.ErrInvalid,
		"versionNumber=-1": did.ErrInvalidOptions, "versionId=1&versionTime=2026-01-31T12:00:00Z": did.ErrInvalidOptions, "versionId=1&versionNumber=1": did.ErrInvalidOptions,
	} {
		if got, err := (did.URL{Query: query}).Options(); !errors.Is(err, want) {
			t.Errorf("Options of %q = %+v, %v; want %v", query, got, err, want)
		}
	}
}

func TestResourcesOfWebVH(t *testing.T) {
	own := "did:webvh:" + scid + ":a.edu:p"
	document := func(services string) *did.Document {
		return must(did.ParseDocument([]byte(`{"id":"` + own + `","service":[` + services + `]}`)))
	}
	implicit := document(`{"id":"#files","type":"relativeRef","serviceEndpoint":"https://a.edu/p/"},{"id":"#whois","type":"LinkedVerifiablePresentation","serviceEndpoint":"https://a.edu/p/whois.vp"}`)
	files := func(endpoint string) *did.Document {
		return document(`{"id":"#files","type":"relativeRef","serviceEndpoint":` + endpoint + `}`)
	}
	for _, c := range []struct {
		d         *did.Document
		url, want string // "": refused
	}{
		{implicit, own + "/whois", "https://a.edu/p/whois.vp"},
		{implicit, own + "/rules/issuers.json", "https://a.edu/p/rules/issuers.json"},
		{implicit, own + "/whois/x", "https://a.edu/p/whois/x"},
		{implicit, own + "/a%20b?versionId=1#f", "https://a.edu/p/a%20b"},
		{files(`"https://cdn.example/x"`), own + "/y", "https://cdn.example/x/y"},
		{files(`"http://localhost:8080"`), own + "/y", "http://localhost:8080/y"},
		{implicit, own, ""},
		{implicit, "did:webvh:" + scid + ":b.edu/x", ""},
		{implicit, own + "/../x", ""},
		{implicit, own + "/./x", ""},
		{implicit, own + "/a/%2e%2E/x", ""},
		{implicit, own + "/a%2Fb", ""},
		{implicit, own + "/a%5Cb", ""},
		{implicit, own + "/a%0Ab", ""},
		{files(`"ftp://a.edu/"`), own + "/y", ""},
		{files(`"http://a.edu/"`), own + "/y", ""},
		{files(`"did:web:a.edu"`), own + "/y", ""},
		{files(`"https://a.edu/?q="`), own + "/y", ""},
		{files(`["https://a.edu/"]`), own + "/y", ""},
		{files(`"https://a.edu/"`), own + "/whois", ""},
	} {
		got, err := did.ResourceURL(c.d, must(did.ParseURL(c.url)))
		if got != c.want || (c.want == "") != errors.Is(err, did.ErrInvalid) {
			t.Errorf("ResourceURL(%q) = %q, %v; want %q", c.url, got, err, c.want)
		}
	}
}
