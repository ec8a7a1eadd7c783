//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// anchorsTitle begins the section of size.md that measureAnchors writes.
const anchorsTitle = "\n## Anchoring proofs\n"

// measureAnchors shows what it costs to prove n records, in the embedded store: it fills one
// store with records that are anchored and another one with the same records that aren't,
// and compares them. The records' bytes are short, as they are the same in both.
func measureAnchors(out string, n int) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "clrnode-anchors-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	with, without := filepath.Join(dir, "with"), filepath.Join(dir, "without")
	var sealing sealed
	var proofs []time.Duration
	for _, step := range []func() error{
		func() error { return issueAll(ctx, with, n, true) },
		func() error { return issueAll(ctx, without, n, false) },
		func() (err error) { sealing, err = sealAll(ctx, with, n); return err },
		func() error { return registry.RewriteBadger(with) },
		func() error { return registry.RewriteBadger(without) },
		func() (err error) { proofs, err = proveSome(ctx, with, n); return err },
	} {
		start := time.Now()
		if err := step(); err != nil {
			return err
		}
		fmt.Printf("%.1f s\n", time.Since(start).Seconds())
	}
	large, err := sizeOf(with)
	if err != nil {
		return err
	}
	small, err := sizeOf(without)
	if err != nil {
		return err
	}
	slices.Sort(proofs)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	table := fmt.Sprintf(`%s
`+"`go run ./testnet/measure -anchored %d`"+` on the embedded store: batches of %d records at most.

| | |
|---|---:|
| Records | %d |
| Bytes a record for its proof | %s |
| Of these in rows of leaves, and of the roots of rows | %s |
| Sealing, records/s | %s |
| Memory of sealing, MB | %s |
| Memory of the process meanwhile, with the store's buffers, MB | %s |
| A proof from the store, p50 ms | %s |
| A proof from the store, p99 ms | %s |

The bytes are what the store is larger by, once it is rewritten, than a store of the same records
which are not anchored: the leaves, the salt, and in which batch and where a record is. They don't
depend on the number of batches. A proof reads the record's version, its batch and two rows, and
hashes 2,046 times at most. The root alone of 2^20 leaves takes as long as the hashes that
it needs (`+"`go test ./anchor -run - -bench Root`"+`: x-raw); most of the time of sealing is the store's.
Memory of sealing is what is in use of what sealing asked for, by the heap profile; it is the same
for any number of leaves. The process was kept to 150 MB (GOMEMLIMIT), as far as the store's filters
leave room, which grow with it; a node, which has more, takes it.
`, anchorsTitle, n, registry.MaxBatch, n, short((large-small)*(1<<20)/float64(n)), short(leafBytes(n)),
		short(float64(n)/sealing.time.Seconds()), short(sealing.sealing), short(sealing.memory), short(ms(proofs[len(proofs)/2])), short(ms(proofs[len(proofs)*99/100])))
	fmt.Print(table)
	name := filepath.Join(out, "size.md")
	was, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(string(was), anchorsTitle)
	return os.WriteFile(name, []byte(before+table), 0o644)
}

// leafBytes is how many bytes a record has of the leaves and the roots of the rows.
func leafBytes(n int) float64 {
	leaves := n / registry.MaxBatch * registry.MaxBatch
	if rest := n % registry.MaxBatch; rest > 0 {
		leaves += anchor.Padded(rest)
	}
	return float64(leaves) * (32 + 32.0/1024) / float64(n)
}

// id and digest of a record are random to look at, and the same each time.
func recordOf(i int) (id string, digest [32]byte) {
	digest = sha256.Sum256(fmt.Appendf(nil, "record %d", i))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(digest[:16])), digest
}

// inStore opens the store at dir for do.
func inStore(ctx context.Context, dir string, do func(*registry.DB) error) error {
	e, err := registry.OpenBadger(dir)
	if err != nil {
		return err
	}
	db, err := registry.Open(ctx, e, nil)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	return errors.Join(do(db), db.Close())
}

