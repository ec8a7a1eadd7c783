package contracts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// The registry has one address, on whatever chain it is. When this test fails
// the contract was changed: receipts made until then name the old address.
func ExampleAnchor() {
	log := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	call := Anchor(log, 7, common.Hash{31: 1}, 16)
	fmt.Printf("%s: %x... (%d bytes)\n", AnchorRegistryAddress, call[:4], len(call))
	// Output: 0xE67C6A076714903D2FC08e43335F88673e55EBC5: 4f741518... (132 bytes)
}

// A did:ethr on an embedded chain names neither the chain nor the registry for good: with
// another address, its history would be gone.
func ExampleDIDRegistryDeployment() {
	fmt.Printf("%s: %d bytes\n", DIDRegistryAddress, len(DIDRegistryDeployment()))
	// Output: 0x32bd38896F6bDd276763Ae8BC60C156335DB09b5: 4636 bytes
}

func TestSelectors(t *testing.T) {
	if got, want := Anchor(common.Address{}, 0, common.Hash{}, 0)[:4], crypto.Keccak256([]byte("anchor(address,uint64,bytes32,uint64)"))[:4]; !bytes.Equal(got, want) {
		t.Errorf("selector of anchor = %x, want %x", got, want)
	}
	if DeploymentProxy != params.DeterministicFactoryAddress {
		t.Errorf("DeploymentProxy = %s, the protocol says %s", DeploymentProxy, params.DeterministicFactoryAddress)
	}
	// See the contract's comment: a root as raw calldata may never reach a function.
	for name, m := range registry.Methods {
		if len(m.Inputs) == 0 {
			t.Errorf("%s takes no argument: 32 bytes of raw calldata could call it", name)
		}
	}
}

func TestAnswersAreReadStrictly(t *testing.T) {
	answer := make([]byte, 5*32)
	binary.BigEndian.PutUint64(answer[24:], 12)
	binary.BigEndian.PutUint64(answer[3*32+24:], 16)
	e, err := UnpackEntry(answer)
	if err != nil || e.Block != 12 || e.Count != 16 {
		t.Errorf("UnpackEntry() = %+v, %v", e, err)
	}
	answer[0] = 1
	if _, err := UnpackEntry(answer); err == nil {
		t.Error("a block number beyond 64 bits was read")
	}
	if _, err := UnpackEntry(nil); err == nil {
		t.Error("the empty answer of an address without code was read")
	}
}

// The code that is known is the whole contract's.
func TestIsAnchorRegistry(t *testing.T) {
	_, kept, _ := bytes.Cut(creation, []byte{0xfe})
	if !IsAnchorRegistry(kept) {
		t.Error("the contract isn't known by its code")
	}
	for _, code := range [][]byte{nil, creation, kept[1:], kept[len(kept)-1:], append(kept[:len(kept):len(kept)], 0)} {
		if IsAnchorRegistry(code) {
			t.Errorf("%d bytes that are another contract's are taken for it", len(code))
		}
	}
}

// go generate leaves no diff. Runs where the compiler was installed.
func TestCompiledFormIsOfTheSource(t *testing.T) {
	if _, err := os.Stat("build/node_modules/solc"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("SKIP: the Solidity compiler isn't installed (npm --prefix contracts/build ci)")
	}
	dir := t.TempDir()
	if out, err := exec.Command("node", "build/compile.cjs", dir).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	for _, name := range []string{"AnchorRegistry.abi.json", "AnchorRegistry.bin", "EthereumDIDRegistry.abi.json", "EthereumDIDRegistry.bin", "testdata/ContractWallet.abi.json", "testdata/ContractWallet.bin"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the source compiles to: run go generate ./contracts", name)
		}
	}
}
