package did

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
)

func sha(b []byte) [32]byte { return sha256.Sum256(b) }

func requireRefused(t *testing.T, w *logWriter, want string) {
	t.Helper()
	r, err := w.resolve(Options{})
	if !errors.Is(err, ErrInvalid) || r.Document != nil || ErrorType(err) != "INVALID_DID" {
		t.Fatalf("a log that breaks the rule: %v, %s; want an error of type INVALID_DID", err, ErrorType(err))
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %q; want %q in it", err, want)
	}
}

// ifBroken is what a log has if it breaks its rule, else another value.
func ifBroken[T any](broken bool, bad, good T) T {
	if broken {
		return bad
	}
	return good
}

// parameter is a log whose second entry gives a parameter a good value or a bad one.
func parameter(name string, good, bad any) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.first(m{})
		w.next(1, m{name: ifBroken(broken, bad, good)})
	}
}

// firstParameter is that for the first entry, which stands alone.
func firstParameter(name string, good, bad any) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) { w.first(m{name: ifBroken(broken, bad, good)}) }
}

// missing is a log whose first entry lacks a parameter.
func missing(name string) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		e := w.entry(m{})
		if broken {
			delete(e["parameters"].(m), name)
		}
		w.seal(1, e)
	}
}

// changed is a log whose second entry is changed before it is hashed and signed.
func changed(change func(w *logWriter, e m)) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.first(m{})
		e := w.entry(m{})
		if broken {
			change(w, e)
		}
		w.seal(1, e)
	}
}

// edited is a log of two entries of which the second is changed after it was signed.
func edited(change func(w *logWriter)) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.first(m{})
		w.next(1, m{})
		if broken {
			change(w)
		}
	}
}

func withoutMember(name string) func(*logWriter, bool) {
	return edited(func(w *logWriter) { w.edit(func(e m) { delete(e, name) }) })
}

func withTime(broken string) func(*logWriter, bool) {
	return changed(func(w *logWriter, e m) { e["versionTime"] = broken })
}

// otherHash is a versionId whose hash has another algorithm's code.
func otherHash() string {
	return "2-" + EncodeMultibase(append([]byte{0x13, 32}, bytes.Repeat([]byte{7}, 32)...))[1:]
}

// The sixteen ways to deceive a resolver that an audit of four implementations found
// (didwebvh-test-suite, NEGATIVE_VECTORS.md) are among these rules, those of the other
// files of this name, and TestEachRuleOfWebPlaces.
func TestWebVHRulesOfTheLog(t *testing.T) {
	checkWebVHRules(t, []webvhRule{
		{"The DID Log File", "each line is a JSON object", edited(func(w *logWriter) { w.lines[1] = []byte(`[]`) }), "isn't a JSON object"},
		{"The DID Log File", "each line is JSON", edited(func(w *logWriter) { w.lines[1] = w.lines[1][1:] }), "JSON"},
		{"The DID Log File", "no member occurs twice", edited(func(w *logWriter) {
			w.lines[1] = append([]byte(`{"versionTime":"2026-01-02T00:00:00Z",`), w.lines[1][1:]...)
		}), "JSON"},
		{"The DID Log File", "a line is an entry", edited(func(w *logWriter) { w.lines = [][]byte{w.lines[0], nil, w.lines[1]} }), "entry 2: JSON"},
		{"The DID Log File", "there is an entry", func(w *logWriter, broken bool) {
			w.first(m{})
			if broken {
				w.lines[0] = []byte(" ")
			}
		}, "entry 1: JSON"},
		{"The DID Log File", "versionId is there", withoutMember("versionId"), "versionId is missing"},
		{"The DID Log File", "versionTime is there", withoutMember("versionTime"), "versionTime is missing"},
		{"The DID Log File", "parameters is there", withoutMember("parameters"), "parameters is missing"},
		{"The DID Log File", "state is there", withoutMember("state"), "state is missing"},
		{"The DID Log File", "proof is there", withoutMember("proof"), "proof is missing"},
		{"The DID Log File", "there is nothing else", changed(func(_ *logWriter, e m) { e["note"] = "x" }), `no member "note"`},
		{"The DID Log File", "parameters is an object", changed(func(_ *logWriter, e m) { e["parameters"] = []any{} }), "parameters isn't an object"},
		{"The DID Log File", "state is an object", changed(func(_ *logWriter, e m) { e["state"] = "did:webvh:x:example.edu" }), "state isn't an object"},
		{"Read, 3.1", "the first version is 1", func(w *logWriter, broken bool) {
			w.first(m{})
			if broken {
				w.versionID("2" + w.last.versionID[1:])
			}
		}, "entry 1: its versionId should be 1"},
		{"Read, 3.1", "versions are counted by one", edited(func(w *logWriter) { w.versionID("3" + w.last.versionID[1:]) }), "its versionId should be 2"},
		{"Read, 3.1", "a version occurs once", edited(func(w *logWriter) { w.versionID("1" + w.last.versionID[1:]) }), "its versionId should be 2"},
		{"Read, 3.1", "a number has no zeros in front", edited(func(w *logWriter) { w.versionID("02" + w.last.versionID[1:]) }), "its versionId should be 2"},
		{"Read, 3.2", "a dash follows the number", edited(func(w *logWriter) { w.versionID("2" + w.last.versionID[2:]) }), "its versionId should be 2"},
		{"Verify The Entry Hash, 2", "hashes are SHA-256", edited(func(w *logWriter) { w.versionID(otherHash()) }), "SHA-256"},
		{"Verify The Entry Hash, 6", "the hash is that of the entry", edited(func(w *logWriter) {
			w.edit(func(e m) { e["state"].(m)["alsoKnownAs"] = []any{"https://other.example"} })
			w.proof(1, func(m) {})
		}), "isn't that of the entry"},
		{"Verify The Entry Hash, 4", "the hash is over the versionId before it", func(w *logWriter, broken bool) {
			w.first(m{})
			earlier := w.last
			w.next(1, m{})
			if broken {
				w.last = webvhEntry{number: 2, versionID: earlier.versionID}
			}
			w.next(1, m{})
		}, "entry 3: the hash"},
		{"Verify The Entry Hash, 4", "no entry is left out", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{})
			w.next(1, m{})
			if broken {
				w.lines = [][]byte{w.lines[0], w.lines[2]}
			}
		}, "entry 2: its versionId should be 2"},
		{"Read, 4", "versionTime is in UTC", withTime("2026-01-02T00:00:00+01:00"), "in UTC"},
		{"Read, 4", "versionTime has a zone", withTime("2026-01-02T00:00:00"), "in UTC"},
		{"Read, 4", "versionTime is a date and a time", withTime("2026-01-02"), "in UTC"},
		{"Read, 4", "versionTime is of the calendar", withTime("2026-01-32T00:00:00Z"), "in UTC"},
		{"Read, 4", "an hour has two digits", withTime("2026-01-02T1:00:00Z"), "in UTC"},
		{"Read, 4", "a fraction follows a point", withTime("2026-01-02T00:00:00,5Z"), "in UTC"},
		{"Read, 4", "versionTime is text", changed(func(_ *logWriter, e m) { e["versionTime"] = 1767312000 }), "in UTC"},
		{"Read, 4", "versionTime is later than before", withTime("2026-01-01T00:00:00Z"), "isn't later"},
		{"Read, 4", "versionTime isn't earlier than before", withTime("2025-12-31T00:00:00Z"), "isn't later"},
		{"Read, 4", "versionTime isn't in the future", withTime("2026-02-01T00:00:11Z"), "in the future"},
	})
}

