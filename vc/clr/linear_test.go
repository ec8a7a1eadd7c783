package clr

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

// heavy are records by which a stranger would keep Check busy. n is about their
// size in bytes.
var heavy = map[string]func(t testing.TB, n int) map[string]any{
	"one id on many objects, the first of them big": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		a := at(c, "/credentialSubject/verifiableCredential/0/credentialSubject/achievement").(map[string]any)
		a["note"] = map[string]any{"text": strings.Repeat("x", n/2)}
		twin := map[string]any{"id": a["id"], "type": "Achievement", "name": "x"}
		var list []any
		for i := range n / 200 {
			list = append(list, map[string]any{"n": fmt.Sprint(i), "of": twin})
		}
		a["twins"] = list
		return c
	},
	"one id on many objects that are the same": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		a := at(c, "/credentialSubject/verifiableCredential/0/credentialSubject/achievement").(map[string]any)
		var list []any
		for i := range n / 400 {
			list = append(list, map[string]any{"n": fmt.Sprint(i), "of": map[string]any{"id": "urn:x:1", "name": "x", "list": []any{"a", "b"}}})
		}
		a["twins"] = list
		return c
	},
	"sets in sets": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		a := at(c, "/credentialSubject/verifiableCredential/0/credentialSubject/achievement").(map[string]any)
		v := any(strings.Repeat("x", n))
		for i := range 40 {
			v = []any{map[string]any{"in": v}, map[string]any{"in": fmt.Sprint(i)}}
		}
		a["sets"] = v
		return c
	},
	"large sets of sets without ids": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		list := make([]any, n/100)
		for i := range list {
			list[i] = map[string]any{"a": []any{fmt.Sprint(i), "x", map[string]any{"b": "x"}}, "b": []any{map[string]any{"c": "x"}, map[string]any{"c": "y"}}}
		}
		c["sets"] = list
		return c
	},
	"many small sets that look alike": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		list := make([]any, n/400)
		for i := range list {
			set := make([]any, fewMembers)
			for j := range set {
				set[j] = map[string]any{"a": []any{"x", "y"}, "n": float64(i*fewMembers + j)}
			}
			list[i] = map[string]any{"id": fmt.Sprint("urn:x:", i), "set": set}
		}
		c["sets"] = list
		return c
	},
	"many results of many descriptions": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		s := at(c, "/credentialSubject/verifiableCredential/0/credentialSubject").(map[string]any)
		descriptions, results, levels := make([]any, n/1000), make([]any, n/1000), make([]any, n/1000)
		for i := range descriptions {
			levels[i] = map[string]any{"id": fmt.Sprint("urn:x:level:", i), "type": "RubricCriterionLevel", "name": "x"}
			descriptions[i] = map[string]any{"id": fmt.Sprint("urn:x:description:", i), "type": "ResultDescription", "name": "x", "resultType": "Result"}
			results[i] = map[string]any{"id": fmt.Sprint("urn:x:result:", i), "type": "Result", "value": "x",
				"resultDescription": "urn:x:description:0", "achievedLevel": fmt.Sprint("urn:x:level:", i)}
		}
		descriptions[0].(map[string]any)["rubricCriterionLevel"] = levels
		s["achievement"].(map[string]any)["resultDescription"], s["result"] = descriptions, results
		return c
	},
	"credentials in credentials": func(t testing.TB, n int) map[string]any {
		badge := at(sampleCredential(t), "/credentialSubject/verifiableCredential/0").(map[string]any)
		badge["credentialSubject"].(map[string]any)["id"] = badge["issuer"].(map[string]any)["id"] // described beside
		badge["credentialSubject"].(map[string]any)["note"] = "x"
		list := make([]any, n/20_000)
		for i := range list {
			inner := any(maps.Clone(badge))
			for range 5 {
				outer := maps.Clone(badge)
				outer["note"] = map[string]any{"verifiableCredential": inner}
				inner = outer
			}
			list[i] = map[string]any{"note": inner}
		}
		badge["notes"] = list
		return badge
	},
	"a long name around much": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		list := make([]any, n/8)
		for i := range list {
			list[i] = map[string]any{}
		}
		c[strings.Repeat("x", n/2)] = map[string]any{"verifiableCredential": list}
		return c
	},
	"many things wrong": func(t testing.TB, n int) map[string]any {
		c := sampleCredential(t)
		list := make([]any, n/8)
		for i := range list {
			list[i] = map[string]any{"type": "x"}
		}
		c["termsOfUse"], c["credentialSchema"], c["evidence"] = []any{"x"}, list, list
		return c
	},
}

// The work of Check is in proportion to the document: four times as much is not more
// than four times the work, and a little.
func TestCheckIsLinear(t *testing.T) {
	for name, make := range heavy {
		t.Run(name, func(t *testing.T) {
			measure := func(n int) int {
				doc := tree(t, make(t, n))
				_, work := check(doc)
				for _, e := range FirstEmbedded(doc, 100) {
					work += len(e.Pointer)
				}
				return work
			}
			small, big := measure(500_000), measure(2_000_000)
			t.Logf("0.5 MB %d, 2 MB %d", small, big)
			if big > 5*small || small > 10*500_000 {
				t.Errorf("0.5 MB was %d steps, 2 MB %d", small, big)
			}
		})
	}
}

// The numbers of values and the normal form agree on what is the same.
func FuzzSameIsOfTheNormalForm(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":["c"]},2]}`), []byte(`{"a":[2,{"b":"c"}]}`))
	f.Add([]byte(`{"allowedValue":["a","b"]}`), []byte(`{"allowedValue":["b","a"]}`))
	f.Add([]byte(`[1.0,"[1]",[["x"]]]`), []byte(`["x",1,"[1]"]`))
	f.Add([]byte(`"{}"`), []byte(`{}`))
	f.Add([]byte(`[[],{},"",null,true]`), []byte(`[true,null,"",{},[]]`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, err := jcs.Read(a)
		if err != nil {
			return
		}
		y, err := jcs.Read(b)
		if err != nil {
			return
		}
		nx, ny := Normal(nil, x), Normal(nil, y)
		s := newSame()
		if one := s.of(x, "") == s.of(y, ""); bytes.Equal(nx, ny) != one {
			t.Errorf("normal forms\n%s\n%s\nnumbers equal: %v", nx, ny, one)
		}
	})
}

func TestIssuersHaveOneSpelling(t *testing.T) {
	for id, good := range map[string]bool{
		"did:web:example.edu": true, "https://example.edu/A": true, "urn:UUID:1": true, "did:key:zABC": true,
		"HTTPS://example.edu": false, "Did:web:example.edu": false, "did:WEB:example.edu": false, "hTtp://example.edu": false, "DID:x": false,
	} {
		c := sampleCredential(t)
		var loud bool
		c["issuer"].(map[string]any)["id"] = id
		for _, p := range Check(tree(t, c)) {
			loud = loud || p.Code == "issuer.case"
		}
		if loud == good {
			t.Errorf("%s: refused %v", id, loud)
		}
	}
}

// A description that the outer issuer lost, and the one inside keeps, is the same graph.
func TestAnIssuerIsNotNamedAroundItsDescription(t *testing.T) {
	c := sampleCredential(t)
	if p := Check(tree(t, c)); len(p) > 0 {
		t.Fatal(p)
	}
	c["issuer"] = c["issuer"].(map[string]any)["id"]
	if p := Check(tree(t, c)); len(p) == 0 || p[0].Code != "id.twice" {
		t.Errorf("%v", p)
	}
}
