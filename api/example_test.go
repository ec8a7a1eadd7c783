package api_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"

	"clrnode/api"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// A node over HTTP: a store, the key that seals its secrets, the node, its handler.
func ExampleHandler() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "clrnode")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	engine, err := registry.OpenBadger(filepath.Join(dir, "store"))
	if err != nil {
		fmt.Println(err)
		return
	}
	db, err := registry.Open(ctx, engine, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	sealer, err := registry.LoadSealer(filepath.Join(dir, "key"), true)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := node.New(ctx, node.Options{DB: db, Sealer: sealer, PublicURL: "https://records.example.edu", Client: did.NewClient(did.Outgoing{})})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	server := httptest.NewServer(api.Handler(n, api.Options{Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()

	resp, err := server.Client().Post(server.URL+"/v1/verify", "application/json", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"), err)
	fmt.Print(string(body))
	// Output:
	// 422 application/problem+json <nil>
	// {"status":422,"title":"Not a credential","detail":"There is nothing in it."}
}
