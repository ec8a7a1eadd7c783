//go:build linux

package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// A store is where a node keeps its book.
type store struct {
	args  []string // that tell the node
	size  func() (float64, error)
	close func() error
}

// open makes an empty store: Badger in dir, or a database of its own on the server,
// which goes again with close.
func open(ctx context.Context, engine, server, dir string) (store, error) {
	switch engine {
	case "badger":
		return store{size: func() (float64, error) { return sizeOf(dir) }, close: func() error { return nil }}, nil
	case "postgres":
		return database(ctx, server)
	}
	return store{}, fmt.Errorf("there is no engine %q: badger or postgres", engine)
}

func database(ctx context.Context, server string) (store, error) {
	const name = "clrnode_measure"
	u, err := url.Parse(server)
	if err != nil || server == "" {
		return store{}, fmt.Errorf("name a PostgreSQL server where databases may be made: -server postgres://USER:PASSWORD@HOST/postgres")
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return store{}, err
	}
	drop := func() error {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name)
		return err
	}
	if err := drop(); err != nil {
		return store{}, err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return store{}, err
	}
	u.Path = "/" + name
	return store{
		args: []string{"--db", u.String()},
		size: func() (mb float64, err error) {
			err = conn.QueryRow(ctx, "SELECT pg_database_size($1) / 1048576.0", name).Scan(&mb)
			return mb, err
		},
		close: func() error {
			defer conn.Close(ctx)
			return drop()
		},
	}, nil
}
