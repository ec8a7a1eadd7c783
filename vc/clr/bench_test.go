package clr

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
)

// recordOf is a record of n achievements, as a node makes it, with proofs that are only
// for show.
func recordOf(t testing.TB, n int) (*jcs.Value, []byte) {
	t.Helper()
	credits := 5.0
	var r Record
	var embedded []json.RawMessage
	proof := func(i int) []any {
		return []any{map[string]any{"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-06-01T12:00:00Z",
			"proofPurpose": "assertionMethod", "verificationMethod": "did:web:example.edu#key-1", "nonce": fmt.Sprint("urn:clrnode:json-sha256:", i),
			"proofValue": "z" + strings.Repeat("3", 80) + fmt.Sprint(i)}}
	}
	for i := range n {
		a := Assertion{
			Key: fmt.Sprintf("gradebook/%04d", i), CreditsEarned: &credits, Term: "Spring 2026", Awarded: time.Date(2026, 5, 15, 0, 0, 0, 0, time.UTC),
			Achievement: Achievement{Type: "Course", Name: fmt.Sprint("Course ", i), Description: "What is taught in it.", Criteria: "Pass the exam.",
				HumanCode: fmt.Sprint("C-", i), CreditsAvailable: &credits,
				ResultDescriptions: []ResultDescription{{Key: "letter", Name: "Grade", ResultType: "LetterGrade", AllowedValues: []string{"F", "C", "B", "A"}},
					{Key: "percent", Name: "Percent", ResultType: "Percent", ValueMin: "0", ValueMax: "100"}},
				Alignments: []Alignment{{TargetName: "SQL", TargetURL: "https://case.example/1", TargetType: "CFItem"}}},
			Results:  []Result{{Key: "letter", Value: "A"}, {Key: "percent", Value: "93"}},
			Evidence: []Evidence{{URL: fmt.Sprint("https://example.edu/work/", i), Name: "Project"}},
		}
		r.Assertions = append(r.Assertions, a)
		if i > 0 {
			r.Associations = append(r.Associations, Association{"precedes", r.Assertions[i-1].Key, a.Key})
		}
		c, err := AchievementCredential(a, sampleSeal(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", i)))
		if err != nil {
			t.Fatal(err)
		}
		c["proof"] = proof(i)
		c["credentialStatus"].(map[string]any)["id"] = fmt.Sprint("https://example.edu/status/1#", i)
		raw, err := jcs.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		embedded = append(embedded, raw)
	}
	c, err := Credential(r, embedded, sampleSeal("https://example.edu/credentials/1"))
	if err != nil {
		t.Fatal(err)
	}
	c["proof"] = proof(n)
	raw, err := jcs.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jcs.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	if p := Check(doc); len(p) > 0 {
		t.Fatal(p)
	}
	return doc, raw
}

// besideSHA256 measures work on a record beside one SHA-256 over its bytes, which is
// the least that any verifier does.
func besideSHA256(b *testing.B, work func(doc *jcs.Value, raw []byte)) {
	for _, n := range []int{40, 400} {
		b.Run(fmt.Sprint("N=", n), func(b *testing.B) {
			doc, raw := recordOf(b, n)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var ours, hash time.Duration
			for b.Loop() {
				start := time.Now()
				work(doc, raw)
				between := time.Now()
				sha256.Sum256(raw)
				ours, hash = ours+between.Sub(start), hash+time.Since(between)
			}
			b.ReportMetric(float64(ours)/float64(hash), "times-SHA-256")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs-without-SHA-256")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	besideSHA256(b, func(doc *jcs.Value, _ []byte) {
		if len(Check(doc)) > 0 {
			b.Fatal("a good record has problems")
		}
	})
}

func BenchmarkNormal(b *testing.B) {
	var buffer []byte
	besideSHA256(b, func(doc *jcs.Value, raw []byte) { buffer = Normal(buffer[:0], doc) })
}
