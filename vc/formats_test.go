package vc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// keysOf makes one key of each algorithm for all tests.
var keysOf = sync.OnceValue(func() map[string]*did.MemorySigner {
	all := map[string]*did.MemorySigner{}
	for _, alg := range []string{"Ed25519", "P-256", "P-384", "RSA"} {
		s, err := did.Generate(alg)
		if err != nil {
			panic(err)
		}
		all[alg] = s
	}
	return all
})

func keyFor(s did.Signer) (string, Key) {
	d, method := did.KeyDID(s.Public())
	return d.String(), Key{method, s}
}

// A sample is a credential or presentation in one of the formats, good before it is altered.
type sample struct {
	name   string
	alg    string
	signed Signed
	other  Signed // another one by the same key
	key    Key
	graph  bool // the proof is over N-Quads: sets have no order
	many   bool // it has several proofs
}

func (s *sample) presentation() bool { return isPresentation(s.signed.doc) }

// verifies says whether raw is taken for somebody's, or for valid.
func (s *sample) verifies(raw []byte) (bool, error) {
	p := Policy{Trust: TrustAnyIssuerUnsafe(), Now: now}
	if s.presentation() {
		p.Challenge, p.Domain = "of this day", "verifier.example"
		v, err := VerifyPresentation(context.Background(), raw, p)
		return v != nil || err == nil, err
	}
	v, err := Verify(context.Background(), raw, p)
	return v != nil || err == nil, err
}

