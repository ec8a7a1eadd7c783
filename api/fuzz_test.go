package api

import (
	"net/http/httptest"
	"strings"
	"testing"
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
