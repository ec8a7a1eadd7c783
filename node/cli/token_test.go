//go:build cgo

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"clrnode/did/pkcs11/softhsm"
)

// A publisher's key lives in a PKCS#11 token.
func TestScriptsWithTokens(t *testing.T) {
	h := softhsm.New(t)
	token := h.Token(t, "records")
	p := scripts(func(env *testscript.Env) {
		without, _, _ := strings.Cut(token, "&")
		env.Setenv("SOFTHSM2_CONF", os.Getenv("SOFTHSM2_CONF"))
		env.Setenv("TOKENS", h.Dir)
		env.Setenv("TOKEN", token)
		env.Setenv("TOKENWITHOUTPIN", without)
		credentials := filepath.Join(env.WorkDir, "credentials")
		for _, err := range []error{
			os.Mkdir(credentials, 0o700),
			os.Symlink(h.PIN, filepath.Join(credentials, "clrnode.pin")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	p.Files = []string{"testdata/tokens/token.txtar"}
	testscript.Run(t, p)
}