// samples are all formats in which this package verifies, each as a credential and as a
// presentation.
func samples(t testing.TB) []sample {
	t.Helper()
	var all []sample
	must := func(s Signed, err error) Signed {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	make := func(name, alg string, graph bool, sign func(c Credential, k Key, presentation bool) Signed) {
		issuer, k := keyFor(keysOf()[alg])
		v1 := strings.Contains(name, "1.1") || strings.Contains(name, "2020")
		credential := func(n int) Credential {
			c := Credential{"@context": []any{clr.ContextVC, "https://www.w3.org/ns/credentials/examples/v2"}, "id": fmt.Sprintf("urn:x:%d", n), "type": []any{"VerifiableCredential", "ExampleDegreeCredential"}, "issuer": map[string]any{"id": issuer, "name": "School"},
				"name": "Degree", "validFrom": "2026-01-01T00:00:00Z", "validUntil": "2036-01-01T00:00:00Z",
				"credentialSubject": map[string]any{"id": learner, "degree": map[string]any{"type": "ExampleBachelorDegree", "name": fmt.Sprint("BSc ", n)}, "alumniOf": []any{"One", "Two"}, "gpa": 3.5, "honours": true}}
			if v1 {
				c["@context"] = []any{contextV1, map[string]any{"@vocab": "https://example.edu/terms#"}, "https://w3id.org/security/suites/ed25519-2020/v1"}
				delete(c, "validFrom")
				delete(c, "validUntil")
				c["issuanceDate"], c["expirationDate"] = "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
			}
			return c
		}
		present := func(s Signed) Credential {
			inner := any(members(s))
			if s.token != nil {
				if inner = map[string]any(Envelope(s)); v1 {
					inner = string(s.raw)
				}
			}
			c := Credential{"@context": []any{clr.ContextVC}, "id": "urn:x:p" + s.ID()[6:], "type": []any{"VerifiablePresentation"}, "holder": issuer, "verifiableCredential": []any{inner}}
			if v1 {
				c["@context"] = []any{contextV1, "https://w3id.org/security/suites/ed25519-2020/v1"}
			}
			return c
		}
		one, two := sign(credential(1), k, false), sign(credential(2), k, false)
		many := strings.Contains(name, "proof")
		all = append(all, sample{name, alg, one, two, k, graph, many})
		if !many {
			all = append(all, sample{name + " presented", alg, sign(present(one), k, true), sign(present(two), k, true), k, graph, many})
		}
	}
	in := func(form Form) func(c Credential, k Key, presentation bool) Signed {
		return func(c Credential, k Key, presentation bool) Signed {
			o := Options{Form: form, Created: issuedAt, Expires: now.AddDate(20, 0, 0)}
			if presentation {
				o.Challenge, o.Domain = "of this day", []string{"verifier.example"}
				return must(Present(context.Background(), c, k, o))
			}
			return must(Issue(context.Background(), c, k, o))
		}
	}
	make("eddsa-rdfc-2022", "Ed25519", true, in(FormRDFC))
	make("eddsa-jcs-2022", "Ed25519", false, in(FormJCS))
	for _, alg := range []string{"P-256", "P-384"} {
		make("ecdsa-rdfc-2019 "+alg, alg, true, in(FormRDFC))
		make("ecdsa-jcs-2019 "+alg, alg, false, in(FormJCS))
	}
	make("Ed25519Signature2020", "Ed25519", true, func(c Credential, k Key, presentation bool) Signed {
		proof := map[string]any{"type": "Ed25519Signature2020", "verificationMethod": k.Method, "created": "2026-06-01T12:00:00Z", "proofPurpose": "assertionMethod", "expires": "2046-06-01T12:00:00Z"}
		if presentation {
			proof["proofPurpose"], proof["challenge"], proof["domain"] = "authentication", "of this day", "verifier.example"
		}
		suite, _ := suiteOf(tree(proof))
		signed, err := newPayload(tree(c)).sign(context.Background(), suite, tree(proof), k.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return sealed(tree(c).With("proof", signed))
	})
	for _, alg := range []string{"Ed25519", "P-256", "P-384", "RSA"} {
		make("VC-JWT 2.0 "+alg, alg, false, in(FormJWT))
		make("VC-JWT 1.1 "+alg, alg, false, in(FormJWT11))
	}
	several := func(chain bool) func(c Credential, k Key, presentation bool) Signed {
		return func(c Credential, k Key, _ bool) Signed {
			s := must(Issue(context.Background(), c, k, Options{Created: issuedAt, ProofID: "urn:x:a"}))
			o := Options{Created: issuedAt.AddDate(0, 0, 1), ProofID: "urn:x:b", Form: FormRDFC}
			if chain {
				o.Previous = []string{"urn:x:a"}
			}
			return must(AddProof(context.Background(), s, k, o))
		}
	}
	make("proof set", "Ed25519", true, several(false))
	make("proof chain", "Ed25519", true, several(true))
	for i := range all {
		if ok, err := all[i].verifies(all[i].signed.Bytes()); !ok || err != nil {
			t.Fatalf("%s doesn't verify: %v", all[i].name, err)
		}
	}
	return all
}

// changed gives other values for one, each of which says something else.
func changed(v any) []any {
	switch v := v.(type) {
	case string:
		b := []byte(v)
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		all := []any{v + "x", "", []any{v, "x"}, json.Number("1"), nil}
		if altered := strings.ToValidUTF8(string(b), "?"); altered != v {
			all = append(all, altered)
		}
		if up := strings.ToUpper(v); up != v {
			all = append(all, up)
		}
		return all
	case json.Number:
		return []any{json.Number(string(v) + "1"), "x" + string(v), false}
	case bool:
		return []any{!v, fmt.Sprint(v)}
	case []any:
		return []any{[]any{}, append(slices.Clone(v), "x"), map[string]any{"x": "y"}}
	}
	return []any{map[string]any{}, "x", []any{}}
}

// alterations makes every copy of s in which one thing is another, and says what.
func (s *sample) alterations(doc map[string]any, see func(what string, raw []byte)) {
	write := func(what string, d map[string]any) {
		raw, err := jcs.Marshal(d)
		if err == nil {
			see(what, raw)
		}
	}
	copies := func(path string, do func(at spot)) map[string]any {
		d := deepCopy(doc).(map[string]any)
		for _, at := range spots(d) {
			if at.path == path {
				do(at)
				return d
			}
		}
		panic(path)
	}
	for _, at := range spots(doc) {
		for i, v := range changed(at.get()) {
			write(fmt.Sprintf("change %d of %s", i, at.path), copies(at.path, func(c spot) { c.set(v) }))
		}
		if o, ok := at.parent.(map[string]any); ok {
			write("drop "+at.path, copies(at.path, func(c spot) { delete(c.parent.(map[string]any), c.key) }))
			write("rename "+at.path, copies(at.path, func(c spot) {
				p := c.parent.(map[string]any)
				p[c.key+"2"] = p[c.key]
				delete(p, c.key)
			}))
			// A second member of the same name, as text.
			raw, _ := jcs.Marshal(o)
			member, _ := jcs.Marshal(map[string]any{at.key: o[at.key]})
			whole, _ := jcs.Marshal(doc)
			twice := append(append(slices.Clone(member[:len(member)-1]), ','), raw[1:]...)
			see("twice "+at.path, bytes.Replace(whole, raw, twice, 1))
		}
		if list, ok := at.get().([]any); ok && len(list) > 1 {
			write("turn round "+at.path, copies(at.path, func(c spot) {
				l := slices.Clone(c.get().([]any))
				slices.Reverse(l)
				c.set(l)
			}))
			for i := range list {
				write(fmt.Sprintf("shorten %s by %d", at.path, i), copies(at.path, func(c spot) { c.set(slices.Delete(slices.Clone(c.get().([]any)), i, i+1)) }))
			}
		}
	}
}

// onlyProofsAreFewer says whether raw is s, and each of its proofs is one of s or of a
// suite that nobody here knows.
func (s *sample) onlyProofsAreFewer(raw []byte) bool {
	d, err := jcs.Read(raw)
	if err != nil || !bytes.Equal(d.Without("proof").Append(nil), s.signed.doc.Without("proof").Append(nil)) {
		return false
	}
	text := func(v jcs.Value) string { v.Name = ""; return string(v.Append(nil)) }
	var known []string
	for _, p := range s.signed.doc.Get("proof").Items() {
		known = append(known, text(p))
	}
	left := 0
	for _, p := range d.Get("proof").Items() {
		suite, name := suiteOf(&p)
		if slices.Contains(known, text(p)) {
			left++
		} else if suite != nil || name == "" || name == "DataIntegrityProof" {
			return false
		}
	}
	return left > 0
}

// Of every format each leaf is changed, each member dropped, renamed and doubled, each
// list turned round and shortened. What verifies all the same says the same: up to the
// order of sets and arrays of one member where the proof is over N-Quads, to the byte
// elsewhere. What Data Integrity leaves open of several proofs: one of a set, or the
// last of a chain, can be taken away, or become one of a suite that nobody here knows,
// of which the report warns.
func TestNoAlteredCopyVerifies(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			tried := 0
			check := func(what string, raw []byte, same bool) {
				tried++
				if ok, _ := s.verifies(raw); ok && !same {
					t.Errorf("verifies in spite of: %s", what)
				}
			}
			if s.signed.token == nil {
				doc := members(s.signed)
				want, wantBytes := clr.Normal(nil, s.signed.doc), s.signed.Bytes()
				s.alterations(doc, func(what string, raw []byte) {
					same := false
					if d, err := jcs.Read(raw); err == nil {
						same = bytes.Equal(d.Append(nil), wantBytes) || s.graph && bytes.Equal(clr.Normal(nil, d), want)
					}
					same = same || s.many && s.onlyProofsAreFewer(raw)
					check(what, raw, same)
				})
			} else {
				parts := strings.Split(string(s.signed.raw), ".")
				for i, name := range []string{"header", "payload"} {
					text, _ := base64.RawURLEncoding.DecodeString(parts[i])
					o, _ := jcs.Parse(text)
					s.alterations(o.(map[string]any), func(what string, raw []byte) {
						p := slices.Clone(parts)
						p[i] = base64.RawURLEncoding.EncodeToString(raw)
						token := strings.Join(p, ".")
						check(name+": "+what, []byte(token), token == string(s.signed.raw))
					})
				}
			}
			if tried < 100 {
				t.Errorf("%d altered copies only", tried)
			}
		})
	}
}

