package registry

import (
	"bufio"
	"context"
	"os"
	osexec "os/exec"
	"testing"
	"time"

	"clrnode/anchor"
)

// sealAll seals batches in the store at dir until nothing waits there, and says when it begins.
func sealAll(dir string) error {
	e, err := OpenBadger(dir)
	if err != nil {
		return err
	}
	db, err := Open(context.Background(), e, nil)
	if err != nil {
		return err
	}
	os.Stdout.WriteString("begins\n")
	for ok := true; ok && err == nil; {
		_, ok, err = db.Seal(context.Background(), "pub", anchor.Address{1}, anchor.Chain{})
	}
	if err == nil {
		os.Stdout.WriteString("ends\n")
	}
	return err
}

// TestSealKilled kills a process that seals batches, again and again in one store: after each
// kill all agrees, and in the end each record is in one batch, once.
func TestSealKilled(t *testing.T) {
	smallSteps(t)
	if dir := os.Getenv("CLRNODE_SEALS"); dir != "" {
		if err := sealAll(dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	random := CrashRand(t)
	w := newWaitingRoom(t, "badger")
	w.issue(1000, time.Second)
	grew := 0
	for ended := false; !ended; {
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		child := osexec.Command(os.Args[0], "-test.run=^TestSealKilled$")
		child.Env = append(os.Environ(), "CLRNODE_SEALS="+w.dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "begins" {
		}
		time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond)
		child.Process.Kill()
		for lines.Scan() {
			ended = ended || lines.Text() == "ends"
		}
		child.Wait()
		w.db = nil
		w.reopen()
		waiting := 0
		view(t, w.db, func(tx *Tx) error {
			n, err := tx.Counter("pub", "unanchored")
			waiting = int(n)
			if growing, _ := tx.Growing("pub"); growing {
				grew++
			}
			return err
		})
		w.sound(waiting)
	}
	t.Logf("a batch grew after %d of the kills", grew)
	w.sound(0)
	w.places()
}
