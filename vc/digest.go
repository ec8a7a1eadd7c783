package vc

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
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

// bundled says whether a related resource is a context that is part of this program, by
// its digests: as it lies here, or in the form in which it is published.
func bundled(resource *jcs.Value) bool {
	url := resource.Str("id")
	known, ok := bundledSums.Load(url)
	if !ok {
		raw, ok := rdf.Context(url)
		if !ok {
			return false
		}
		forms := []sums{sumsOf(raw)}
		if digests := publishedDigests[url]; digests != "" {
			forms = append(forms, sumsWritten(digests))
		}
		known, _ = bundledSums.LoadOrStore(url, forms)
	}
	return slices.ContainsFunc(known.([]sums), func(s sums) bool { return s.fits(resource) == fitGood })
}

var bundledSums sync.Map // URL of a bundled context -> []sums of its forms

// publishedDigests are those of W3C's contexts as W3C publishes them (VC Data Model 2.0,
// B.1, has that of the second). The bundled ones are the same JSON with other white space.
var publishedDigests = map[string]string{
	"https://www.w3.org/2018/credentials/v1":      "sha256-PQsndSLtJDhchQuYgrlohocYm483qb2fFXfjSLEBnEQ= sha384-Yu8ITIUTLFiBGfc0T6f7Bdztm0T35K/uMxuS4BMfPbRQD1RMuB9sw9RHHwRE5uEd sha512-M7WnuQb9D1Sn9wHa0dsxTbct9mzZqklNKwdTiMtz3d0c/anbKwVcuxBxsqM5C9FaxikG5l9YOOhsrXkz1k65Mg==",
	"https://www.w3.org/ns/credentials/v2":        "sha256-WZVc7WaX1h4D8rJVb+vlMIqxaEKEb1tYbX8fet7JJzQ= sha384-l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU sha512-XVVFK9Lc+KKfWikEc+skKxxft31OaPGgqoe6pNuiaUhS1l7GPUisBKmdlW+fcVO5QG+E0tBMdIabAsI5odgTBQ==",
	"https://www.w3.org/ns/did/v1":                "sha256-re+lAxE5PrG9eIo4rJ/iaWxlNnko9ploEs1UV3OU9No= sha384-zAm3mPG9My8w/g+qEMbFXLG0qcuuBIZdaj3c9wmbvgW56e6YLSr894KjAFpSe7q3 sha512-ZEXVpVqIglPyshYTKNAxDo93ikJwjM/3suxvI+rs9vOeJBsHxSjKJWw9mO0w7ajRbWN4ihzUU5mvehST+gmDxQ==",
	"https://w3id.org/security/data-integrity/v1": "sha256-xuUHP0vUv20I8kVzbm8ywpsBKGCxhYNkSy1x4d6GJmk= sha384-rLUG6XqqUDmSEKFVkSUGyc8PKAvkBetni3AycttI51twCcptRYlP6FbZymEjSEiQ sha512-QL0Ef4mx4KHpm668ff1pGEUt8YPrMe7WmWONO6dwZwb6TxonP3ar7HzKygnSjTFimyYLc/qPwbQbkqtwsnYG3A==",
}

// sumsWritten reads digests in the form of digestSRI.
func sumsWritten(digests string) sums {
	s := sums{}
	for _, one := range strings.Fields(digests) {
		hash, digest, _ := strings.Cut(one, "-")
		raw, err := base64.StdEncoding.DecodeString(digest)
		if err != nil {
			panic(err) // they are part of the program
		}
		s[hash] = string(raw)
	}
	return s
}

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