// signatures are wrong spellings and forgeries of one, by name. A high s isn't among
// them: half of all signers make it (see did.PublicKey.Verify).
func signatures(alg string, sig []byte) map[string][]byte {
	wrong := map[string][]byte{"none": {}, "cut": sig[:len(sig)-1], "longer": append(slices.Clone(sig), 0), "zeros in front": append([]byte{0}, sig...), "all zero": make([]byte, len(sig)),
		"all ones": bytes.Repeat([]byte{255}, len(sig)), "turned round": func() []byte { b := slices.Clone(sig); slices.Reverse(b); return b }()}
	half := len(sig) / 2
	with := func(r, s []byte) []byte { return append(slices.Clone(r), s...) }
	order := map[string]string{"P-256": "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
		"P-384": "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"}[alg]
	switch alg {
	case "Ed25519":
		l, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
		s := slices.Clone(sig[half:])
		slices.Reverse(s)
		more := new(big.Int).Add(new(big.Int).SetBytes(s), l).FillBytes(make([]byte, 32))
		slices.Reverse(more)
		wrong["S + L"] = with(sig[:half], more)
	case "P-256", "P-384":
		n, _ := new(big.Int).SetString(order, 16)
		wrong["zero r"], wrong["zero s"] = with(make([]byte, half), sig[half:]), with(sig[:half], make([]byte, half))
		wrong["s is the order"], wrong["r is the order"] = with(sig[:half], n.Bytes()), with(n.Bytes(), sig[half:])
		wrong["r and s change places"] = with(sig[half:], sig[:half])
	}
	return wrong
}

