package registry

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var tableLarge = Table{Name: "large"}

// largeDocs are more than one transaction of Badger's holds.
const largeDocs = 60_000

// putLarge makes all documents say n; those whose turn it is are deleted.
func putLarge(d Docs, n int) error {
	for i := range largeDocs {
		key := fmt.Sprintf("%06d", i)
		if i%10 == n%10 {
			if err := d.Delete(tableLarge, key); err != nil {
				return err
			}
			continue
		}
		if err := d.Put(tableLarge, key, fmt.Appendf(nil, `{"n":%d,"filler":"%s"}`, n, strings.Repeat("clr ", i%50))); err != nil {
			return err
		}
	}
	return d.Put(tableLarge, "n", []byte(strconv.Itoa(n)))
}

// largeIs is what all documents say, 0 if there are none. That they say one thing, and
// that just those are gone whose turn it was, it sees to.
func largeIs(t *testing.T, e Engine) (n int) {
	t.Helper()
	if err := e.View(t.Context(), func(d Docs) error {
		n = 0
		doc, err := d.Get(tableLarge, "n")
		if errors.Is(err, ErrNotFound) {
			for row := range d.Scan(tableLarge, "", "", 1) {
				t.Errorf("%s is there, and nothing else", row.Key)
			}
			return nil
		} else if err != nil {
			return err
		}
		if n, err = strconv.Atoi(string(doc)); err != nil {
			return err
		}
		rows, said := 0, fmt.Sprintf(`{"n":%d,`, n)
		for row, err := range d.Scan(tableLarge, "0", "", 0) {
			if err != nil {
				return err
			}
			rows++
			if !bytes.HasPrefix(row.Doc, []byte(said)) {
				return fmt.Errorf("%s says %.20s, others say %s", row.Key, row.Doc, said)
			}
		}
		if rows != largeDocs*9/10 {
			return fmt.Errorf("%d documents say %d, want %d", rows, n, largeDocs*9/10)
		}
		return nil
	}); err != nil {
		t.Errorf("half of an Update is stored: %v", err)
	}
	return n
}

func openLarge(t *testing.T, dir string) *badgerEngine {
	t.Helper()
	e, err := OpenBadger(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*badgerEngine)
}

