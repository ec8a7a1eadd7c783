package vc

import (
	"fmt"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// signedInside finds what looks like a signed credential in one of no kind in
// particular, at any depth, and judges its rules: whoever sees the outer one called
// valid would believe it. Objects of a credential's type without a proof are words of
// the outer issuer. problem says why there is too much of it.
func (v *verifier) signedInside(doc *jcs.Value) (all []inner, problem string) {
	var path []string
	var walk func(o, within *jcs.Value, nested int)
	walk = func(o, within *jcs.Value, nested int) {
		for i := range o.List() {
			m, step := &o.List()[i], strconv.Itoa(i)
			if o.Kind == jcs.Object {
				if m.Name == "@context" || m.Name == "proof" {
					continue
				}
				step = pointerEscape.Replace(oneLine(m.Name, maxStepShown)) // thousands of pointers could have it
			}
			if problem != "" || m.Kind != jcs.Object && m.Kind != jcs.Array {
				continue
			}
			path = append(path, step)
			around, depth := within, nested
			_, token, _ := enveloped(m)
			if token || m.Has("proof") && (m.Has("credentialSubject") || m.Get("type").HasString("VerifiableCredential")) {
				e := inner{secured: secured{doc: m}, pointer: oneLine("/"+strings.Join(path, "/"), maxAboutShown), within: within}
				around, depth = m, nested+1
				if token {
					c := v.check("structure.token", GroupUnchanged, Unchecked, "Could not check: a credential in a token lies inside, which isn't judged there; give it by itself.", dataModel, e.pointer)
					e.problem = &c
				} else if broken := rules(m); len(broken) > 0 {
					c := v.check("structure."+broken[0].Code, GroupUnchanged, Failed, broken[0].Sentence, broken[0].Section, e.pointer+broken[0].Pointer)
					e.problem = &c
				}
				all = append(all, e)
				if kindOf(within) == kindOther { // those of a record have its tokens with them
					for _, at := range clr.EndorsementJWTs(m, MaxEmbedded) {
						t := v.endorsementToken(m, at)
						t.pointer = e.pointer + at
						all = append(all, t)
					}
				}
			}
			switch {
			case len(all) > MaxEmbedded:
				problem = fmt.Sprintf("There are more credentials inside than this program judges (%d).", MaxEmbedded)
			case depth > maxNesting:
				problem = fmt.Sprintf("More credentials lie inside each other than this program judges (%d).", maxNesting)
			}
			walk(m, around, depth)
			path = path[:len(path)-1]
		}
	}
	walk(doc, doc, 0)
	return all, problem
}
