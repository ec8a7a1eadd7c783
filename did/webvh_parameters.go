package did

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// webvhMethod is the one version of the specification whose rules are known here. A
// later one could forbid what this one allows, so nothing else is read by these rules.
const webvhMethod = "did:webvh:1.0"

const defaultTTL = 3600

// webvhParameters are the settings of a log, as they are in force after an entry
// (did:webvh 1.0, "did:webvh DID Method Parameters").
type webvhParameters struct {
	scid          string
	updateKeys    []string // multikeys
	nextKeyHashes []string // not empty: pre-rotation is active for the next entry
	witness       *WebVHWitness
	watchers      []string
	portable      bool
	deactivated   bool
	ttl           int64 // seconds
}

// WebVHWitness is who has to approve the entries of a log, and how many of them.
type WebVHWitness struct {
	Threshold int   // from 1 to the number of witnesses
	Witnesses []DID // each a did:key with an Ed25519 key, none twice
}

// apply reads an entry's parameters and returns those in force after it. first says
// whether it is the first entry, in which p are the defaults.
func (p webvhParameters) apply(v *jcs.Value, first bool) (webvhParameters, error) {
	if !v.Is(jcs.Object) {
		return p, fmt.Errorf("parameters isn't an object")
	}
	preRotated := !first && len(p.nextKeyHashes) > 0
	if preRotated && (!v.Has("updateKeys") || !v.Has("nextKeyHashes")) {
		return p, fmt.Errorf("updateKeys and nextKeyHashes must both be given while pre-rotation is active")
	}
	if first {
		for _, name := range []string{"method", "scid", "updateKeys"} {
			if !v.Has(name) {
				return p, fmt.Errorf("the first entry's parameters need %s", name)
			}
		}
	}
	before := p
	for i := range v.List() {
		if err := p.set(&v.List()[i], first); err != nil {
			return p, fmt.Errorf("parameter %.80s: %w", v.List()[i].Name, err)
		}
	}
	if preRotated {
		if len(p.updateKeys) == 0 {
			return p, fmt.Errorf("parameter updateKeys: one key at least must be of those that the entry before announced")
		}
		for _, k := range p.updateKeys {
			if !slices.Contains(before.nextKeyHashes, multihash([]byte(k))) {
				return p, fmt.Errorf("parameter updateKeys: the key %s isn't one that nextKeyHashes of the entry before announced", k)
			}
		}
	}
	return p, nil
}

// set takes over one parameter. The specification forbids null and asks resolvers to take
// it, from early implementations, as the default of the five that can be turned off.
func (p *webvhParameters) set(v *jcs.Value, first bool) (err error) {
	switch v.Name {
	case "method":
		if v.String() != webvhMethod {
			return fmt.Errorf("only %s is known", webvhMethod)
		}
	case "scid":
		if !first {
			return fmt.Errorf("it may stand only in the first entry")
		}
		if p.scid = v.String(); !isMultihash(p.scid) {
			return fmt.Errorf("it isn't a SHA-256 multihash in base58")
		}
	case "updateKeys":
		if p.updateKeys, err = stringSet(v); err != nil {
			return err
		}
		for _, k := range p.updateKeys {
			if err := checkMultikey(k); err != nil {
				return err
			}
		}
	case "nextKeyHashes":
		p.nextKeyHashes, err = stringSet(v)
	case "witness":
		p.witness, err = parseWitness(v)
	case "watchers":
		if p.watchers, err = stringSet(v); err != nil {
			return err
		}
		for _, w := range p.watchers {
			if u, err := url.Parse(w); err != nil || u.Scheme == "" {
				return fmt.Errorf("%.200q isn't a URL", w)
			}
		}
	case "portable":
		if !v.Is(jcs.Bool) {
			return fmt.Errorf("it should be true or false")
		}
		if p.portable = v.True(); p.portable && !first {
			return fmt.Errorf("it may be set to true only in the first entry")
		}
	case "deactivated":
		if !v.Is(jcs.Bool) {
			return fmt.Errorf("it should be true or false")
		}
		p.deactivated = v.True()
	case "ttl":
		if v.Is(jcs.Null) {
			p.ttl = defaultTTL
			return nil
		}
		n, ok := wholeNumber(v)
		if !ok || n < 0 || n > 1<<31 {
			return fmt.Errorf("it should be a whole number of seconds, from 0 to 2^31")
		}
		p.ttl = n
	default:
		return fmt.Errorf("version 1.0 of did:webvh has no such parameter")
	}
	return err
}

// stringSet reads an array of different strings, or null as the empty one.
func stringSet(v *jcs.Value) ([]string, error) {
	if v.Is(jcs.Null) {
		return nil, nil
	}
	if !v.Is(jcs.Array) || len(v.List()) > maxEntries {
		return nil, fmt.Errorf("it should be an array of at most %d strings", maxEntries)
	}
	seen := map[string]bool{}
	var out []string
	for i := range v.List() {
		s := &v.List()[i]
		if !s.Is(jcs.String) || s.Text == "" || seen[s.Text] {
			return nil, fmt.Errorf("its elements should be strings, each once")
		}
		seen[s.Text] = true
		out = append(out, strings.Clone(s.Text))
	}
	return out, nil
}

// checkMultikey accepts public keys in their one base58 form. Keys of types that only a
// later version lets sign may be listed.
func checkMultikey(s string) error {
	k, err := ParseMultibase(s)
	switch {
	case err == nil && k.Multibase() != s:
		return fmt.Errorf("the key %s should be in base58", s)
	case err != nil && !errors.Is(err, ErrKeyNotSupported):
		return err
	}
	return nil
}

func parseWitness(v *jcs.Value) (*WebVHWitness, error) {
	if v.Is(jcs.Null) || v.Is(jcs.Object) && len(v.List()) == 0 {
		return nil, nil
	}
	threshold, ok := wholeNumber(v.Get("threshold"))
	witnesses := v.Get("witnesses")
	if !ok || !witnesses.Is(jcs.Array) || len(v.List()) != 2 {
		return nil, fmt.Errorf("it should be {} or have a threshold, a whole number, and an array of witnesses, and nothing else")
	}
	if len(witnesses.List()) == 0 || len(witnesses.List()) > maxEntries {
		return nil, fmt.Errorf("there should be 1 to %d witnesses", maxEntries)
	}
	if threshold < 1 || threshold > int64(len(witnesses.List())) {
		return nil, fmt.Errorf("the threshold should be from 1 to the number of witnesses")
	}
	w := &WebVHWitness{Threshold: int(threshold)}
	seen := map[DID]bool{}
	for i := range witnesses.List() {
		item := &witnesses.List()[i]
		if !item.Get("id").Is(jcs.String) || len(item.List()) != 1 {
			return nil, fmt.Errorf("a witness should be an object with an id and nothing else")
		}
		d, err := Parse(strings.Clone(item.Str("id")))
		if err != nil {
			return nil, err
		}
		if k, err := ParseMultibase(d.specific()); d.Method() != "key" || err != nil || k.kind != keyEd25519 || k.Multibase() != d.specific() {
			return nil, fmt.Errorf("the witness %s isn't a did:key with an Ed25519 key", d)
		}
		if seen[d] {
			return nil, fmt.Errorf("the witness %s is listed twice", d)
		}
		seen[d] = true
		w.Witnesses = append(w.Witnesses, d)
	}
	return w, nil
}

// wholeNumber reads a JSON number that is an integer.
func wholeNumber(v *jcs.Value) (int64, bool) {
	if !v.Is(jcs.Number) {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}
