package anchortest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"clrnode/testnet"
)

// WithID begins a chain in dir that has another id than embedded chains have, as every
// public chain does. It is for testnet.StartChain, and for clrnode chain.
func WithID(dir string, id uint64) error {
	c, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // its blocks, of which there is only the first
		if e.IsDir() {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	path := filepath.Join(dir, "genesis.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	was, is := fmt.Appendf(nil, `"chainId": %d`, testnet.ChainID), fmt.Appendf(nil, `"chainId": %d`, id)
	if bytes.Count(raw, was) != 1 {
		return fmt.Errorf("%s names no id: %s", path, raw)
	}
	return os.WriteFile(path, bytes.Replace(raw, was, is, 1), 0o600)
}
