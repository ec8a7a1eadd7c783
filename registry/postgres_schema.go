package registry

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgMigrations are the files of what the engine has beside the tables of documents,
// in the order of their numbers. They are only ever appended, and each runs once.
//
//go:embed postgres/*.sql
var pgMigrations embed.FS

// How it is kept which migrations have run. The one row is the lock under which the
// next ones run.
const (
	madeMigrations = `CREATE SCHEMA IF NOT EXISTS ` + pgSchema + `;
CREATE TABLE IF NOT EXISTS ` + pgSchema + `.migrations (id integer PRIMARY KEY, number integer NOT NULL);
INSERT INTO ` + pgSchema + `.migrations (id, number) VALUES (1, 0) ON CONFLICT (id) DO NOTHING`
	lockMigrations = "SELECT number FROM " + pgSchema + ".migrations WHERE id = 1 FOR UPDATE"
	noteMigration  = "UPDATE " + pgSchema + ".migrations SET number = $1 WHERE id = 1"
	haveTables     = "SELECT table_name FROM information_schema.tables WHERE table_schema = '" + pgSchema + "'"
)

// migrate makes what the database lacks: the schema, a table for each of tables, and
// what the migrations make. Of several processes that start at once, one does it and
// the others wait.
func (e *pgEngine) migrate(ctx context.Context, tables []Table) error {
	for tries := 0; ; tries++ {
		err := e.migrateOnce(ctx, tables)
		if err == nil || !raced(err) || tries == 20 {
			return err
		}
	}
}

func (e *pgEngine) migrateOnce(ctx context.Context, tables []Table) error {
	c, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return migrateIn(ctx, tx, tables) })
	var said *pgconn.PgError
	if errors.As(err, &said) && (said.Code == "42P01" || said.Code == "3F000") { // the first start
		if _, err := c.Exec(ctx, madeMigrations); err != nil {
			return e.sentence(err)
		}
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return migrateIn(ctx, tx, tables) })
	}
	return e.sentence(err)
}

func migrateIn(ctx context.Context, tx pgx.Tx, tables []Table) error {
	var number int
	if err := tx.QueryRow(ctx, lockMigrations).Scan(&number); err != nil {
		return err
	}
	files, err := fs.Glob(pgMigrations, "postgres/*.sql")
	if err != nil {
		return err
	}
	if number > len(files) {
		return &newerStore{number, len(files)}
	}
	have := map[string]bool{}
	rows, err := tx.Query(ctx, haveTables)
	if err != nil {
		return err
	}
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { have[name] = true; return nil }); err != nil {
		return err
	}
	for _, t := range tables {
		if have[t.Name] {
			continue
		}
		kind := "jsonb"
		if t.Opaque {
			kind = "bytea"
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s.%s (key text COLLATE "C" PRIMARY KEY, doc %s NOT NULL)`, pgSchema, t.Name, kind)); err != nil {
			return err
		}
	}
	for i, file := range files[number:] {
		sql, err := pgMigrations.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("migration %s: %w", file, err)
		}
		if _, err := tx.Exec(ctx, noteMigration, number+i+1); err != nil {
			return err
		}
	}
	return nil
}

// raced tells whether somebody else made the same at the same moment.
func raced(err error) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return false
	}
	switch said.Code {
	case "23505", "42P06", "42P07", "42710", "40001", "40P01":
		return true
	}
	return false
}

// newerStore says that a newer program has migrated the database.
type newerStore struct{ has, known int }

func (n *newerStore) Error() string {
	return fmt.Sprintf("the database was migrated to number %d, and this program knows up to %d: start the newer clrnode that did it, or restore a backup made before the upgrade", n.has, n.known)
}
