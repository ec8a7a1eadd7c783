package did

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"clrnode/internal/jcs"
)

// needsWitness says whether any entry must be approved by witnesses.
func (h *webvhHistory) needsWitness() bool {
	return slices.ContainsFunc(h.entries, func(e webvhEntry) bool { return e.witness != nil })
}

// witnessed is the history up to the first entry that too few of its witnesses approved
// (did:webvh 1.0, "Verifying Witness Proofs During Resolution"). A proof approves the
// entry that it names and all before it; proofs of entries that aren't in the log, and
// bad ones, count for nothing. file is did-witness.json, empty if there is none.
func (h *webvhHistory) witnessed(file []byte, now time.Time) *webvhHistory {
	if !h.needsWitness() {
		return h
	}
	proofs, err := h.readWitness(file)
	if err != nil {
		return &webvhHistory{broken: fmt.Errorf("%w did-witness.json: %w", ErrInvalid, err)}
	}
	upTo := map[DID]int{} // the number of the newest entry that each witness approved
	for _, p := range proofs {
		// The newest come first: one good proof says all.
		if upTo[p.witness] > 0 {
			continue
		}
		document := sha256.Sum256(witnessedText(h.entries[p.number-1].versionID))
		if _, err := checkProof(p.proof, document, now); err == nil {
			upTo[p.witness] = p.number
		}
	}
	var list *WebVHWitness
	var reached []int // by each of the list's witnesses, the farthest first
	for i, e := range h.entries {
		if e.witness == nil {
			continue
		}
		if e.witness != list { // one list holds for as many entries as don't give another
			list, reached = e.witness, nil
			for _, w := range list.Witnesses {
				reached = append(reached, upTo[w])
			}
			slices.SortFunc(reached, func(a, b int) int { return b - a })
		}
		if reached[list.Threshold-1] < e.number {
			approvals := slices.IndexFunc(append(reached, 0), func(n int) bool { return n < e.number })
			return &webvhHistory{h.entries[:i], fmt.Errorf("%w did:webvh log, entry %d: %d of its witnesses approved it, and %d must", ErrInvalid, e.number, approvals, e.witness.Threshold)}
		}
	}
	return h
}

// witnessProof is a proof that names an entry of the log and a witness of some entry. It
// isn't checked yet.
type witnessProof struct {
	number  int
	witness DID
	proof   *jcs.Value
}

// readWitness reads did-witness.json and returns the proofs that can matter, those of the
// newest entries first.
func (h *webvhHistory) readWitness(file []byte) ([]witnessProof, error) {
	if len(file) == 0 {
		return nil, nil
	}
	if len(file) > maxWebVHWitness {
		return nil, fmt.Errorf("it is longer than %d bytes", maxWebVHWitness)
	}
	v, err := jcs.Read(file)
	if err != nil {
		return nil, err
	}
	if !v.Is(jcs.Array) {
		return nil, fmt.Errorf("it isn't an array")
	}
	numbers, witnesses := map[string]int{}, map[DID]bool{}
	var list *WebVHWitness
	for _, e := range h.entries {
		numbers[e.versionID] = e.number
		if e.witness == nil || e.witness == list {
			continue
		}
		list = e.witness
		for _, w := range list.Witnesses {
			witnesses[w] = true
		}
	}
	var out []witnessProof
	for i := range v.List() {
		item := &v.List()[i]
		if !item.Get("versionId").Is(jcs.String) {
			return nil, fmt.Errorf("element %d isn't an object with a versionId", i+1)
		}
		number := numbers[item.Str("versionId")]
		proofs := item.Get("proof").Items()
		for j := range proofs {
			if key, err := proofKey(&proofs[j]); err == nil && number > 0 && witnesses[DID{"did:key:" + key}] {
				out = append(out, witnessProof{number, DID{"did:key:" + key}, &proofs[j]})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b witnessProof) int { return cmp.Compare(b.number, a.number) })
	return out, nil
}

// witnessedText is what a witness signs of an entry, in canonical form.
func witnessedText(versionID string) []byte { return []byte(`{"versionId":"` + versionID + `"}`) }
