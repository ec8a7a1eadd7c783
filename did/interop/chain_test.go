package interop

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/did"
	"clrnode/testnet"
)

// world is an embedded chain with the registry of did:ethr, and a resolver of it.
type world struct {
	*testing.T
	chain    *testnet.Chain
	client   *evm.Client
	eth      *ethclient.Client
	resolver did.Resolver
	registry abi.ABI
	gas      *big.Int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	client, err := evm.Dial(t.Context(), chain.URL(), evm.Options{Key: chain.FundedKey(), RPC: chain.Client(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	registry, err := abi.JSON(strings.NewReader(contracts.DIDRegistryABI()))
	if err != nil {
		t.Fatal(err)
	}
	eth := ethclient.NewClient(chain.Client())
	t.Cleanup(eth.Close)
	return &world{t, chain, client, eth, did.NewResolver(nil, client.DIDNetwork("embedded")), registry, big.NewInt(3e9)}
}

// person is an account with money.
type person struct {
	key     *ecdsa.PrivateKey
	address common.Address
	nonce   uint64
}

func (w *world) person() *person {
	w.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		w.Fatal(err)
	}
	p := &person{key: key, address: crypto.PubkeyToAddress(key.PublicKey)}
	w.mined(w.transact(w.bank(), p.address, big.NewInt(1e18), nil))
	return p
}

// bank is the account that had money from the start.
func (w *world) bank() *person {
	w.Helper()
	address := crypto.PubkeyToAddress(w.chain.FundedKey().PublicKey)
	nonce, err := w.eth.PendingNonceAt(w.Context(), address)
	if err != nil {
		w.Fatal(err)
	}
	return &person{w.chain.FundedKey(), address, nonce}
}

func (p *person) hex() string { return "0x" + hex.EncodeToString(crypto.FromECDSA(p.key)) }

// did is the person's did:ethr, and that of the person's public key.
func (p *person) did(w *world) (byAccount, byKey did.DID) {
	w.Helper()
	prefix := fmt.Sprintf("did:ethr:0x%x:", testnet.ChainID)
	return w.parse(prefix + p.address.Hex()), w.parse(prefix + "0x" + hex.EncodeToString(crypto.CompressPubkey(&p.key.PublicKey)))
}

func (w *world) parse(s string) did.DID {
	w.Helper()
	d, err := did.Parse(s)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// transact sends a transaction and returns its hash.
func (w *world) transact(from *person, to common.Address, value *big.Int, input []byte) common.Hash {
	w.Helper()
	tx, err := types.SignNewTx(from.key, types.LatestSignerForChainID(big.NewInt(testnet.ChainID)), &types.LegacyTx{
		Nonce: from.nonce, To: &to, Value: value, Gas: 300_000, GasPrice: w.gas, Data: input})
	if err != nil {
		w.Fatal(err)
	}
	if err := w.eth.SendTransaction(w.Context(), tx); err != nil {
		w.Fatal(err)
	}
	from.nonce++
	return tx.Hash()
}

// call sends a call of the registry, whose first argument is the identity.
func (w *world) call(from *person, method string, args ...any) common.Hash {
	w.Helper()
	input, err := w.registry.Pack(method, args...)
	if err != nil {
		w.Fatal(err)
	}
	return w.transact(from, contracts.DIDRegistryAddress, nil, input)
}

// mined waits until the transactions are in blocks that the newest state has, and returns
// the last one's receipt. They must have done what they should.
func (w *world) mined(hashes ...common.Hash) *types.Receipt {
	w.Helper()
	var last *types.Receipt
	for _, h := range hashes {
		last = w.receipt(h)
		if last.Status != types.ReceiptStatusSuccessful {
			w.Fatalf("the transaction %s was refused", h)
		}
	}
	return last
}

func (w *world) receipt(h common.Hash) *types.Receipt {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for {
		r, err := w.eth.TransactionReceipt(ctx, h)
		if err == nil {
			if head, err := w.eth.BlockNumber(ctx); err == nil && head >= r.BlockNumber.Uint64() {
				return r
			}
		}
		select {
		case <-ctx.Done():
			w.Fatalf("wait for the transaction %s: %v", h, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// at is the time of a receipt's block.
func (w *world) at(r *types.Receipt) time.Time {
	w.Helper()
	h, err := w.eth.HeaderByNumber(w.Context(), r.BlockNumber)
	if err != nil {
		w.Fatal(err)
	}
	return time.Unix(int64(h.Time), 0)
}

// name is text in a word, as the registry takes it.
func name(s string) (b [32]byte) {
	copy(b[:], s)
	return b
}
