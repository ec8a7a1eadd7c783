// Package contracts has the AnchorRegistry contract, its address, and its calls
// and answers as Go values. Beside it is the EthereumDIDRegistry (ERC-1056), in which
// did:ethr identifiers are kept; package did has its events.
//
// The contracts are deployed by CREATE2 through the deterministic-deployment
// proxy, so each has one address on every chain: nobody has to be told it.
//
// The names to begin with: [AnchorRegistryAddress], [AnchorRegistryDeployment],
// and [Anchor] for the call that everything is about.
package contracts

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

//go:generate npm --prefix build ci --no-audit --no-fund --silent
//go:generate node build/compile.cjs

var (
	//go:embed AnchorRegistry.abi.json
	abiJSON string
	//go:embed AnchorRegistry.bin
	binHex string

	//go:embed EthereumDIDRegistry.abi.json
	didABI string
	//go:embed EthereumDIDRegistry.bin
	didBinHex string
)

// DeploymentProxy is the contract that makes contracts by CREATE2 for anybody,
// at one address on nearly every chain (EIP-7997 makes it part of the
// protocol). Its input is a salt of 32 bytes, here zero, and the creation code.
var DeploymentProxy = common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C")

var (
	registry = mustABI()
	creation = mustHex(strings.TrimSpace(binHex))

	didCreation = mustHex(strings.TrimSpace(didBinHex))

	// DIDRegistryAddress is where the registry of did:ethr is on every chain to which this
	// program brought it. Public networks have one that others deployed, elsewhere.
	DIDRegistryAddress = crypto.CreateAddress2(DeploymentProxy, [32]byte{}, crypto.Keccak256(didCreation))

	// AnchorRegistryAddress is where the registry is on every chain that has it.
	AnchorRegistryAddress = crypto.CreateAddress2(DeploymentProxy, [32]byte{}, crypto.Keccak256(creation))

	// AnchoredTopic is the first topic of the event of each appended root; the
	// log, the number and the root are the other three.
	AnchoredTopic = registry.Events["Anchored"].ID

	// EventTopics are the first topics of all events; the second is the log.
	EventTopics = []common.Hash{AnchoredTopic, registry.Events["Revoked"].ID, registry.Events["PosterSet"].ID, registry.Events["Frozen"].ID}
)

// IsAnchorRegistry tells whether code, as it is on a chain, is that of the registry in
// this program, which nobody can change or stop.
func IsAnchorRegistry(code []byte) bool {
	_, kept, found := bytes.Cut(creation, []byte{0xf3, 0xfe}) // RETURN and INVALID, which end the constructor
	return found && bytes.Equal(code, kept)
}

// AnchorRegistryABI is the contract's interface as JSON, for other tools.
func AnchorRegistryABI() string { return abiJSON }

// AnchorRegistryDeployment is the input to [DeploymentProxy] that makes the
// registry.
func AnchorRegistryDeployment() []byte {
	return append(make([]byte, 32), creation...)
}

// DIDRegistryABI is the interface of the registry of did:ethr as JSON, for other tools.
func DIDRegistryABI() string { return didABI }

// DIDRegistryDeployment is the input to [DeploymentProxy] that makes the registry of
// did:ethr.
func DIDRegistryDeployment() []byte {
	return append(make([]byte, 32), didCreation...)
}

// Anchor is the call that appends root, which is over count leaves, as number
// seq of log.
func Anchor(log common.Address, seq uint64, root common.Hash, count uint64) []byte {
	return mustPack("anchor", log, seq, root, count)
}

// SetPoster is the call by which a log's key lets poster append until a time,
// in seconds since 1970.
func SetPoster(poster common.Address, until uint64) []byte {
	return mustPack("setPoster", poster, until)
}

// Revoke is the call by which a log's key takes back a root or a leaf's hash.
func Revoke(item common.Hash, reason uint32) []byte { return mustPack("revoke", item, reason) }

// Freeze is the call by which a log's key ends its log after seq roots.
func Freeze(seq uint64) []byte { return mustPack("freeze", seq) }

// Logs is the question how far log is; [UnpackLog] reads the answer.
func Logs(log common.Address) []byte { return mustPack("logs", log) }

// Head is the question for the hash chain over log's roots; its answer is 32 bytes.
func Head(log common.Address) []byte { return mustPack("head", log) }

// Log is how far a log is.
type Log struct {
	Seq       uint64 // the number of roots
	Leaves    uint64 // under all roots together
	LastBlock uint64 // of the newest root; 0: none
	FrozenAt  uint64 // seconds since 1970; 0: open
}

// UnpackLog reads the answer to [Logs].
func UnpackLog(answer []byte) (Log, error) {
	v, err := words("logs", answer, 4)
	if err != nil {
		return Log{}, err
	}
	return Log{v[0], v[1], v[2], v[3]}, nil
}

// Find is the question what there is of root in log, and whether root or leaf
// was taken back; [UnpackEntry] reads the answer.
func Find(log common.Address, root, leaf common.Hash) []byte {
	return mustPack("find", log, root, leaf)
}

// Entry is one root in one log.
type Entry struct {
	Block     uint64 // in which it was appended
	Seq       uint64 // its number in the log
	FirstLeaf uint64 // the number of leaves in the log before it
	Count     uint64 // of its leaves; 0: the root isn't there
	Revoked   uint64 // seconds since 1970; 0: never
}