func TestNoForgedSignatureVerifies(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			refused := func(what, raw string) {
				if ok, _ := s.verifies([]byte(raw)); ok {
					t.Errorf("verifies in spite of: %s", what)
				}
			}
			if s.signed.token != nil {
				end := strings.LastIndexByte(string(s.signed.raw), '.')
				signed, text := string(s.signed.raw[:end+1]), string(s.signed.raw[end+1:])
				sig, _ := base64.RawURLEncoding.DecodeString(text)
				for what, b := range signatures(s.alg, sig) {
					refused("a signature "+what, signed+base64.RawURLEncoding.EncodeToString(b))
				}
				refused("another's signature", signed+string(s.other.raw[strings.LastIndexByte(string(s.other.raw), '.')+1:]))
				for what, token := range map[string]string{
					"padding": signed + text + "==", "a line end": signed + text[:4] + "\n" + text[4:], "base64": signed + strings.NewReplacer("-", "+", "_", "/").Replace(text) + "=",
					"four parts": signed + text + ".", "a part in front": "e30." + signed + text, "disclosures": signed + text + "~", "white space within": strings.Replace(signed, ".", " .", 1) + text,
				} {
					refused(what, token)
				}
				// The last character has bits that say nothing.
				if last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[len(text)-1]); len(sig)%3 != 0 {
					refused("idle bits", signed+text[:len(text)-1]+string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1]))
				}
				return
			}
			list := s.signed.doc.Get("proof").Items()
			with := func(value string) string {
				proof := list[0].With("proofValue", jcs.NewString(value))
				all := []*jcs.Value{proof}
				for i := 1; i < len(list); i++ {
					all = append(all, &list[i])
				}
				return string(s.signed.doc.With("proof", jcs.NewArray(all...)).Append(nil))
			}
			text := list[0].Str("proofValue")
			sig, err := did.DecodeMultibase(text)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := s.verifies([]byte(with(text))); !ok {
				t.Fatal(err)
			}
			for what, b := range signatures(s.alg, sig) {
				refused("a signature "+what, with(did.EncodeMultibase(b)))
			}
			other := s.other.doc.Get("proof").Items()
			refused("another's signature", with(other[0].Str("proofValue")))
			refused("another's proof", string(s.signed.doc.With("proof", &other[0]).Append(nil)))
			for what, value := range map[string]string{"a zero in front": "z1" + text[1:], "base64url": "u" + base64.RawURLEncoding.EncodeToString(sig), "no multibase": text[1:], "white space": text + " ",
				"a character that isn't": text[:9] + "0" + text[10:], "hex": fmt.Sprintf("f%x", sig), "upper case": "Z" + text[1:]} {
				refused("a signature as "+what, with(value))
			}
		})
	}
}
