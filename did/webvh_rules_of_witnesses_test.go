package did

import (
	"errors"
	"strings"
	"testing"
)

// witnessed is a log whose first entry must be approved by two of three witnesses.
func (w *logWriter) witnessed() {
	w.first(m{"witness": witnessParameter(2, 7, 8, 9)})
}

func (w *logWriter) approvals(witnesses ...byte) {
	for _, n := range witnesses {
		w.approve(w.last.versionID, n)
	}
}

// badApproval is a log with one good approval and one that is good or isn't.
func badApproval(change func(p m)) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.witnessed()
		w.approvals(7)
		w.approve(w.last.versionID, 8, func(p m) {
			if broken {
				change(p)
			}
		})
	}
}

func badApprovalMember(name string, value any) func(*logWriter, bool) {
	return badApproval(func(p m) { p[name] = value })
}

const tooFew = "entry 1: 1 of its witnesses approved it, and 2 must"

func TestWebVHRulesOfWitnesses(t *testing.T) {
	checkWebVHRules(t, []webvhRule{
		{"Witness Lists", "the first entry's witnesses approve it", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(ifBroken(broken, nil, []byte{7, 8})...)
		}, "entry 1: 0 of its witnesses approved it, and 2 must"},
		{"Witness Threshold Algorithm", "as many as the threshold", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(ifBroken(broken, []byte{8}, []byte{8, 9})...)
		}, tooFew},
		{"Witness Threshold Algorithm", "a witness counts once", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, ifBroken[byte](broken, 7, 8))
		}, tooFew},
		{"Witness Threshold Algorithm", "others don't count", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, ifBroken[byte](broken, 6, 8))
		}, tooFew},
		{"Witness Threshold Algorithm", "the owner doesn't count", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, ifBroken[byte](broken, 1, 8))
		}, tooFew},
		{"The Witness Proofs File", "approvals of what isn't in the log don't count", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7)
			w.approve(ifBroken(broken, "1-"+multihash([]byte("another log")), w.last.versionID), 8)
		}, tooFew},
		{"The Witness Proofs File", "an approval is of the version that it names", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7)
			w.approve(ifBroken(broken, "1-"+multihash([]byte("another log")), w.last.versionID), 8)
			w.witness[1]["versionId"] = w.last.versionID
		}, tooFew},
		{"Verifying Witness Proofs", "an approval isn't one of later entries", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			w.next(1, m{})
			w.approvals(7)
			if !broken {
				w.approvals(8)
			}
		}, "entry 2: 1 of its witnesses"},
		{"Witness Lists", "a new list doesn't approve itself", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			w.next(1, m{"witness": witnessParameter(1, 6)})
			w.approvals(ifBroken(broken, []byte{6}, []byte{8, 9})...)
		}, "entry 2: 0 of its witnesses approved it, and 2 must"},
		{"Witness Lists", "a new list approves what follows", func(w *logWriter, broken bool) {
			w.witnessed()
			w.next(1, m{"witness": witnessParameter(1, 6)})
			w.approvals(8, 9)
			w.next(1, m{})
			w.approvals(ifBroken(broken, []byte{8, 9}, []byte{6})...)
		}, "entry 3: 0 of its witnesses approved it, and 1 must"},
		{"Witness Lists", "a lower threshold holds for what follows", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			w.next(1, m{"witness": witnessParameter(1, 7)})
			w.approvals(ifBroken(broken, []byte{7}, []byte{7, 8})...)
		}, "entry 2: 1 of its witnesses approved it, and 2 must"},
		{"Parameters, witness", "who takes witnesses away needs them once more", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			w.next(1, m{"witness": m{}})
			if !broken {
				w.approvals(7, 9)
			}
			w.next(1, m{})
		}, "entry 2: 0 of its witnesses"},
		{"Parameters, witness", "null takes them away in no other way", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			w.next(1, m{"witness": nil})
			if !broken {
				w.approvals(7, 9)
			}
		}, "entry 2: 0 of its witnesses"},
		{"Parameters, witness", "the first witnesses approve the entry that names them", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"witness": witnessParameter(1, 7)})
			if !broken {
				w.approvals(7)
			}
		}, "entry 2: 0 of its witnesses"},
		{"Parameters, witness", "a list is kept when it isn't given again", func(w *logWriter, broken bool) {
			w.first(m{"witness": witnessParameter(1, 7)})
			w.approvals(7)
			w.next(1, m{})
			w.next(1, m{})
			if !broken {
				w.approvals(7)
			}
		}, "entry 2: 0 of its witnesses"},
		{"The Witness Proofs File", "the suite is eddsa-jcs-2022", badApprovalMember("cryptosuite", "eddsa-rdfc-2022"), tooFew},
		{"The Witness Proofs File", "the purpose is assertionMethod", badApprovalMember("proofPurpose", "authentication"), tooFew},
		{"The Witness Proofs File", "the type is DataIntegrityProof", badApprovalMember("type", "DataIntegrity"), tooFew},
		{"The Witness Proofs File", "the key is a did:key", badApprovalMember("verificationMethod", "did:web:example.edu#"+multikey(8)), tooFew},
		{"The Witness Proofs File", "the key's fragment is the key", badApprovalMember("verificationMethod", witnessDID(8).s+"#"+multikey(9)), tooFew},
		{"The Witness Proofs File", "nobody approves for another", badApprovalMember("verificationMethod", witnessDID(9).s+"#"+multikey(9)), tooFew},
		{"The Witness Proofs File", "an approval may not have expired", badApprovalMember("expires", "2026-01-01T00:00:00Z"), tooFew},
		{"The Witness Proofs File", "each element names a version", func(w *logWriter, broken bool) {
			w.witnessed()
			w.approvals(7, 8)
			if broken {
				w.witness[0] = m{"proof": w.witness[0]["proof"]}
			}
		}, "element 1 isn't an object with a versionId"},
	})
}

