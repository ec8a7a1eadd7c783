package registry_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"clrnode/registry"
	"clrnode/registry/enginetest"
	"clrnode/registry/pgtest"
)

func TestPostgres(t *testing.T) {
	url := pgtest.Database(t)
	enginetest.TestEngine(t, func() registry.Engine {
		e, err := registry.OpenPostgresTables(t.Context(), url, enginetest.Tables())
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}

// Nodes that start at once on an empty database all succeed, and so does one that
// finds it made.
func TestPostgresStartsAtOnce(t *testing.T) {
	url := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			e, err := registry.OpenPostgres(t.Context(), url)
			if err != nil {
				t.Errorf("OpenPostgres: %v", err)
				return
			}
			db, err := registry.Open(t.Context(), e, nil)
			if err != nil {
				t.Errorf("Open: %v", err)
				e.Close()
				return
			}
			db.Close()
		})
	}
	wg.Wait()
	e, err := registry.OpenPostgres(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

// What a newer program has migrated is refused, in a sentence.
func TestPostgresOfANewerProgram(t *testing.T) {
	url := pgtest.Database(t)
	e, err := registry.OpenPostgres(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	execute(t, url, "UPDATE clrnode.migrations SET number = 999")
	if _, err := registry.OpenPostgres(t.Context(), url); err == nil || !strings.Contains(err.Error(), "start the newer clrnode") {
		t.Errorf("OpenPostgres of a newer store = %v, want a sentence that says what to do", err)
	}
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// A password stands in no error, however the address is wrong.
func TestPostgresPasswordIsNeverShown(t *testing.T) {
	server := pgtest.Database(t)
	_, host, _ := strings.Cut(server, "?host=")
	for _, url := range []string{
		"postgres://u:s3cret@127.0.0.1:1/db?connect_timeout=1",
		"postgres://u:s3cret@127.0.0.1:99999999/db",
		"postgres://u:s3cret@[::1/db",
		"postgres://u:s3cret@/db?host=" + host, // neither user nor database is there
		"postgres://postgres:s3cret@/nothing?host=" + host,
		"postgres://u:s3cret@host:port/db?sslmode=wrong",
		"postgres://u:s3cret%zz@host/db",
		"mysql://u:s3cret@host/db",
		"host=127.0.0.1 password=s3cret",
		"u:s3cret@host",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := registry.OpenPostgres(ctx, url)
		cancel()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("OpenPostgres(%s) = %v", url, err)
		}
	}
}

func FuzzPostgresAddress(f *testing.F) {
	f.Add("@host/db?sslmode=x")
	f.Add("%zz@[::1")
	f.Fuzz(func(t *testing.T, rest string) {
		if err := registry.CheckPostgresAddress("postgres://u:s3cret" + rest); err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the password stands in %q", err)
		}
	})
}
