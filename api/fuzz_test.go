package api

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
)

func FuzzAccept(f *testing.F) {
	for _, s := range []string{browserAccept, "application/vc", "*/*", "text/html;q=", ";;,,q=1", "text/html;q=-1", "application/vc;q=NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept"] = []string{accept}
		if wantsPage(r) && wantsBytes(r) {
			t.Errorf("Accept %q is of a browser and of a program", accept)
		}
	})
}

// However a program encodes a DID URL in a path, it is read as it was.
func FuzzIdentifierInPath(f *testing.F) {
	for _, s := range []string{"did:web:a.edu%3A8080", "did:web:a.edu%3A8080#key-1", "did:web:a.edu?service=files&relativeRef=%2Fa%3Fb#c", "did:webvh:Qm:a.edu/x%20y/..//z", "did:key:z6Mk#z6Mk"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		identifierIn(s)
		if _, err := did.ParseURL(s); err != nil {
			return
		}
		forms := map[string]string{"as a whole": strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "as a path": (&url.URL{Path: s}).EscapedPath()}
		if !strings.ContainsAny(s, "?#") && !strings.Contains(s, "%25") && !strings.Contains(s, "%23") && !strings.Contains(strings.ToUpper(s), "%3F") {
			forms["as it is"] = s
		}
		for name, form := range forms {
			if got, err := identifierIn(form); err != nil || got != s {
				t.Errorf("%s, %q is %q, %v; want %q", name, form, got, err, s)
			}
		}
	})
}

// What is preferred is one of the forms, and taken.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/*;q=0.1, application/did;q=0.5", kindOldResolution, "application/did;q=0", ";;,,q=1", "application/did;q=NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		forms := []string{kindResolution, "application/did", kindOldResolution}
		got := negotiate([]string{accept}, forms...)
		if got != "" && !slices.Contains(forms, got) || got != "" && wanted([]string{accept}, got) <= 0 {
			t.Errorf("Accept %q is answered with %q", accept, got)
		}
	})
}

// Nobody is sent to another site after the log-in.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/p/x", "//evil.example", "/%2Fevil.example", `/\evil`, "https://evil.example/", "/%5Cevil", "/a\r\nb", "?x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := localPath(s)
		if p != "" && (p[0] != '/' || strings.HasPrefix(p, "//") || strings.HasPrefix(p, `/\`) || strings.ContainsAny(p, "\r\n")) {
			t.Errorf("localPath(%q) = %q", s, p)
		}
	})
}

// Whatever somebody drops is answered with a sentence or tried as a credential.
func FuzzNotACredential(f *testing.F) {
	for _, s := range []string{"", "{}", "<html>", "\x89PNG", "%PDF-1", `{"type":"CLRAnchorReceipt"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		notACredential(sent{name: "x", raw: raw, size: int64(len(raw))})
		if got := pair([]sent{{name: "x.json", raw: raw}, {name: "y.json", raw: raw}}); len(got) == 0 {
			t.Error("files got lost")
		}
	})
}