// issueAll fills a store with n records of one version each.
func issueAll(ctx context.Context, dir string, n int, anchored bool) error {
	return inStore(ctx, dir, func(db *registry.DB) error {
		for from := 0; from < n; from += 2000 {
			err := db.Update(ctx, func(tx *registry.Tx) error {
				for i := from; i < min(from+2000, n); i++ {
					id, digest := recordOf(i)
					c := registry.Credential{ID: id, Publisher: "pub", Version: 1}
					v := registry.Version{
						Credential: id, Number: 1, Publisher: "pub", Digest: hex.EncodeToString(digest[:]),
						Issued: tx.Now, Key: "key", Anchor: anchored,
					}
					if anchored {
						salt := anchor.NewSalt()
						v.Salt = hex.EncodeToString(salt[:])
					}
					if err := tx.AddVersion(c, v, digest[:]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// A sealed is what sealing took; memory is the most in MB.
type sealed struct {
	time    time.Duration
	memory  float64 // of the process, its own
	sealing float64 // of that, what Seal had asked for, with the transactions that it writes
}

// sealAll seals all that waits, in a process that is kept small: it has no need of what a node has.
func sealAll(ctx context.Context, dir string, n int) (s sealed, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(150 << 20))
	debug.FreeOSMemory()
	err = inStore(ctx, dir, func(db *registry.DB) error {
		used := watch(os.Getpid())
		defer used.end()
		done, most := make(chan struct{}), make(chan float64)
		go watchSeal(done, most)
		start := time.Now()
		var err error
		for ok, records := true, 0; ok && err == nil; {
			var b registry.Batch
			if b, ok, err = db.Seal(ctx, "pub", anchor.Address{1}, anchor.Chain{ID: 1}); ok {
				records += b.Records
			} else if err == nil && records != n {
				err = fmt.Errorf("%d of %d records are sealed", records, n)
			}
		}
		s.time, s.memory = time.Since(start), used.take()
		close(done)
		s.sealing = <-most
		return err
	})
	return s, err
}

// watchSeal looks until done how much memory is in use that was asked for in Seal, as the
// heap profile has it, and sends the most, in MB.
func watchSeal(done <-chan struct{}, most chan<- float64) {
	peak := 0.0
	records := make([]runtime.MemProfileRecord, 1<<16)
	for {
		n, ok := runtime.MemProfile(records, false)
		bytes := 0.0
		for _, r := range records[:n] {
			frames := runtime.CallersFrames(r.Stack())
			for more := true; more; {
				var f runtime.Frame
				if f, more = frames.Next(); strings.HasSuffix(f.Function, "registry.(*DB).Seal") {
					// What is sampled stands for what isn't, as in the profile's own tools.
					size := float64(r.InUseBytes()) / float64(max(r.InUseObjects(), 1))
					bytes += float64(r.InUseBytes()) / (1 - math.Exp(-size/float64(runtime.MemProfileRate)))
					break
				}
			}
		}
		if ok {
			peak = max(peak, bytes/(1<<20))
		}
		select {
		case <-done:
			most <- peak
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// proveSome takes the proofs of some of n records from the store, each beginning with its
// digest, and checks them.
func proveSome(ctx context.Context, dir string, n int) (took []time.Duration, err error) {
	err = inStore(ctx, dir, func(db *registry.DB) error {
		for range 5000 {
			_, digest := recordOf(rand.IntN(n))
			var v registry.Version
			var in anchor.Inclusion
			start := time.Now()
			err := db.View(ctx, func(tx *registry.Tx) error {
				ref, err := tx.ByDigest(hex.EncodeToString(digest[:]))
				if err != nil {
					return err
				}
				if v, err = tx.Version(ref.Credential, ref.Number); err != nil {
					return err
				}
				b, _, err := tx.BatchOf(v)
				if err == nil {
					in, err = tx.Inclusion(b, v.Leaf)
				}
				return err
			})
			took = append(took, time.Since(start))
			if err != nil {
				return err
			}
			leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: digest, Salt: v.SaltBytes()}
			if err := anchor.VerifyInclusion(in.Root, leaf.Hash(), in.Index, in.Size, in.Path); err != nil {
				return err
			}
		}
		return nil
	})
	return took, err
}
