package pkcs11_test

import (
	"strings"
	"testing"

	"clrnode/did/pkcs11"
)

const whole = "pkcs11:token=records%20office;object=2026;id=%01%FF?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/clrnode.pin"

func TestParseURI(t *testing.T) {
	for in, want := range map[string]string{
		whole: whole,
		"pkcs11:id=%01%ff;type=private;object=2026;token=records%20office?pin-source=/etc/clrnode.pin&module-path=/usr/lib/softhsm/libsofthsm2.so": whole,
		strings.Replace(whole, "file:/etc", "file:///etc", 1):      whole,
		"pkcs11:serial=00aF?module-path=/m.so":                     "pkcs11:serial=00aF?module-path=/m.so",
		"pkcs11:token=a+(b)%3B%3f?module-path=/m.so":               "pkcs11:token=a%2B%28b%29%3B%3F?module-path=/m.so",
		"pkcs11:token=B%C3%BCro?module-path=/m%20m&pin-source=/p?": "pkcs11:token=B%C3%BCro?module-path=/m%20m&pin-source=file:/p%3F",
	} {
		u, err := pkcs11.ParseURI(in)
		if err != nil || u.String() != want {
			t.Errorf("ParseURI(%s) = %v, %v, want %s", in, u, err, want)
		}
	}
	u, err := pkcs11.ParseURI(whole)
	if err != nil || !u.NamesKey() || u.Token().NamesKey() || u.Place() != "pkcs11:token=records%20office;object=2026;id=%01%FF" {
		t.Errorf("ParseURI(%s) names %s, in %v: %v", whole, u.Place(), u.Token(), err)
	}
}

func TestParseURIRefuses(t *testing.T) {
	const end = "?module-path=/m.so"
	for in, want := range map[string]string{
		"":                                                         "begin with pkcs11:",
		"PKCS11:token=a" + end:                                     "begin with pkcs11:",
		"pkcs11:" + end:                                            "made of attributes",
		"pkcs11:token=a;" + end:                                    "made of attributes",
		"pkcs11:object=a" + end:                                    "has to name the token",
		"pkcs11:token=a;serial=b" + end:                            "has to name the token",
		"pkcs11:token=a;token=b" + end:                             "token twice",
		"pkcs11:token=" + end:                                      "empty",
		"pkcs11:token=a b" + end:                                   `' ' has to be written as %20`,
		"pkcs11:token=ü" + end:                                     "has to be written as %C3",
		"pkcs11:token=a%2" + end:                                   "two hexadecimal digits",
		"pkcs11:token=a%2g" + end:                                  "two hexadecimal digits",
		"pkcs11:token=a%FF" + end:                                  "UTF-8",
		"pkcs11:token=a%00" + end:                                  "control characters",
		"pkcs11:token=a/b" + end:                                   "has to be written as %2F",
		"pkcs11:token=" + long(33) + end:                           "longer than 32",
		"pkcs11:serial=" + long(17) + end:                          "longer than 16",
		"pkcs11:token=a;id=" + long(256) + end:                     "longer than 255",
		"pkcs11:token=a;model=b" + end:                             `"model" isn't known here; those are id, object, serial, token, type`,
		"pkcs11:token=a;type=cert" + end:                           "only private keys sign",
		"pkcs11:token=a":                                           "add ?module-path",
		"pkcs11:token=a?":                                          "made of attributes",
		"pkcs11:token=a?pin-source=/p":                             "add module-path",
		"pkcs11:token=a?module-path=m.so":                          "whole path",
		"pkcs11:token=a?module-path=/x/../m":                       "whole path",
		"pkcs11:token=a?module-name=softhsm":                       `"module-name" isn't known here`,
		"pkcs11:token=a" + end + "&pin-source=file:relative":       "whole path",
		"pkcs11:token=a" + end + "&pin-source=%7Ccat%20/pin":       "isn't run",
		"pkcs11:token=a" + end + "&pin-value=SECRETPIN":            "take another one now",
		"pkcs11:token=a" + end + "&" + long(8192):                  "longer than 8192",
		"pkcs11:token=a" + end + "&module-path=/m.so":              "module-path twice",
		"pkcs11:token=a" + end + "&pin-source=file://host/etc/pin": "whole path",
	} {
		u, err := pkcs11.ParseURI(in)
		if err == nil || !strings.Contains(err.Error(), want) || u != (pkcs11.URI{}) {
			t.Errorf("ParseURI(%s) = %v, %v, want one with %q", in, u, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRETPIN") {
			t.Errorf("ParseURI() says the PIN: %v", err)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{whole, "pkcs11:serial=1;type=private?module-path=/m", "pkcs11:token=%25;id=%00?module-path=/m&pin-source=/p"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := pkcs11.ParseURI(s)
		if err != nil {
			if u != (pkcs11.URI{}) {
				t.Fatalf("ParseURI(%q) = %v and %v", s, u, err)
			}
			return
		}
		again, err := pkcs11.ParseURI(u.String())
		if err != nil || again != u {
			t.Fatalf("ParseURI(%q) = %v, and of that %v, %v", s, u, again, err)
		}
	})
}