// What the specification lets a publisher do, beyond the logs that keep each rule.
func TestWebVHWitnessFilesThatAreFine(t *testing.T) {
	for name, build := range map[string]func(w *logWriter){
		"only the newest approval of each witness is kept": func(w *logWriter) {
			w.witnessed()
			w.next(1, m{})
			w.approvals(7)
			w.next(1, m{})
			w.approvals(8, 9)
		},
		"an entry that isn't published yet is approved": func(w *logWriter) {
			w.witnessed()
			w.approvals(7, 8)
			w.approve("2-"+multihash([]byte("soon")), 7)
		},
		"a bad approval stands beside enough good ones": func(w *logWriter) {
			w.witnessed()
			w.approvals(7, 8)
			w.approve(w.last.versionID, 9, func(p m) { p["type"] = "x" })
		},
		"a bad approval stands beside the same witness's good one of an earlier entry": func(w *logWriter) {
			w.first(m{"witness": witnessParameter(1, 7)})
			w.approvals(7)
			w.next(1, m{"witness": m{}})
			w.approvals(7)
			w.next(1, m{})
			w.approve(w.last.versionID, 7, func(p m) { p["type"] = "x" })
		},
		"an element has no proofs": func(w *logWriter) {
			w.witnessed()
			w.approvals(7, 8)
			w.witness = append(w.witness, m{"versionId": w.last.versionID})
		},
		"entries after the end of witnessing need none": func(w *logWriter) {
			w.witnessed()
			w.next(1, m{"witness": m{}})
			w.approvals(7, 8)
			w.next(1, m{})
		},
	} {
		w := new(logWriter)
		build(w)
		if _, err := w.resolve(Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Entries that break a rule lend nothing to those before them: neither to the versions
// that can still be had, nor the approvals that name them.
func TestWebVHVersionsBeforeABrokenEntry(t *testing.T) {
	w := new(logWriter)
	w.first(m{})
	first := w.last.versionID
	w.next(1, m{})
	w.next(1, m{})
	w.edit(func(e m) { e["versionTime"] = "2026-01-03T00:00:01Z" })
	for name, c := range map[string]struct {
		o    Options
		want error // nil: version 1 or 2
	}{
		"newest":              {Options{}, ErrInvalid},
		"first":               {Options{VersionID: first}, nil},
		"second":              {Options{VersionNumber: 2}, nil},
		"broken":              {Options{VersionNumber: 3}, ErrInvalid},
		"no such":             {Options{VersionID: "9-x"}, ErrInvalid},
		"between":             {Options{VersionTime: mustDo(versionTime("2026-01-01T12:00:00Z"))}, nil},
		"in the last good's":  {Options{VersionTime: mustDo(versionTime("2026-01-02T12:00:00Z"))}, ErrInvalid},
		"before it was there": {Options{VersionTime: mustDo(versionTime("2025-12-31T00:00:00Z"))}, ErrNotFound},
	} {
		r, err := w.resolve(c.o)
		if !errors.Is(err, c.want) || (err == nil) != (r.Document != nil) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}

	w = new(logWriter)
	w.witnessed()
	w.approvals(7)
	w.next(1, m{})
	w.approvals(8)
	w.edit(func(e m) { e["versionTime"] = "2026-01-03T00:00:01Z" })
	if _, err := w.resolve(Options{VersionNumber: 1}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tooFew) {
		t.Errorf("approved by a broken entry: %v", err)
	}
}
