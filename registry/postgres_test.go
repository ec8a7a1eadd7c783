package registry_test

import (
	"testing"

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
