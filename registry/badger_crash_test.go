package registry_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"clrnode/registry"
)

var crashTable = registry.Table{Name: "crash"}

// crashWriter makes 64 writers write pairs of documents into the store at dir until the
// process is killed, and says the key of each pair when its Update has returned.
func crashWriter(dir string) error {
	e, err := registry.OpenBadger(dir)
	if err != nil {
		return err
	}
	round := rand.Uint64() // tells its keys from those of the writers before
	var all sync.WaitGroup
	for w := range 64 {
		all.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%x-%d-%d", round, w, i)
				err := e.Update(context.Background(), func(d registry.Docs) error {
					doc := fmt.Appendf(nil, `{"key":%q,"filler":%q}`, key, strings.Repeat("clr ", 977*(w+i)%2000))
					if err := d.Put(crashTable, "left/"+key, doc); err != nil {
						return err
					}
					return d.Put(crashTable, "right/"+key, doc)
				})
				if err != nil {
					return
				}
				os.Stdout.WriteString(key + "\n")
			}
		})
	}
	all.Wait()
	return e.Close()
}

// TestBadgerKilled kills a process in the middle of 64 writers, again and again in one
// store: what was acknowledged is there, and nothing is there by half.
func TestBadgerKilled(t *testing.T) {
	if dir := os.Getenv("CLRNODE_CRASH_WRITER"); dir != "" {
		if err := crashWriter(dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := filepath.Join(t.TempDir(), "store")
	acknowledged := map[string]bool{}
	random := registry.CrashRand(t)
	for round := range 4 {
		child := exec.Command(os.Args[0], "-test.run=^TestBadgerKilled$")
		child.Env = append(os.Environ(), "CLRNODE_CRASH_WRITER="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for after := 200 + random.IntN(2000); lines.Scan(); after-- {
			acknowledged[lines.Text()] = true
			if after == 0 {
				child.Process.Kill() // what it has said until now is still read
			}
		}
		child.Wait()
		e, err := registry.OpenBadger(dir)
		if err != nil {
			t.Fatalf("open after a kill: %v", err)
		}
		stored := map[string]int{}
		err = e.View(t.Context(), func(d registry.Docs) error {
			for r, err := range d.Scan(crashTable, "", "", 0) {
				if err != nil {
					return err
				}
				_, key, _ := strings.Cut(r.Key, "/")
				stored[key]++
				if !strings.HasPrefix(string(r.Doc), fmt.Sprintf(`{"key":%q,`, key)) {
					t.Errorf("the document of %s is another one: %.60s", r.Key, r.Doc)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for key, n := range stored {
			if n != 2 {
				t.Errorf("round %d: half of the pair %s is stored", round, key)
			}
		}
		for key := range acknowledged {
			if stored[key] == 0 {
				t.Errorf("round %d: %s was acknowledged, and is lost", round, key)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < 500 {
		t.Errorf("only %d writes were acknowledged in all rounds: the test shows nothing", len(acknowledged))
	}
}