// A large Update is one: for Views beside it, for Updates behind it, and after its end.
func TestBadgerLargeUpdate(t *testing.T) {
	dir := t.TempDir()
	e := openLarge(t, dir)
	var ended atomic.Bool
	looked := make(chan int)
	go func() {
		looks := 0
		for ; !ended.Load() && !t.Failed(); looks++ {
			largeIs(t, e)
		}
		looked <- looks
	}()
	for n := 1; n <= 5; n++ {
		written, err := e.updateSoon(t.Context(), func(d Docs) error { return putLarge(d, n) })
		if err != nil {
			t.Fatal(err)
		}
		err = e.Update(t.Context(), func(d Docs) error { // runs while that is being written
			if doc, err := d.Get(tableLarge, "n"); err != nil || string(doc) != strconv.Itoa(n) {
				t.Errorf("behind the Update, n is %s, %v; want %d", doc, err, n)
			}
			return d.Put(tableLarge, "behind", []byte(strconv.Itoa(n)))
		})
		if err := errors.Join(err, written()); err != nil {
			t.Fatal(err)
		}
		if got := largeIs(t, e); got != n {
			t.Errorf("%d is stored, want %d", got, n)
		}
	}
	ended.Store(true)
	if <-looked < 5 {
		t.Error("nobody looked meanwhile: the test shows little")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openLarge(t, dir)
	defer e.Close()
	if got := largeIs(t, e); got != 5 {
		t.Errorf("after it was opened again %d is stored, want 5", got)
	}
}

// A process may end at any step of a large Update: it happened if its journal has its
// name, however much of it is in Badger.
func TestBadgerJournalLeft(t *testing.T) {
	largeOf := func(n int) *overlay {
		d := &badgerDocs{ctx: t.Context(), own: newOverlay()}
		if err := putLarge(d, n); err != nil {
			t.Fatal(err)
		}
		return d.own
	}
	// rewrite reads the journal, and writes what do makes of it.
	rewrite := func(t *testing.T, e *badgerEngine, do func(raw []byte)) {
		path := filepath.Join(e.dir, journalFile)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		do(raw)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rows := map[string]struct {
		leave func(t *testing.T, e *badgerEngine, at uint64)
		want  int // what is stored then; 0: the store doesn't open
	}{
		"half a journal": {func(t *testing.T, e *badgerEngine, at uint64) {
			if err := os.WriteFile(filepath.Join(e.dir, journalHalf), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 1},
		"a journal": {func(t *testing.T, e *badgerEngine, at uint64) {
			if err := e.writeJournal(largeOf(2), at); err != nil {
				t.Fatal(err)
			}
		}, 2},
		"a journal that was followed in part": {func(t *testing.T, e *badgerEngine, at uint64) {
			all := largeOf(2)
			if err := e.writeJournal(all, at); err != nil {
				t.Fatal(err)
			}
			some := newOverlay()
			for key, doc := range all.docs {
				if len(some.docs) < 5_000 {
					some.put(key, doc)
				}
			}
			if err := e.write(some, at); err != nil {
				t.Fatal(err)
			}
		}, 2},
		"a journal that was followed, and is still there": {func(t *testing.T, e *badgerEngine, at uint64) {
			if err := e.writeJournal(largeOf(2), at); err != nil {
				t.Fatal(err)
			}
			rewrite(t, e, func([]byte) {
				if err := e.followJournal(); err != nil {
					t.Fatal(err)
				}
			})
		}, 2},
		"a damaged journal": {func(t *testing.T, e *badgerEngine, at uint64) {
			if err := e.writeJournal(largeOf(2), at); err != nil {
				t.Fatal(err)
			}
			rewrite(t, e, func(raw []byte) { raw[CrashRand(t).IntN(len(raw))] ^= 1 })
		}, 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := openLarge(t, dir)
			if err := e.Update(t.Context(), func(d Docs) error { return putLarge(d, 1) }); err != nil {
				t.Fatal(err)
			}
			row.leave(t, e, e.moments[len(e.moments)-1].at+1)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := OpenBadger(dir)
			if row.want == 0 {
				if err == nil || !strings.Contains(err.Error(), "damaged: bring it back from a backup") {
					t.Errorf("OpenBadger with a damaged journal = %v", err)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if got := largeIs(t, again); got != row.want {
				t.Errorf("%d is stored, want %d", got, row.want)
			}
			if err := again.Update(t.Context(), func(d Docs) error { return putLarge(d, 3) }); err != nil {
				t.Fatal(err)
			}
			if got := largeIs(t, again); got != 3 {
				t.Errorf("%d is stored after another Update, want 3", got)
			}
			left, err := filepath.Glob(filepath.Join(dir, journalFile+"*"))
			if err != nil || len(left) > 0 {
				t.Errorf("%v, %v is left", left, err)
			}
		})
	}
}

// TestBadgerLargeKilled kills a process in the middle of large Updates: each of them
// happened whole or not at all, and those that were acknowledged did.
func TestBadgerLargeKilled(t *testing.T) {
	if dir := os.Getenv("CLRNODE_LARGE_WRITER"); dir != "" {
		e := openLarge(t, dir)
		for n := largeIs(t, e) + 1; ; n++ {
			if err := e.Update(t.Context(), func(d Docs) error { return putLarge(d, n) }); err != nil {
				t.Fatal(err)
			}
			fmt.Println("wrote", n)
		}
	}
	dir := filepath.Join(t.TempDir(), "store")
	inJournal, stored, random := 0, 0, CrashRand(t)
	var takes time.Duration // of one Update, about
	for round := 0; round < 8 || inJournal == 0 && round < 40; round++ {
		child := osexec.Command(os.Args[0], "-test.run=^TestBadgerLargeKilled$")
		child.Env = append(os.Environ(), "CLRNODE_LARGE_WRITER="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		acknowledged, last := 0, time.Time{}
		for lines.Scan() {
			n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "wrote "))
			if err != nil {
				t.Fatal(lines.Text())
			}
			acknowledged = n
			if now := time.Now(); last.IsZero() {
				last = now
			} else if takes == 0 {
				takes = now.Sub(last)
			}
			if takes > 0 {
				time.AfterFunc(time.Duration(random.Int64N(int64(takes))), func() { child.Process.Kill() })
			}
		}
		child.Wait()
		if _, err := os.Stat(filepath.Join(dir, journalFile)); err == nil {
			inJournal++
		}
		e := openLarge(t, dir)
		if stored = largeIs(t, e); stored < acknowledged || stored > acknowledged+1 {
			t.Errorf("round %d: %d is stored, and %d was acknowledged", round, stored, acknowledged)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if inJournal == 0 {
		t.Error("no kill came between a journal and its end: the test shows little")
	}
	t.Logf("%d Updates, %d kills left a journal", stored, inJournal)
}
