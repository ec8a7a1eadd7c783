package testnet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A chain that was copied while it ran is the same one in another folder, and goes on.
func TestCopyAndRestore(t *testing.T) {
	c := mustStart(t, t.TempDir())
	for nonce := range uint64(3) {
		if _, err := send(c, nonce); err != nil {
			t.Fatal(err)
		}
		waitDurable(c, nonce+1)
	}
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	var blocks bytes.Buffer
	if err := c.WriteBlocks(&blocks); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "chain")
	if err := os.MkdirAll(filepath.Join(dir+".restoring", "geth"), 0o700); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"half of the blocks": blocks.Bytes()[:blocks.Len()/2], "none of them whole": blocks.Bytes()[1:]} {
		if err := RestoreChain(dir, files, bytes.NewReader(raw)); err == nil || !strings.Contains(err.Error(), "restore the chain") {
			t.Errorf("%s: %v, want an error", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: there is a chain", name)
		}
	}
	for _, again := range []string{"for the first time", "again"} {
		if err := RestoreChain(dir, files, bytes.NewReader(blocks.Bytes())); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	}
	r := mustStart(t, dir)
	was, is := c.eth.BlockChain().CurrentBlock(), r.eth.BlockChain().CurrentBlock()
	if r.Genesis() != c.Genesis() || is.Hash() != was.Hash() || !r.eth.BlockChain().HasState(is.Root) || r.Durable() != 3 {
		t.Errorf("the restored chain is at %v, %x, want %v, %x", is.Number, is.Hash(), was.Number, was.Hash())
	}
	if _, err := send(r, 3); err != nil {
		t.Error(err)
	}
	waitDurable(r, 4)

	other := mustStart(t, t.TempDir())
	files.Genesis = append(files.Genesis, '\n')
	if err := RestoreChain(other.stack.DataDir(), files, &blocks); err == nil || !strings.Contains(err.Error(), "another chain") {
		t.Errorf("into another chain's folder: %v, want a refusal", err)
	}
}
