package node_test

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/node"
	"clrnode/testnet"
)

// Whoever handed an identity on between the challenge and the proof doesn't control it any
// more, though the signature is theirs; whoever has it now is asked anew.
func TestHandedOnWhileItIsLinked(t *testing.T) {
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	client, err := evm.Dial(t.Context(), "", evm.Options{Key: chain.FundedKey(), RPC: chain.Client(), Durable: chain.Durable,
		ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	eth := ethclient.NewClient(chain.Client())
	send := func(from *ecdsa.PrivateKey, to common.Address, value int64, input []byte) {
		t.Helper()
		nonce, err := eth.PendingNonceAt(t.Context(), crypto.PubkeyToAddress(from.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		tx, err := types.SignNewTx(from, types.LatestSignerForChainID(big.NewInt(testnet.ChainID)), &types.LegacyTx{
			Nonce: nonce, To: &to, Value: big.NewInt(value), Gas: 200_000, GasPrice: big.NewInt(10e9), Data: input})
		if err != nil {
			t.Fatal(err)
		}
		if err := eth.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			r, err := eth.TransactionReceipt(t.Context(), tx.Hash())
			if head, _ := eth.BlockNumber(t.Context()); err == nil && head >= r.BlockNumber.Uint64() {
				if r.Status != types.ReceiptStatusSuccessful {
					t.Fatal("the transaction was refused")
				}
				return
			}
			if time.Now().After(end) {
				t.Fatal("the transaction isn't mined")
			}
		}
	}
	first, err := evm.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	identity := crypto.PubkeyToAddress(first.PublicKey)
	send(chain.FundedKey(), identity, 1e17, nil)

	n := startNode(t, client, &clock{})
	_, ada, _ := college(t, n)
	c := ask(t, n, ada.ID, node.ControlByEthereum, "did:ethr:0x"+strconv.FormatUint(testnet.ChainID, 16)+":"+identity.Hex())
	signature, err := crypto.Sign(accounts.TextHash([]byte(c.Message)), first)
	if err != nil {
		t.Fatal(err)
	}
	signature[64] += 27
	proof := node.DIDProof{Nonce: c.Nonce, Signature: "0x" + hex.EncodeToString(signature)}

	registry, err := abi.JSON(strings.NewReader(contracts.DIDRegistryABI()))
	if err != nil {
		t.Fatal(err)
	}
	hand := func(to common.Address) []byte {
		input, err := registry.Pack("changeOwner", identity, to)
		if err != nil {
			t.Fatal(err)
		}
		return input
	}
	second, err := evm.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	send(first, contracts.DIDRegistryAddress, 0, hand(crypto.PubkeyToAddress(second.PublicKey)))
	if l, err := n.LinkDID(t.Context(), ada.ID, proof, "learner"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("an identity that was handed on is linked to who had it: %+v, %v", l, err)
	}
	if links, err := n.LinkedDIDs(t.Context(), ada.ID); err != nil || len(links) > 0 {
		t.Errorf("links: %+v, %v", links, err)
	}
	if again := ask(t, n, ada.ID, node.ControlByEthereum, c.DID); !strings.HasSuffix(strings.ToLower(again.Account), strings.ToLower(crypto.PubkeyToAddress(second.PublicKey).Hex())) {
		t.Errorf("the challenge after it is for %s, and not for who has the identity now", again.Account)
	}
}
