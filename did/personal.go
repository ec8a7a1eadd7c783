package did

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
)

// How a wallet's signature over a text was found to be its account's.
const (
	ByKey      = "eip191"  // by the account's own key, which the signature gives away
	ByContract = "eip1271" // the account is a contract, which said so on its chain
)

// maxWalletSignature bounds a signature for a contract, in bytes: some hold those of many people.
const maxWalletSignature = 8 << 10

// personalTime bounds what a chain may take to answer about one signature.
const personalTime = 15 * time.Second

// personalHash is what personal_sign signs of a text (EIP-191, version 0x45): nothing
// that begins so is a transaction.
func personalHash(text string) [32]byte {
	return [32]byte(keccak([]byte("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(text)) + text)))
}

// VerifyPersonal says whether the account signed text with its wallet's personal_sign,
// and how that was found out: by [ByKey], or, where the account is a contract on one of
// the networks, [ByContract].
//
// The signature of a key is 65 bytes: r, s in the lower half of its range, and 27 or 28,
// or 0 or 1. The error wraps [ErrBadSignature] when it isn't the account's, and
// [ErrCouldNotCheck] when it could only be that of a contract and the account's chain
// isn't among the networks, or doesn't answer.
func VerifyPersonal(ctx context.Context, networks []Network, account Account, text string, signature []byte) (how string, err error) {
	hash := personalHash(text)
	bad := func(reason string) (string, error) {
		return "", fmt.Errorf("%w: %s", ErrBadSignature, reason)
	}
	switch {
	case account.Address.IsZero():
		return bad("nobody has the zero address")
	case len(signature) == 0 || len(signature) > maxWalletSignature:
		return bad(fmt.Sprintf("a wallet's signature has 65 bytes, a contract's at most %d", maxWalletSignature))
	}
	own, low := recoverPersonal(hash, signature)
	if own == account.Address {
		if !low {
			return bad("its s is in the upper half, which Ethereum doesn't allow (EIP-2)")
		}
		return ByKey, nil
	}
	for _, n := range networks {
		if n.ChainID != account.Chain {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, personalTime)
		defer cancel()
		answer, err := n.Chain.Call(ctx, account.Address, validSignatureCall(hash, signature))
		switch {
		case errors.Is(err, ErrReverted):
			return bad("the account is a contract, which doesn't know the signature")
		case err != nil:
			return "", n.failed(err)
		case len(answer) == 0:
			return bad(fmt.Sprintf("it wasn't made by the account %s", account.Address))
		case !bytes.Equal(answer, append(validSignature[:4:4], make([]byte, 28)...)):
			return bad("the account is a contract, which says that the signature isn't good")
		}
		return ByContract, nil
	}
	return "", fmt.Errorf("%w: the signature isn't that of the account's own key; should the account be a contract, chain %d would know, and it isn't configured here", ErrCouldNotCheck, account.Chain)
}

// recoverPersonal is the account whose key made a signature, the zero Address if none,
// and whether its s is in the lower half.
func recoverPersonal(hash [32]byte, signature []byte) (a Address, low bool) {
	if len(signature) != 65 {
		return a, false
	}
	v := signature[64]
	if v == 27 || v == 28 {
		v -= 27
	}
	if v > 1 {
		return a, false
	}
	var s btcec.ModNScalar
	if s.SetByteSlice(signature[32:64]) {
		return a, false
	}
	public, _, err := ecdsa.RecoverCompact(append([]byte{27 + v}, signature[:64]...), hash[:])
	if err != nil {
		return a, false
	}
	a, _ = PublicKey{keySecp256k1, string((*btcec.PublicKey)(public).SerializeUncompressed())}.Address()
	return a, !s.IsOverHalfOrder()
}

// RecoverSigner is the account whose key signed a hash: 65 bytes, r, s in the lower half of
// its range (EIP-2), and 27 or 28, or 0 or 1. The error wraps [ErrBadSignature].
func RecoverSigner(hash [32]byte, signature []byte) (Address, error) {
	a, low := recoverPersonal(hash, signature)
	if a.IsZero() || !low {
		return Address{}, fmt.Errorf("%w: it is none of 65 bytes, with s in the lower half of its range", ErrBadSignature)
	}
	return a, nil
}

// validSignature is both the first four bytes of the question that a contract is asked
// about a signature, and of the answer that it is good (EIP-1271).
var validSignature = [4]byte{0x16, 0x26, 0xba, 0x7e}

// validSignatureCall is isValidSignature(bytes32,bytes) in the encoding of contracts.
func validSignatureCall(hash [32]byte, signature []byte) []byte {
	call := append(validSignature[:4:4], hash[:]...)
	call = append(call, abiWord(64)...)
	call = append(call, abiWord(len(signature))...)
	call = append(call, signature...)
	return append(call, make([]byte, (32-len(signature)%32)%32)...)
}

func abiWord(n int) []byte {
	w := make([]byte, 32)
	for i := 31; n > 0; i, n = i-1, n>>8 {
		w[i] = byte(n)
	}
	return w
}

// An Owner is who holds an identifier of an Ethereum wallet now, and how that is known.
type Owner struct {
	Account  Account
	Registry Address // the ERC-1056 contract that was asked, on the account's chain; zero: the identifier says it
	Block    string  // number of that chain's block with the identity's newest change; "" if there was none
}

// OwnerOf tells which account controls a did:pkh or did:ethr now. The first names its
// account; for the second its network's contract is asked, as an identity can be handed
// to another account: its old one then signs for nobody. The contract alone would name
// the first account again of an identity that was given up, so that its history is read
// too, and both must agree. Other methods wrap
// [ErrMethodNotSupported]; one that was given up wraps [ErrDeactivated]; a network that
// isn't configured, or doesn't answer, wraps [ErrCouldNotCheck].
func OwnerOf(ctx context.Context, networks []Network, d DID) (Owner, error) {
	switch d.Method() {
	case "pkh":
		account, err := ParseAccount(d.specific())
		if err == nil && account.Address.IsZero() {
			err = fmt.Errorf("%w DID %s: nobody has the zero address", ErrInvalid, d)
		}
		return Owner{Account: account}, err
	case "ethr":
	default:
		return Owner{}, fmt.Errorf("%s is not held by an Ethereum account: %w for this", d, ErrMethodNotSupported)
	}
	id, err := parseEthr(d)
	if err != nil {
		return Owner{}, err
	}
	for _, n := range networks {
		if !n.is(id.network) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, personalTime)
		defer cancel()
		history, err := n.history(ctx, id.account)
		if err != nil {
			return Owner{}, err
		}
		found, err := n.resolve(ctx, d, id, history, Options{})
		if err != nil {
			return Owner{}, fmt.Errorf("%s: %w", d, err)
		}
		answer, err := n.Chain.Call(ctx, n.Registry, append(keccak([]byte("identityOwner(address)"))[:4], word(id.account)...))
		if err != nil {
			return Owner{}, n.failed(err)
		}
		if len(answer) != 32 {
			return Owner{}, n.inconsistent("it has no ERC-1056 registry at %s", n.Registry)
		}
		owner, ok := abiAddress(answer)
		if !ok {
			return Owner{}, n.inconsistent("the registry at %s answers with no account", n.Registry)
		}
		account := Account{n.ChainID, owner}
		if !found.Document.HasAccount(account, Authentication) {
			return Owner{}, n.inconsistent("the registry at %s names %s as the owner, and the identity's history another account", n.Registry, owner)
		}
		return Owner{account, n.Registry, found.Metadata.VersionID}, nil
	}
	return Owner{}, fmt.Errorf("%s: %w: its network isn't configured here", d, ErrCouldNotCheck)
}
