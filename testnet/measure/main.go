//go:build linux

// Measure shows what a node costs at different numbers of learners: it imports rosters,
// issues and anchors all records, asks for pages, and writes a table and plots.
//
//	python3 ../shared/tools/oneroster_university.py u1000.zip --students 1000
//	go run ./testnet/measure -db badger,postgres -server postgres://postgres@localhost/postgres u1000.zip [u10000.zip ...]
//
// The node is the program itself, built and run as another process, asked by HTTP over
// loopback. What was measured before, for other rosters, stays in docs/size.json.
//
//	go run ./testnet/measure -anchored 1048576
//
// measures the proofs of anchored records instead, in the store alone, and writes the
// section of docs/size.md about them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	engines := flag.String("db", "badger", "engines to measure: badger, postgres, with a comma")
	out := flag.String("out", "docs", "folder of size.json, size.md and the plots")
	server := flag.String("server", "", "URL of a PostgreSQL server on which databases may be made, for -db postgres")
	more := flag.Int("more", 0, "achievements that each learner gets by CSV beside those of the roster")
	anchored := flag.Int("anchored", 0, "measures what it takes to prove so many anchored records instead, without rosters")
	asks := flag.Int("asks", 400, "how often each page is asked for")
	flag.Parse()
	if *anchored > 0 {
		if err := measureAnchors(*out, *anchored); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(*out, strings.Split(*engines, ","), *server, flag.Args(), *more, *asks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out string, engines []string, server string, rosters []string, more, asks int) error {
	dir, err := os.MkdirTemp("", "clrnode-measure-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "clrnode")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the node (run this from the project's folder): %w", err)
	}
	results, err := load(out)
	if err != nil {
		return err
	}
	for _, roster := range rosters {
		for _, engine := range engines {
			fmt.Printf("%s on %s\n", roster, engine)
			r, err := measure(context.Background(), program, filepath.Join(dir, engine), engine, server, roster, more, asks)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", roster, engine, err)
			}
			fmt.Println(r)
			results.add(r)
			if err := results.save(out); err != nil {
				return err
			}
			if err := os.RemoveAll(filepath.Join(dir, engine)); err != nil {
				return err
			}
		}
	}
	return results.save(out)
}
