package registry

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"clrnode/registry/pgtest"
)

// A database whose disk is full says so in a sentence, is read all the same, loses
// nothing, and takes writes again when there is room.
func TestPostgresFullDisk(t *testing.T) {
	s := pgtest.StartWithSmallDisk(t, "96m")
	e, err := openPostgres(ctx, s.Database(t), []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	random := rand.New(rand.NewSource(1))
	stored := 0
	// large counts one up, and writes a document that no compression makes small.
	large := func() error {
		filler := make([]byte, 1<<18)
		random.Read(filler)
		err := e.Update(ctx, func(d Docs) error {
			return d.Put(tableFaults, fmt.Sprintf("large/%04d", stored), asJSON(map[string]any{"filler": filler}))
		})
		if err == nil {
			stored++
		}
		return err
	}
	for range 5 {
		if err := errors.Join(increment(e, fmt.Sprint("before-", stored)), large()); err != nil {
			t.Fatal(err)
		}
	}
	free := s.Fill(t)
	for err = large(); err == nil; err = large() {
		if stored > 1000 {
			t.Fatal("the disk takes everything: the test shows nothing")
		}
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has no room left on its disk") || !strings.Contains(err.Error(), "goes on by itself") {
		t.Errorf("Update on a full disk = %v, want ErrUnavailable in a sentence", err)
	}
	if value, names := incremented(t, e); value != 5 || len(names) != 5 {
		t.Errorf("on a full disk %d were counted, and %d wrote that down; want 5", value, len(names))
	}
	free()
	for range 5 {
		if err := errors.Join(increment(e, fmt.Sprint("after-", stored)), large()); err != nil {
			t.Fatalf("there is room again: %v", err)
		}
	}
	if value, names := incremented(t, e); value != 10 || len(names) != 10 {
		t.Errorf("%d were counted, and %d wrote that down; want 10", value, len(names))
	}
	found := 0
	if err := e.View(ctx, func(d Docs) error {
		for _, err := range d.Scan(tableFaults, "large/", "", 0) {
			if err != nil {
				return err
			}
			found++
		}
		return nil
	}); err != nil || found != stored {
		t.Errorf("%d large documents are there, want %d: %v", found, stored, err)
	}
}

// A database whose log of writes has no room ends in the middle of what it stores, and
// doesn't run until there is: whoever writes is told so in a sentence, and nobody is told
// wrong. When there is room, work goes on by itself with all that was stored.
func TestPostgresFullLog(t *testing.T) {
	patience, commit := pgPatience, pgCommitTime
	pgPatience, pgCommitTime = 2*time.Second, 4*time.Second
	defer func() { pgPatience, pgCommitTime = patience, commit }()
	s := pgtest.StartWithSmallLog(t, "48m")
	e, err := openPostgres(ctx, s.Database(t), []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	random := rand.New(rand.NewSource(1))
	stored, uncertain := map[string]bool{}, map[string]bool{}
	tries := 0
	// large counts one up, and writes a document that no compression makes small.
	large := func() error {
		filler := make([]byte, 1<<17)
		random.Read(filler)
		tries++
		name := fmt.Sprint(tries)
		err := increment(e, name)
		if err == nil {
			stored[name] = true
			err = e.Update(ctx, func(d Docs) error {
				return d.Put(tableFaults, "large/"+name, asJSON(map[string]any{"filler": filler}))
			})
		} else if errors.Is(err, ErrUncertain) {
			uncertain[name] = true
		}
		return err
	}
	for range 5 {
		if err := large(); err != nil {
			t.Fatal(err)
		}
	}
	free := s.Fill(t)
	defer func() { free() }()
	for err = large(); err == nil; err = large() {
		if tries > 1000 {
			t.Fatal("the disk takes everything: the test shows nothing")
		}
	}
	said := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has no room left on its disk") && !strings.Contains(err.Error(), "is starting, stopping or failing over") && !strings.Contains(err.Error(), "can't be reached") || !strings.Contains(err.Error(), "goes on by itself") {
			t.Errorf("Update while the log has no room = %v, want ErrUnavailable in a sentence", err)
		}
	}
	said(err)
	if !strings.Contains(err.Error(), "has no room left on its disk") {
		t.Errorf("the first that finds no room is told %v, and not why", err)
	}
	for range 2 {
		said(large())
	}
	free()
	free = func() {}
	for begun := time.Now(); ; {
		if err = large(); err == nil {
			break
		}
		if said(err); time.Since(begun) > time.Minute {
			t.Fatalf("there is room again: %v", err)
		}
	}
	for range 5 {
		if err := large(); err != nil {
			t.Fatalf("there is room again: %v", err)
		}
	}
	value, names := incremented(t, e)
	if int(value) != len(names) {
		t.Errorf("%d were counted, and %d wrote that down", value, len(names))
	}
	for name := range stored {
		if !names[name] {
			t.Errorf("Update %s returned nil, and is lost", name)
		}
	}
	for name := range names {
		if !stored[name] && !uncertain[name] {
			t.Errorf("Update %s is stored, and returned that it isn't", name)
		}
	}
}
