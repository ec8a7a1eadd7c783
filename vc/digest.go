package vc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"sync"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/rdf"
)

// sums are the digests of some bytes, by the name of the hash as digestSRI writes it.
type sums map[string]string

func sumsOf(raw []byte) sums {
	a, b, c := sha256.Sum256(raw), sha512.Sum384(raw), sha512.Sum512(raw)
	return sums{"sha256": string(a[:]), "sha384": string(b[:]), "sha512": string(c[:])}
}

// sumsOfContext are those of a context that is bundled with the program; nil of others.
func sumsOfContext(url string) sums {
	if known, ok := bundledSums.Load(url); ok {
		return known.(sums)
	}
	raw, ok := rdf.Context(url)
	if !ok {
		return nil
	}
	s := sumsOf(raw)
	bundledSums.Store(url, s)
	return s
}

var bundledSums sync.Map // URL of a bundled context -> sums

// A fit says whether bytes are those that a digest was made of.
type fit int

const (
	fitNone    fit = iota // there is no digest
	fitUnknown            // made in a way that isn't known here
	fitWrong
	fitGood
)

// fits compares bytes with every digest that o has of them (VC Data Model 2.0, 5.3):
// one that is wrong decides, then one that isn't known.
func (s sums) fits(o *jcs.Value) fit {
	all := fitNone
	add := func(f fit) {
		switch {
		case all == fitNone, f == fitWrong:
			all = f
		case all == fitGood:
			all = f
		}
	}
	for member, judge := range map[string]func(string) fit{"digestSRI": s.sri, "digestMultibase": s.multihash} {
		digests := o.Get(member).Items()
		for i := range digests {
			if !digests[i].Is(jcs.String) {
				add(fitWrong)
				continue
			}
			add(judge(digests[i].Text))
		}
	}
	return all
}

// sri judges a digest as Subresource Integrity writes it (3.3): of several the strongest
// counts, and of several with that hash one must fit.
func (s sums) sri(text string) fit {
	best, found := "", fitUnknown
	for _, one := range strings.Fields(text) {
		hash, digest, _ := strings.Cut(one, "-")
		if s[hash] == "" || hash < best { // their names sort by strength
			continue
		}
		if hash > best {
			best, found = hash, fitWrong
		}
		digest, _, _ = strings.Cut(digest, "?")
		if raw, err := base64.StdEncoding.Strict().DecodeString(digest); err == nil && string(raw) == s[hash] {
			found = fitGood
		}
	}
	return found
}

// multihash judges a multihash in multibase, base58 or base64url.
func (s sums) multihash(text string) fit {
	var raw []byte
	var err error
	if strings.HasPrefix(text, "u") {
		raw, err = base64.RawURLEncoding.Strict().DecodeString(text[1:])
	} else {
		raw, err = did.DecodeMultibase(text)
	}
	if err != nil || len(raw) < 2 {
		return fitUnknown
	}
	hash := map[byte]string{0x12: "sha256", 0x20: "sha384", 0x13: "sha512"}[raw[0]]
	switch {
	case hash == "":
		return fitUnknown
	case int(raw[1]) == len(raw)-2 && string(raw[2:]) == s[hash]:
		return fitGood
	}
	return fitWrong
}
