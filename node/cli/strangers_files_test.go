package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"
)

// What a stranger packed may have endless files beside a record, and names that play with a
// terminal: none of it is read to its end, or shown as it is.
func TestStrangersFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	record := `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK","credentialSubject":{}}`
	write("ada.json", record)
	write("anh.json", record)
	write("x\x1b[2K\rvalid\u202e.json", record)
	for _, name := range []string{"ada.receipt.json", "anh.issuer.json"} {
		f, err := os.Create(at(name))
		if err == nil {
			err = f.Truncate(1 << 30) // zeros, which take no room on the disk
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, args := range [][]string{
		{"verify", "--offline", at("ada.json"), at("anh.json"), at("x\x1b[2K\rvalid\u202e.json")},
		{"audit", "--offline", "--block-hash", "0x" + strings.Repeat("1", 64), "--receipt", at("ada.receipt.json")},
		{"audit", "--offline", "--block-hash", "0x" + strings.Repeat("1", 64), "--ownership", at("ada.receipt.json")},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var out, talk bytes.Buffer
		code := Run(t.Context(), append(args, "--data", at("nothing")), nil, &out, &talk)
		runtime.ReadMemStats(&after)
		said := out.String() + talk.String()
		if code == exitOK || said == "" {
			t.Errorf("%s: exit %d, %s", args[0], code, said)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
			t.Errorf("%s takes %d MB", args, took>>20)
		}
		if i := strings.IndexFunc(said, func(c rune) bool { return c != '\n' && unicode.In(c, unicode.Cc, unicode.Cf) }); i >= 0 {
			t.Errorf("%s writes %q", args[0], said)
		}
	}
}

// A log is one issuer's: who owns it could speak there for others, if their records were looked
// at with it.
func TestLogIsOfOneIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	record := func(name, issuer string) string {
		path := filepath.Join(dir, name)
		text := `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":` + issuer + `,"credentialSubject":{"id":"did:web:x.example"}}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, again, b := record("a.json", `"did:web:a.example"`), record("again.json", `{"id":"did:web:a.example"}`), record("b.json", `"did:web:b.example"`)
	verify := func(args ...string) (int, string) {
		var out, talk bytes.Buffer
		code := Run(t.Context(), append([]string{"verify", "--offline", "--data", filepath.Join(dir, "nothing")}, args...), nil, &out, &talk)
		return code, out.String() + talk.String()
	}
	log := []string{"--log", "eip155:1:0x00000000000000000000000000000000000000ff"}
	if code, said := verify(append(log, a, b)...); code != exitCouldNot || !strings.Contains(said, "these records are of several") || strings.Contains(said, "a.json: ") {
		t.Errorf("of two issuers: exit %d, %s", code, said)
	}
	for _, args := range [][]string{append(log, a, again), {a, b}} {
		if _, said := verify(args...); strings.Contains(said, "of several") || !strings.Contains(said, "a.json: ") {
			t.Errorf("%s: %s", args, said)
		}
	}
}
