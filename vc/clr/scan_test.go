package clr

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// The published spellings as regular expressions, by which the scanners are judged.
var (
	clrContextForm = regexp.MustCompile(`^https://purl\.imsglobal\.org/spec/clr/v2p0/context(-2\.\d\.\d)*\.json$`)
	obContextForm  = regexp.MustCompile(`^https://purl\.imsglobal\.org/spec/ob/v3p0/context(-3\.\d\.\d)*\.json$`)
	dateTimeForm   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	languageForm   = regexp.MustCompile(`^[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)
	jwsForm        = regexp.MustCompile(`^[a-zA-Z0-9_-]+\.[a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]+$`)
	uriForm        = regexp.MustCompile("^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>\"{}|\\\\^`]+$")
	controlledForm = regexp.MustCompile(`^([Hh][Tt][Tt][Pp][Ss]?:|[Dd][Ii][Dd]:[^:]*:?)`)
)

func FuzzScannersTakeWhatTheFormsTake(f *testing.F) {
	for _, s := range strings.Split(`|https://purl.imsglobal.org/spec/clr/v2p0/context.json|https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json
|https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1-2.1.1.json|https://purl.imsglobal.org/spec/clr/v2p0/context-3.0.1.json
|https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json|https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.jsonx|https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.33.json
|2026-05-15T14:00:00Z|2026-05-15T14:00:00.1234+02:00|2026-05-15T14:00:00.Z|2026-05-15t14:00:00Z|2026-13-15T14:00:00-99:00|2026-05-15T14:00:00|2026-05-15T14:00:00,5Z
|en|es-MX|zh-Hant-TW|en-419|abcde|a|en-|en-us|sr-Latn|sr-Latn-|en-Latn-RS-x|en-LatnRS
|a.b.c|a..c|.b.c|a.b|a.b.|a.b.c.d|a.b=.c|é.b.c
|urn:uuid:1|a:|a:b|1a:b|a b:c|http://example.edu/ü|http:|x+y-z.1:<|a:b c|:a|é:b|a:b^
|DID:web:x|did:WEB:x|did:web:X|Https://x|HTTP:|http:x|did:|did:Web|didx:A|httpſ:|did:é:x|did:É:x|HTTPſ:`, "|") {
		f.Add(strings.TrimSuffix(s, "\n"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		start := controlledForm.FindString(s)
		_, err := time.Parse(time.RFC3339, s)
		for _, test := range []struct {
			what      string
			got, want bool
		}{
			{"CLR context", isCLRContext(s), clrContextForm.MatchString(s)},
			{"Open Badges context", isOBContext(s), obContextForm.MatchString(s)},
			{"date and time", hasDateTimeForm(s), dateTimeForm.MatchString(s)},
			{"real date and time", IsDateTime(s), err == nil && dateTimeForm.MatchString(s)},
			{"language", isLanguage(s), languageForm.MatchString(s)},
			{"JWS", isJWS(s), jwsForm.MatchString(s)},
			{"URI", isURI(s), uriForm.MatchString(s)},
			{"plain scheme", PlainScheme(s), start == strings.ToLower(start)},
		} {
			if test.got != test.want {
				t.Errorf("%s %q: %v, by the form %v", test.what, s, test.got, test.want)
			}
		}
	})
}