func TestWebVHRulesOfParameters(t *testing.T) {
	checkWebVHRules(t, []webvhRule{
		{"Parameters", "none is unknown", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, ifBroken(broken, m{"prerotation": true}, m{}))
		}, "parameter prerotation: version 1.0"},
		{"Parameters, method", "it stands in the first entry", missing("method"), "need method"},
		{"Parameters, method", "an earlier version isn't 1.0", firstParameter("method", webvhMethod, "did:webvh:0.5"), "only did:webvh:1.0"},
		{"Parameters, method", "a later version isn't read by these rules", parameter("method", webvhMethod, "did:webvh:1.1"), "only did:webvh:1.0"},
		{"Parameters, method", "it is text", firstParameter("method", webvhMethod, nil), "only did:webvh:1.0"},
		{"Parameters, scid", "it stands in the first entry", missing("scid"), "need scid"},
		{"Parameters, scid", "it stands in no other", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, ifBroken(broken, m{"scid": w.scid}, m{}))
		}, "only in the first entry"},
		{"Parameters, updateKeys", "it stands in the first entry", missing("updateKeys"), "need updateKeys"},
		{"Parameters, updateKeys", "it is an array", parameter("updateKeys", []any{multikey(1)}, multikey(1)), "array"},
		{"Parameters, updateKeys", "it has multikeys", parameter("updateKeys", []any{multikey(1)}, []any{"did:key:" + multikey(1)}), "invalid key"},
		{"Parameters, updateKeys", "a multikey is a point of its curve", parameter("updateKeys", []any{multikey(1)}, []any{EncodeMultibase(append([]byte{0xed, 1}, make([]byte, 32)...))}), "small order"},
		{"Parameters, updateKeys", "a key has one spelling", parameter("updateKeys", []any{multikey(2)}, []any{"u7QGBOXcOqH0XX1ajVGbDTH7My42KkbTuN6Jd9g9bj8mzlA"}), "in base58"},
		{"Parameters, updateKeys", "each once", parameter("updateKeys", []any{multikey(1), multikey(2)}, []any{multikey(1), multikey(1)}), "each once"},
		{"Parameters, nextKeyHashes", "it is an array", parameter("nextKeyHashes", []any{keyHash(2)}, keyHash(2)), "array"},
		{"Parameters, nextKeyHashes", "it has text", parameter("nextKeyHashes", []any{keyHash(2)}, []any{7}), "strings"},
		{"Parameters, watchers", "it is an array", parameter("watchers", []any{"https://w.example"}, "https://w.example"), "array"},
		{"Parameters, watchers", "it has URLs", parameter("watchers", []any{"https://w.example"}, []any{"w"}), "isn't a URL"},
		{"Parameters, portable", "it is a boolean", firstParameter("portable", true, "true"), "true or false"},
		{"Parameters, portable", "it isn't null", firstParameter("portable", false, nil), "true or false"},
		{"Parameters, portable", "it becomes true only in the first entry", parameter("portable", false, true), "only in the first entry"},
		{"Parameters, portable", "once false it stays so", func(w *logWriter, broken bool) {
			w.first(m{"portable": true})
			w.next(1, m{"portable": false})
			w.next(1, m{"portable": broken})
		}, "entry 3: parameter portable"},
		{"Parameters, deactivated", "it is a boolean", parameter("deactivated", false, "false"), "true or false"},
		{"Parameters, deactivated", "it isn't null", parameter("deactivated", false, nil), "true or false"},
		{"Parameters, ttl", "it isn't negative", parameter("ttl", 0, -1), "whole number"},
		{"Parameters, ttl", "it is whole", parameter("ttl", 1, 1.5), "whole number"},
		{"Parameters, ttl", "it is at most 2^31", parameter("ttl", 1<<31, 1<<31+1), "whole number"},
		{"Parameters, ttl", "it is a number", parameter("ttl", 60, "60"), "whole number"},
		{"Parameters, witness", "it is an object", parameter("witness", m{}, []any{}), "parameter witness"},
		{"The witness Parameter", "the threshold is there", firstWitness(m{"witnesses": []any{m{"id": witnessDID(7).s}}}), "threshold"},
		{"The witness Parameter", "the threshold isn't 0", firstWitness(witnessParameter(0, 7)), "threshold should be from 1"},
		{"The witness Parameter", "the threshold isn't negative", firstWitness(witnessParameter(-1, 7)), "threshold should be from 1"},
		{"The witness Parameter", "the threshold can be reached", firstWitness(witnessParameter(2, 7)), "threshold should be from 1"},
		{"The witness Parameter", "the threshold is whole", firstWitness(witnessParameter(0.5, 7)), "whole number"},
		{"The witness Parameter", "the threshold is a number", firstWitness(witnessParameter("1", 7)), "whole number"},
		{"The witness Parameter", "the threshold isn't null", firstWitness(witnessParameter(nil, 7)), "whole number"},
		{"The witness Parameter", "there are witnesses", firstWitness(m{"threshold": 1}), "array of witnesses"},
		{"The witness Parameter", "the list isn't empty", firstWitness(m{"threshold": 1, "witnesses": []any{}}), "1 to 1000 witnesses"},
		{"The witness Parameter", "no witness occurs twice", firstWitness(witnessParameter(2, 7, 7)), "listed twice"},
		{"The witness Parameter", "a witness has an id", firstWitness(m{"threshold": 1, "witnesses": []any{m{}}}), "with an id"},
		{"The witness Parameter", "a witness has no weight", firstWitness(m{"threshold": 1, "witnesses": []any{m{"id": witnessDID(7).s, "weight": 2}}}), "nothing else"},
		{"The witness Parameter", "a witness is a DID", firstWitness(m{"threshold": 1, "witnesses": []any{m{"id": multikey(7)}}}), "invalid DID"},
		{"The witness Parameter", "a witness is a did:key", firstWitness(m{"threshold": 1, "witnesses": []any{m{"id": "did:web:example.edu"}}}), "isn't a did:key"},
		{"The witness Parameter", "a witness's key fits the suite", firstWitness(m{"threshold": 1, "witnesses": []any{m{"id": "did:key:zDnaeWgbpcUat3VPa1GqrFqctkx6SMPMWGvFDgXeFUxi74pwT"}}}), "isn't a did:key with an Ed25519 key"},
	})
}

// firstWitness is a log whose first entry names a witness, who approves it, and once in a
// way that the specification doesn't have.
func firstWitness(bad m) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.first(m{"witness": ifBroken(broken, bad, witnessParameter(1, 7))})
		w.approve(w.last.versionID, 7)
	}
}

// The specification forbids null, and asks resolvers to read it as the default where early
// implementations wrote it.
func TestWebVHTakesNullAsTheDefault(t *testing.T) {
	w := new(logWriter)
	w.first(m{"nextKeyHashes": nil, "witness": nil, "watchers": nil, "ttl": nil})
	w.next(1, m{"watchers": []any{"https://w.example"}, "ttl": 5, "nextKeyHashes": []any{keyHash(2)}})
	w.next(2, m{"watchers": nil, "ttl": nil, "nextKeyHashes": nil, "updateKeys": []any{multikey(2)}})
	w.next(2, m{"updateKeys": nil})
	r, err := w.resolve(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Metadata.WebVH; got.TTL.Hours() != 1 || got.Watchers != nil || got.Witness != nil {
		t.Errorf("metadata %+v", got)
	}
}
