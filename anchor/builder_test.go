package anchor_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"clrnode/anchor"
)

// defined is the root as RFC 9162, section 2.1.1, defines it, from the top.
func defined(leaves [][32]byte) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := defined(leaves[:k]), defined(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{0x01}, left[:], right[:]))
}

// sizes are small ones, all of them, and a few large ones.
func sizes() []int {
	var all []int
	for n := range 301 {
		all = append(all, n)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		all = append(all, 1000+r.IntN(60_000))
	}
	return append(all, 1024, 4096, 1<<16)
}

// A tree that grows leaf by leaf has at each size the root that is defined.
func TestBuilderGivesTheDefinedRoot(t *testing.T) {
	var growing anchor.Builder
	leaves := random(300)
	for n := range leaves {
		if got, want := growing.Root(), defined(leaves[:n]); got != want || growing.Size() != uint64(n) {
			t.Fatalf("Root() after %d leaves = %x, want %x", n, got, want)
		}
		growing.Add(leaves[n])
	}
	for _, n := range sizes() {
		leaves := random(n)
		want := defined(leaves)
		if got := anchor.Root(leaves); got != want {
			t.Errorf("Root() of %d leaves = %x, want %x", n, got, want)
		}
		if got := anchor.NewTree(leaves).Root(); got != want {
			t.Errorf("Tree.Root() of %d leaves = %x, want %x", n, got, want)
		}
	}
	if n := testing.AllocsPerRun(3, func() { anchor.Root(leaves) }); n > 0 {
		t.Errorf("Root() takes memory %v times", n)
	}
}

// What is kept in rows leads to the same root by the same path as the whole tree.
func TestRowsGiveTheSamePath(t *testing.T) {
	for _, perRow := range []int{1, 4, 64, 1024} {
		for _, n := range sizes() {
			leaves := random(n)
			rows := slices.Collect(slices.Chunk(leaves, perRow))
			roots := make([][32]byte, len(rows))
			for i, row := range rows {
				roots[i] = anchor.Root(row)
			}
			tree := anchor.NewTree(leaves)
			for _, i := range []int{0, n / 3, n / 2, n - 1} {
				if n == 0 {
					break
				}
				want := tree.Inclusion(i)
				got, err := anchor.InRows(rows[i/perRow], roots, i, n, perRow)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("leaf %d of %d in rows of %d: %v, %v, want %v", i, n, perRow, got, err, want)
				}
				if err := anchor.VerifyInclusion(got.Root, leaves[i], got.Index, got.Size, got.Path); err != nil {
					t.Fatalf("leaf %d of %d in rows of %d: %v", i, n, perRow, err)
				}
			}
		}
	}
	leaves := random(20)
	roots := [][32]byte{anchor.Root(leaves[:8]), anchor.Root(leaves[8:16]), anchor.Root(leaves[16:])}
	for what, do := range map[string]func() (anchor.Inclusion, error){
		"another row":         func() (anchor.Inclusion, error) { return anchor.InRows(leaves[:8], roots, 9, 20, 8) },
		"a shorter row":       func() (anchor.Inclusion, error) { return anchor.InRows(leaves[:7], roots, 3, 20, 8) },
		"a leaf too far":      func() (anchor.Inclusion, error) { return anchor.InRows(leaves[16:], roots, 20, 20, 8) },
		"a leaf before all":   func() (anchor.Inclusion, error) { return anchor.InRows(leaves[:8], roots, -1, 20, 8) },
		"a root too few":      func() (anchor.Inclusion, error) { return anchor.InRows(leaves[:8], roots[:2], 0, 20, 8) },
		"another tree's size": func() (anchor.Inclusion, error) { return anchor.InRows(leaves[16:], roots, 17, 21, 8) },
	} {
		if _, err := do(); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// BenchmarkRoot takes the root of 2^20 leaves, and beside it hashes as often as that
// needs: the metric x-raw is the one by the other, of the same run and one core.
func BenchmarkRoot(b *testing.B) {
	const n = 1 << 20
	leaves := random(n)
	var own, raw time.Duration
	b.ReportAllocs()
	for b.Loop() {
		// In turns, so that whatever else the machine does slows both.
		const part = n / 64
		var builder anchor.Builder
		var pair [65]byte
		for from := 0; from < n; from += part {
			start := time.Now()
			for _, leaf := range leaves[from : from+part] {
				builder.Add(leaf)
			}
			middle := time.Now()
			for range part {
				sum := sha256.Sum256(pair[:])
				copy(pair[1:], sum[:])
			}
			own, raw = own+middle.Sub(start), raw+time.Since(middle)
		}
		builder.Root()
	}
	b.ReportMetric(own.Seconds()/raw.Seconds(), "x-raw")
	b.ReportMetric(own.Seconds()/float64(b.N), "s/root")
}
