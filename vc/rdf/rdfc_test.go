package rdf

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reference is the folder of published vectors, which isn't part of the project.
func reference(t testing.TB, path ...string) string {
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		root, _ := os.Getwd()
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "../shared/data")
	}
	dir = filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIP: the reference data isn't here (%v); set CLRNODE_REFERENCE to its folder", err)
	}
	return dir
}

func ExampleCanonizeQuads() {
	out, err := CanonizeQuads(context.Background(), []byte("_:me <http://schema.org/name> \"Ada\" .\n"), crypto.SHA256)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s", out)
	// Output: _:c14n0 <http://schema.org/name> "Ada" .
}

// All tests of the W3C's suite: eval, map and negative.
func TestPublishedVectors(t *testing.T) {
	dir := reference(t, "vectors", "rdfc10")
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.jsonld"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Entries []struct{ ID, Type, Name, Action, Result, HashAlgorithm string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Entries) < 80 {
		t.Fatalf("only %d tests in the manifest", len(manifest.Entries))
	}
	for _, e := range manifest.Entries {
		t.Run(strings.TrimPrefix(e.ID, "#"), func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join(dir, e.Action))
			if err != nil {
				t.Fatal(err)
			}
			h := crypto.SHA256
			switch e.HashAlgorithm {
			case "", "SHA256":
			case "SHA384":
				h = crypto.SHA384
			default:
				t.Fatalf("unknown hash %q", e.HashAlgorithm)
			}
			d, labels, err := parseQuads(in)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			out, names, err := canonicalize(context.Background(), d, h)
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %v", d)
			}
			if e.Type == "rdfc:RDFC10NegativeEvalTest" {
				if !errors.Is(err, ErrTooMuchWork) {
					t.Errorf("got %d bytes, %v; want too much work", len(out), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, e.Result))
			if err != nil {
				t.Fatal(err)
			}
			switch e.Type {
			case "rdfc:RDFC10EvalTest":
				if !bytes.Equal(out, want) {
					t.Errorf("got\n%swant\n%s", out, want)
				}
			case "rdfc:RDFC10MapTest":
				var wantMap map[string]string
				if err := json.Unmarshal(want, &wantMap); err != nil {
					t.Fatal(err)
				}
				got := map[string]string{}
				for b, n := range names {
					if n >= 0 {
						got[labels[b]] = fmt.Sprintf("c14n%d", n)
					}
				}
				if !reflect.DeepEqual(got, wantMap) {
					t.Errorf("got %v\nwant %v", got, wantMap)
				}
			default:
				t.Fatalf("unknown type %s", e.Type)
			}
		})
	}
}

func TestParseQuadsRefuses(t *testing.T) {
	for _, s := range []string{"<a> <b:c> <d:e> .", "<a:b> _:c <d:e> .", "<a:b> \"c\" <d:e> .", "<a:b> <c:d> .", "<a:b> <c:d> <e:f>", "<a:b> <c:d> <e:f> <g:h> <i:j> .", "<a:b> <c:d> \"x .",
		"<a:b> <c:d> \"x\\q\" .", "<a:b> <c:d> \"x\"@1 .", "<a:b> <c:d> \"x\"^^<y> .", "<a:b> <c:d> <e:\\u0020f> .", "<a:b> <c:d> \"\\uD800\" .", "<a:b> <c:d> \"\xff\" .", "_: <c:d> <e:f> .", "<a:b> <c:d> <e:f> . x"} {
		if out, err := CanonizeQuads(context.Background(), []byte(s), crypto.SHA256); err == nil {
			t.Errorf("CanonizeQuads(%q) = %q; want an error", s, out)
		}
	}
}

// Renaming blank nodes and reordering lines changes nothing, and the canonical
// form is its own canonical form.
func FuzzCanonizeQuads(f *testing.F) {
	f.Add([]byte("_:a <p:p> _:b .\n_:b <p:p> _:a .\n_:c <p:q> \"x\\n\"@en _:g .\n<s:s> <p:p> \"1\"^^<t:t> ."))
	f.Add([]byte("_:a <p:p> _:a _:a .\n_:b <p:p> _:b _:b ."))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 2000 {
			return
		}
		once, err := CanonizeQuads(context.Background(), in, crypto.SHA256)
		if err != nil {
			return
		}
		twice, err := CanonizeQuads(context.Background(), once, crypto.SHA256)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s\n%s\n%v", once, twice, err)
		}
		lines := strings.SplitAfter(string(once), "\n")
		var back strings.Builder
		for i := len(lines) - 1; i >= 0; i-- {
			back.WriteString(strings.ReplaceAll(lines[i], "_:c14n", "_:z9x"))
		}
		if again, err := CanonizeQuads(context.Background(), []byte(back.String()), crypto.SHA256); err != nil || !bytes.Equal(again, once) && !strings.Contains(string(once), "\"_:c14n") {
			t.Fatalf("%s\n%s\n%v", once, again, err)
		}
	})
}
