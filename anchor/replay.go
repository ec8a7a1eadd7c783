package anchor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// MaxCount is the most leaves that the registry takes under one root.
const MaxCount = 1 << 32

// maxProblems is how many problems a Replay names; it counts them all.
const maxProblems = 100

// A Replay is a log told again from its events, from the first on, in their order: who
// holds it against what the registry says now has audited the log. The zero Replay with
// its Log is a log in which nothing has happened. Its JSON form is complete: a replay can
// be put away and gone on with.
type Replay struct {
	Log       Address            `json:"log"`
	Roots     uint64             `json:"roots"`     // appended so far; the next one's place
	Leaves    uint64             `json:"leaves"`    // under all of them
	Head      Hash               `json:"head"`      // the hash chain over them
	LastBlock uint64             `json:"lastBlock"` // of the newest root; 0: none
	Frozen    bool               `json:"frozen"`    // the log has ended
	TakenBack uint64             `json:"takenBack"` // roots and leaves that its owner revoked
	Posters   map[Address]uint64 `json:"posters"`   // who else may append, and until when, in seconds since 1970
	Wrong     uint64             `json:"wrong"`     // how many problems there are
	Problems  []string           `json:"problems"`  // the first hundred, as sentences
}

// An Appended is the event of one root, with the block and the account behind it.
type Appended struct {
	Seq, FirstLeaf, Count uint64
	Root, Head            Hash
	PrevBlock             uint64 // of the root before it, as the event says
	Block                 uint64
	Time                  time.Time // of the block
	Sender                Address   // who called the registry; zero: not to be told
}

// ChainHead is a log's head after a root, from the head before it: SHA-256 over 0x02, that
// head, the root, its place, the number of leaves before it and of its own.
func ChainHead(before, root Hash, seq, firstLeaf, count uint64) Hash {
	b := make([]byte, 0, 1+2*32+3*8)
	b = append(append(append(b, 0x02), before[:]...), root[:]...)
	for _, n := range []uint64{seq, firstLeaf, count} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return sha256.Sum256(b)
}

func (r *Replay) wrong(format string, args ...any) {
	if r.Wrong++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Append tells the next root. What it breaks is a problem; the replay goes on behind it.
func (r *Replay) Append(e Appended) {
	if e.Seq != r.Roots {
		r.wrong("Block %d has root number %d, where number %d comes next.", e.Block, e.Seq, r.Roots)
	}
	if e.FirstLeaf != r.Leaves {
		r.wrong("Root number %d says that %d leaves come before it; it is %d.", e.Seq, e.FirstLeaf, r.Leaves)
	}
	if e.Count == 0 || e.Count > MaxCount || e.Root.IsZero() {
		r.wrong("Root number %d is %s over %d leaves, which no root can be.", e.Seq, e.Root, e.Count)
	}
	if e.PrevBlock != r.LastBlock {
		r.wrong("Root number %d says that the one before it is in block %d; it is in block %d.", e.Seq, e.PrevBlock, r.LastBlock)
	}
	if want := ChainHead(r.Head, e.Root, e.Seq, e.FirstLeaf, e.Count); e.Head != want {
		r.wrong("Root number %d has the head %s; the hash chain over all roots up to it is %s.", e.Seq, e.Head, want)
	}
	if r.Frozen {
		r.wrong("Root number %d was appended after the log had ended.", e.Seq)
	}
	if until := r.Posters[e.Sender]; !e.Sender.IsZero() && e.Sender != r.Log && int64(min(until, math.MaxInt64)) < e.Time.Unix() {
		r.wrong("Root number %d was appended by %s, who might not append to this log on %s.", e.Seq, e.Sender, moment(e.Time))
	}
	r.Roots, r.Leaves, r.Head, r.LastBlock = e.Seq+1, e.FirstLeaf+e.Count, e.Head, e.Block
}

// Recorded holds the root that was told last against the registry's entry for it.
func (r *Replay) Recorded(e Appended, entry Entry) {
	if entry.Seq != e.Seq || entry.FirstLeaf != e.FirstLeaf || entry.Count != e.Count || entry.Block != e.Block {
		r.wrong("Root number %d: the event and the registry's entry for it say different things.", e.Seq)
	}
}

// SetPoster tells that the log's owner let poster append until a time, in seconds since
// 1970; 0 ends it.
func (r *Replay) SetPoster(poster Address, until uint64) {
	if r.Frozen {
		r.wrong("%s was named as a poster after the log had ended.", poster)
	}
	if r.Posters == nil {
		r.Posters = map[Address]uint64{}
	}
	if r.Posters[poster] = until; until == 0 {
		delete(r.Posters, poster)
	}
}

// TakeBack tells that the log's owner revoked a root or a leaf.
func (r *Replay) TakeBack() { r.TakenBack++ }

// Freeze tells that the log's owner ended it after seq roots.
func (r *Replay) Freeze(seq uint64) {
	if r.Frozen {
		r.wrong("The log was ended twice.")
	}
	if seq != r.Roots {
		r.wrong("The log was ended after %d roots, and has %d.", seq, r.Roots)
	}
	r.Frozen = true
}

// Compare holds the replay against what the registry says of the log, at the block up to
// which it was told.
func (r *Replay) Compare(roots, leaves, lastBlock uint64, frozen bool, head Hash) {
	if r.Roots != roots || r.Leaves != leaves {
		r.wrong("The events tell of %d roots over %d leaves; the registry has %d over %d: events were left out, or made up.", r.Roots, r.Leaves, roots, leaves)
	}
	if r.Head != head {
		r.wrong("The hash chain over all roots is %s; the registry has %s.", r.Head, head)
	}
	if r.LastBlock != lastBlock {
		r.wrong("The newest root is in block %d; the registry says block %d.", r.LastBlock, lastBlock)
	}
	if r.Frozen != frozen {
		r.wrong("Whether the log has ended, the events say %t and the registry %t.", r.Frozen, frozen)
	}
}
