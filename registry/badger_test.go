package registry_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"clrnode/registry"
	"clrnode/registry/enginetest"
)

func TestBadger(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	enginetest.TestEngine(t, func() registry.Engine {
		e, err := registry.OpenBadger(dir)
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}

func TestBadgerIsLocked(t *testing.T) {
	dir := t.TempDir()
	e, err := registry.OpenBadger(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenBadger(dir); !errors.Is(err, registry.ErrLocked) {
		t.Errorf("a second OpenBadger = %v, want ErrLocked", err)
	}
	closed := make(chan error)
	go func() {
		time.Sleep(100 * time.Millisecond)
		closed <- e.Close()
	}()
	e, err = registry.OpenBadger(dir)
	if err != nil {
		t.Fatalf("OpenBadger while the other ends: %v", err)
	}
	if err := errors.Join(<-closed, e.Close()); err != nil {
		t.Error(err)
	}
}

func TestBadgerTooBig(t *testing.T) {
	e, err := registry.OpenBadger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tab := registry.Table{Name: "many", Opaque: true}
	for what, docs := range map[string][]int{
		"a document of 61 MB": {61 << 20},
		"129 MB":              {43 << 20, 43 << 20, 43 << 20},
		"500,001 documents":   make([]int, 500_001), // one key counts each time it is written
	} {
		err = e.Update(context.Background(), func(d registry.Docs) error {
			for i, size := range docs {
				d.Put(tab, fmt.Sprint(i%1000), make([]byte, size)) // who overlooks the error loses nothing silently
			}
			return nil
		})
		if !errors.Is(err, registry.ErrTooBig) {
			t.Errorf("an Update of %s = %v, want ErrTooBig", what, err)
		}
	}
	e.View(context.Background(), func(d registry.Docs) error {
		for range d.Scan(tab, "", "", 1) {
			t.Error("a part of what was too big is stored")
		}
		return nil
	})
}