// UnpackEntry reads the answer to [Find].
func UnpackEntry(answer []byte) (Entry, error) {
	v, err := words("find", answer, 5)
	if err != nil {
		return Entry{}, err
	}
	return Entry{v[0], v[1], v[2], v[3], v[4]}, nil
}

// EntrySlot is where the contract's storage has the entry of root in log: entries is its
// variable number 2, a mapping of mappings. [EntryOf] reads what is there.
func EntrySlot(log common.Address, root common.Hash) common.Hash {
	inner := crypto.Keccak256(common.LeftPadBytes(log[:], 32), common.BigToHash(big.NewInt(2)).Bytes())
	return crypto.Keccak256Hash(root[:], inner)
}

// EntryOf reads an entry as it stands in the contract's storage: four numbers in one word,
// the first in its lowest bytes. Whether the root was taken back stands elsewhere.
func EntryOf(word common.Hash) Entry {
	n := func(i int) uint64 { return binary.BigEndian.Uint64(word[8*i:]) }
	return Entry{Block: n(3), Seq: n(2), FirstLeaf: n(1), Count: n(0)}
}

// PosterUntil is the question until when poster may append to log;
// [UnpackTime] reads the answer.
func PosterUntil(log, poster common.Address) []byte { return mustPack("posterUntil", log, poster) }

// UnpackTime reads the answer to [PosterUntil], in seconds since 1970.
func UnpackTime(answer []byte) (uint64, error) {
	v, err := words("posterUntil", answer, 1)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// Verify is the question whether leaf is number index under root in log;
// [UnpackVerdict] reads the answer. The same is computed off the chain by
// package anchor; this is for contracts, and for those who trust only them.
func Verify(log common.Address, root, leaf common.Hash, index uint64, path []common.Hash) []byte {
	return mustPack("verify", log, root, leaf, index, hashes(path))
}

// UnpackVerdict reads the answer to [Verify].
func UnpackVerdict(answer []byte) (ok bool, err error) {
	v, err := words("verify", answer, 3)
	return err == nil && v[0] == 1, err
}

// Anchored is the event of an appended root.
type Anchored struct {
	Log       common.Address
	Seq       uint64
	Root      common.Hash
	FirstLeaf uint64
	Count     uint64
	Head      common.Hash // the log's hash chain after it
	PrevBlock uint64      // the block of the log's root before it
}

// PosterSet is the event of who else may append to a log, until a time in seconds since
// 1970, 0 to end it.
type PosterSet struct {
	Poster common.Address
	Until  uint64
}

// Revoked is the event of a root or leaf that was taken back.
type Revoked struct{ Item common.Hash }

// Frozen is the event of a log's end after Seq roots.
type Frozen struct{ Seq uint64 }

// UnpackEvent reads an event of a log: an [Anchored], [PosterSet], [Revoked] or [Frozen].
func UnpackEvent(log common.Address, topics []common.Hash, data []byte) (any, error) {
	if len(topics) < 2 || topics[1] != common.BytesToHash(log[:]) {
		return nil, errors.New("it isn't of this log")
	}
	kind := slices.Index(EventTopics, topics[0])
	if kind < 0 || len(topics) != []int{4, 3, 3, 2}[kind] || len(data) != []int{128, 32, 32, 32}[kind] {
		return nil, errors.New("it is none of the registry's events")
	}
	if kind == 1 {
		return Revoked{topics[2]}, nil // its data is a reason that nobody reads
	}
	var head common.Hash
	if kind == 0 { // the one value that is no number
		head = common.Hash(data[64:96])
		data = slices.Concat(topics[2][:], data[:64], data[96:])
	}
	v, err := words("events", data, len(data)/32)
	switch {
	case err != nil:
		return nil, err
	case kind == 0:
		return Anchored{Log: log, Seq: v[0], Root: topics[3], FirstLeaf: v[1], Count: v[2], Head: head, PrevBlock: v[3]}, nil
	case kind == 2:
		return PosterSet{common.BytesToAddress(topics[2][:]), v[0]}, nil
	}
	return Frozen{v[0]}, nil
}

// Refusal names the reason that a reverted call of the registry gave, such as
// "BadSequence"; it is empty when data is no reason of ours.
func Refusal(data []byte) string {
	if len(data) < 4 {
		return ""
	}
	for name, e := range registry.Errors {
		if string(e.ID[:4]) == string(data[:4]) {
			return name
		}
	}
	return ""
}

// words reads an answer of n values of at most 64 bits, and nothing else.
func words(method string, answer []byte, n int) ([]uint64, error) {
	if len(answer) != 32*n {
		return nil, fmt.Errorf("read the registry's answer to %s: %d bytes instead of %d: is the registry deployed on this chain?", method, len(answer), 32*n)
	}
	out := make([]uint64, n)
	for i := range out {
		v := new(big.Int).SetBytes(answer[32*i : 32*i+32])
		if !v.IsUint64() {
			return nil, fmt.Errorf("read the registry's answer to %s: value %d is out of range", method, i)
		}
		out[i] = v.Uint64()
	}
	return out, nil
}

func hashes(path []common.Hash) [][32]byte {
	out := make([][32]byte, len(path))
	for i, h := range path {
		out[i] = h
	}
	return out
}

func mustPack(method string, args ...any) []byte {
	b, err := registry.Pack(method, args...)
	if err != nil {
		panic(err) // the arguments' types are ours and stand above
	}
	return b
}

func mustABI() abi.ABI {
	a, err := abi.JSON(strings.NewReader(abiJSON))
	if err != nil {
		panic(err)
	}
	return a
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
