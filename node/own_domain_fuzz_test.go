package node

import (
	"strings"
	"testing"

	"clrnode/did"
)

// Whatever is typed as a domain is refused, or becomes a host name that stays itself and
// has a did:web.
func FuzzDomain(f *testing.F) {
	for _, s := range []string{"degrees.example.edu", "Bücher.Example.EDU", "127.0.0.1", "[::1]", "a.b:443", "xn--bcher-kva.example", "例え.テスト", "a..b", "%31.example", "a。b", "ſ.example", "0x7f.1", " a.b ", "\xee.A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		domain, err := readDomain(s)
		if err != nil {
			return
		}
		if again, err := readDomain(domain); err != nil || again != domain {
			t.Errorf("%q becomes %q, and that %q, %v", s, domain, again, err)
		}
		if d, err := did.Web("https://" + domain); err != nil || d.String() != "did:web:"+domain || strings.ToLower(domain) != domain {
			t.Errorf("%q becomes %q, with %s, %v", s, domain, d, err)
		}
	})
}
