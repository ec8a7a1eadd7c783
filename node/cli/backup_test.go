package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"path"
	"strings"
	"testing"
	"time"

	"clrnode/node"
	"clrnode/registry"
)

// Nothing in a backup lets anybody in or sign: what opens doors is there as a hash, and
// what signs is sealed.
func TestNoSecretInBackup(t *testing.T) {
	ctx := t.Context()
	h, err := openHouse(ctx, Config{Data: t.TempDir(), Listen: "localhost:8080", ChainListen: "127.0.0.1:0"}, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	if err := (&program{err: io.Discard}).makeDemo(ctx, h.node); err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"session": []byte("the token of a session")}
	if err := h.node.Sessions().Commit("the token of a session", []byte("{}"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	link, err := h.node.Login(ctx, node.RolePublisher, "", "")
	if err != nil {
		t.Fatal(err)
	}
	secrets["log-in link"] = []byte(path.Base(link))
	token, _, err := h.node.CreateToken(ctx, "", []string{node.ScopeIssue}, 0)
	if err != nil {
		t.Fatal(err)
	}
	secrets["token"] = []byte(token)
	l, err := h.node.FindLearner(ctx, onlyPublisher(t, h), demoLearner)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := h.node.Shares(ctx, l.ID)
	if err != nil || len(shares) != 1 {
		t.Fatalf("%d shares, %v", len(shares), err)
	}
	secrets["share"] = []byte(path.Base(shares[0].URL))
	chain, err := h.chain.Files()
	if err != nil {
		t.Fatal(err)
	}
	secrets["chain's key, as a file"] = bytes.TrimSpace(chain.Key)
	if secrets["chain's key"], err = hex.DecodeString(strings.TrimSpace(string(chain.Key))); err != nil {
		t.Fatal(err)
	}

	var raw bytes.Buffer
	if err := h.backup(ctx, &raw, false); err != nil {
		t.Fatal(err)
	}
	var held bytes.Buffer
	blocks := 0
	if _, err := registry.ReadBackup(&raw, registry.BackupParts{
		Row: func(table registry.Table, row registry.Row) error {
			if table.Name == "keys" {
				var k registry.Key
				if err := json.Unmarshal(row.Doc, &k); err != nil {
					return err
				}
				secret, err := h.sealing.OpenKey(k)
				if err != nil {
					return err
				}
				secrets[k.Kind] = secret
			}
			held.WriteString(row.Key + "\n")
			held.Write(row.Doc)
			return nil
		},
		File: func(name string, content io.Reader) error {
			if name == backupChainBlocks {
				blocks++
			}
			_, err := io.Copy(&held, content)
			return err
		},
	}); err != nil {
		t.Fatal(err)
	}
	if len(secrets) != 8 || blocks != 1 || !bytes.Contains(held.Bytes(), []byte(l.Family)) {
		t.Fatalf("%d secrets and %d chains were looked at", len(secrets), blocks)
	}
	for name, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("%s: %q is no secret", name, secret)
		}
		for _, form := range []string{string(secret), hex.EncodeToString(secret), strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "=")} {
			if bytes.Contains(held.Bytes(), []byte(form)) {
				t.Errorf("the %s is in the backup", name)
			}
		}
	}
}

func onlyPublisher(t *testing.T, h *house) string {
	t.Helper()
	p, err := h.node.OnePublisher(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}
