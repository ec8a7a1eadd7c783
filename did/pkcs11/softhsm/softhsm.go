//go:build cgo

// Package softhsm gives tests real PKCS#11 tokens, of SoftHSM.
package softhsm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PIN opens a token of Token's.
const PIN = "491625"

// A HSM is a folder of tokens, of one test alone.
type HSM struct {
	Module string // path of the library
	Dir    string // that the tokens are in, each a folder
	PIN    string // path of a file with PIN
}

// New makes an empty one, of which this process and those it starts know by SOFTHSM2_CONF.
// Where SoftHSM isn't installed the test is skipped.
func New(t testing.TB) HSM {
	t.Helper()
	h := HSM{Dir: filepath.Join(t.TempDir(), "tokens")}
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			h.Module = path
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || h.Module == "" {
		t.Skip("SoftHSM is missing, so nothing was tested of keys in tokens: install softhsm2")
	}
	conf := filepath.Join(filepath.Dir(h.Dir), "softhsm2.conf")
	h.PIN = filepath.Join(filepath.Dir(h.Dir), "pin")
	for _, err := range []error{
		os.Mkdir(h.Dir, 0o700),
		os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", h.Dir), 0o600),
		os.WriteFile(h.PIN, []byte(PIN+"\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	return h
}

// Token makes a token with this label and returns its URI.
func (h HSM) Token(t testing.TB, label string) string {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN).CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util --init-token: %v: %s", err, out)
	}
	return "pkcs11:token=" + label + "?module-path=" + h.Module + "&pin-source=file:" + h.PIN
}
