//go:build unix

package rdf

import (
	"context"
	"crypto"
	"math/rand/v2"
	"syscall"
	"testing"

	"clrnode/internal/jcs"
)

// The direct way and that of json-gold's expansion, in one run:
//
//	go test ./vc/rdf -run xxx -bench Canonize
//
// cpu-ms/op is the processor time of all threads, the garbage collector's included.
func BenchmarkCanonize(b *testing.B) {
	for _, c := range []struct {
		name string
		doc  object
	}{
		{"proof options", object{"@context": []any{vc2, clr, ob3, ext}, "type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-01-02T03:04:05Z", "verificationMethod": "did:web:a.edu#key-1", "proofPurpose": "assertionMethod"}},
		{"badge", generateBadge(rand.New(rand.NewPCG(1, 1)), 1)},
		{"record of 40", generateCLR(40)},
		{"record of 400", generateCLR(400)},
		{"record of 40 without ids", withoutIDs(generateCLR(40))},
		{"record of 400 without ids", withoutIDs(generateCLR(400))},
	} {
		for _, way := range []struct {
			name    string
			toQuads func(*jcs.Value) (*dataset, error)
		}{{"directly", toQuads}, {"by expansion", func(v *jcs.Value) (*dataset, error) {
			d, _, err := expandToQuads(v, "")
			return d, err
		}}} {
			b.Run(c.name+" "+way.name, func(b *testing.B) {
				b.ReportAllocs()
				doc := value(b, c.doc)
				before := cpu(b)
				for b.Loop() {
					d, err := way.toQuads(doc)
					if err != nil {
						b.Fatal(err)
					}
					if _, _, err := canonicalize(context.Background(), d, crypto.SHA256); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((cpu(b)-before)/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// withoutIDs takes the ids of addresses, criteria, results and alignments away, so that
// many objects look alike.
func withoutIDs(v any) object {
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				strip(x)
			}
		case map[string]any:
			for k, x := range v {
				if part, ok := x.(object); ok && (k == "address" || k == "criteria") {
					delete(part, "id")
				}
				if parts, ok := x.([]any); ok && (k == "result" || k == "alignment") {
					for _, part := range parts {
						delete(part.(object), "id")
					}
				}
				strip(x)
			}
		}
	}
	strip(v)
	return v.(object)
}

// cpu is the processor time of this process in milliseconds.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
