package did_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
)

func Example() {
	signer, err := did.Ed25519FromSeed(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	id, method := did.KeyDID(signer.Public())
	signature, _ := signer.Sign(context.Background(), []byte("Ada passed."))

	found, err := did.NewResolver(nil).Resolve(context.Background(), id, did.Options{})
	if err != nil {
		panic(err)
	}
	key, _, err := found.Document.KeyFor(method, did.AssertionMethod)
	if err != nil {
		panic(err)
	}
	fmt.Println(id)
	fmt.Println(key.Verify([]byte("Ada passed."), signature))
	fmt.Println(key.Verify([]byte("Bob passed."), signature))
	// Output:
	// did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z
	// <nil>
	// the signature doesn't match the message and the key
}

func ExampleWeb() {
	id, _ := did.Web("http://localhost:8080", "p", "7F")
	where, _ := did.WebDocumentURL(id)
	fmt.Println(id)
	fmt.Println(where)
	// Output:
	// did:web:localhost%3A8080:p:7F
	// http://localhost:8080/p/7F/did.json
}

func TestParse(t *testing.T) {
	for _, s := range []string{"did:web:example.edu", "did:key:z6Mk", "did:a1:b:c", "did:a:::b", "did:x:%3A", "did:ethr:0x539:0xAB"} {
		d, err := did.Parse(s)
		if err != nil || d.String() != s {
			t.Errorf("Parse(%q) = %v, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "did", "did:", "did:web", "did:web:", "did:Web:a", "did::a", "DID:web:a", "did:web:a:", "did:web:a/b", "did:web:a#b", "did:web:a?b",
		"did:web:a b", "did:web:ä", "did:x:%", "did:x:%3", "did:x:%zz", "did:x:" + strings.Repeat("a", 5000)} {
		if d, err := did.Parse(s); !errors.Is(err, did.ErrInvalid) || !d.IsZero() {
			t.Errorf("Parse(%q) = %v, %v; want ErrInvalid", s, d, err)
		}
	}
	if m := must(did.Parse("did:web:a:b")).Method(); m != "web" {
		t.Errorf("Method = %q", m)
	}
	var holder struct {
		A, B did.DID
		C    map[did.DID]int
	}
	const text = `{"A":"did:web:a","B":"","C":{"did:web:b":1}}`
	if err := json.Unmarshal([]byte(text), &holder); err != nil || holder.A.String() != "did:web:a" || !holder.B.IsZero() {
		t.Errorf("Unmarshal: %+v, %v", holder, err)
	}
	if out, err := json.Marshal(holder); err != nil || string(out) != text {
		t.Errorf("Marshal = %s, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"nonsense"}`), &holder); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("Unmarshal of nonsense: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestParseURL(t *testing.T) {
	u, err := did.ParseURL("did:web:a.edu:p:1/x/y?versionId=2&a=b#key-1")
	want := did.URL{DID: must(did.Parse("did:web:a.edu:p:1")), Path: "/x/y", Query: "versionId=2&a=b", Fragment: "key-1"}
	if err != nil || u != want {
		t.Errorf("ParseURL = %+v, %v", u, err)
	}
	for _, s := range []string{"did:web:a", "did:web:a#", "did:web:a?", "did:web:a#a#b", "#key", "did:web:#a", "https://a", "did:web:a#ä", "did:web:a/%2"} {
		_, err := did.ParseURL(s)
		if s == "did:web:a" != (err == nil) {
			t.Errorf("ParseURL(%q): %v", s, err)
		}
	}
}

func TestWeb(t *testing.T) {
	for _, c := range []struct{ public, path, want, where string }{
		{"https://example.edu", "", "did:web:example.edu", "https://example.edu/.well-known/did.json"},
		{"https://Example.edu:443/", "p/1", "did:web:example.edu:p:1", "https://example.edu/p/1/did.json"},
		{"https://example.edu:8443/node/", "p/1", "did:web:example.edu%3A8443:node:p:1", "https://example.edu:8443/node/p/1/did.json"},
		{"http://localhost:8080", "", "did:web:localhost%3A8080", "http://localhost:8080/.well-known/did.json"},
		{"http://localhost", "", "did:web:localhost", "http://localhost/.well-known/did.json"},
		{"http://example.edu", "", "", ""},
		{"https://localhost", "", "", ""},
		{"https://127.0.0.1", "", "", ""},
		{"http://127.0.0.1:80", "", "", ""},
		{"https://[::1]", "", "", ""},
		{"https://u@example.edu", "", "", ""},
		{"https://example.edu?x", "", "", ""},
		{"https://example.edu#x", "", "", ""},
		{"https://example.edu", "..", "", ""},
		{"https://example.edu", "a b", "", ""},
		{"https://example.edu:0", "", "", ""},
		{"https://exa_mple.edu", "", "", ""},
		{"ftp://example.edu", "", "", ""},
		{"example.edu", "", "", ""},
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, "/")
		}
		d, err := did.Web(c.public, path...)
		if d.String() != c.want || (c.want == "") != errors.Is(err, did.ErrInvalid) {
			t.Errorf("Web(%q, %q) = %q, %v; want %q", c.public, c.path, d, err, c.want)
			continue
		}
		if c.want != "" {
			if where, err := did.WebDocumentURL(d); where != c.where || err != nil {
				t.Errorf("WebDocumentURL(%q) = %q, %v; want %q", d, where, err, c.where)
			}
		}
	}
	for _, s := range []string{"did:key:z6Mk", "did:web:127.0.0.1", "did:web:2130706433", "did:web:0x7f.0x1", "did:web:0x7f000001", "did:web:a..b", "did:web:-a", "did:web:a%2Fb", "did:web:a%40b",
		"did:web:a%3A", "did:web:a%3A0", "did:web:a%3A99999", "did:web:a%3A1%3A2", "did:web:a%3Ax", "did:web:a:..", "did:web:a:%2e%2E", "did:web:a:b%2Fc", "did:web:a::b", "did:web:a:b%00", "did:web:a%3A080"} {
		if where, err := did.WebDocumentURL(must(did.Parse(s))); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("WebDocumentURL(%q) = %q, %v; want ErrInvalid", s, where, err)
		}
	}
	if where, err := did.WebDocumentURL(must(did.Parse("did:web:a.edu%3a8443:x%20y"))); where != "https://a.edu:8443/x%20y/did.json" || err != nil {
		t.Errorf("WebDocumentURL = %q, %v", where, err)
	}
}

func TestPublicKeysAreCanonicalPoints(t *testing.T) {
	multibase := func(raw string) string {
		return did.EncodeMultibase(append([]byte{0xed, 0x01}, must(hex.DecodeString(raw))...))
	}
	ff := strings.Repeat("ff", 30)
	zero := strings.Repeat("00", 30)
	for name, raw := range map[string]string{
		"identity": "01" + zero + "00", "identity, x sign": "01" + zero + "80", "order 2": "ec" + ff + "7f", "order 2, x sign": "ec" + ff + "ff",
		"order 4": "00" + zero + "00", "order 4 too": "00" + zero + "80",
		"order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "order 8, x sign": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"order 8, -y": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "order 8, -y, x sign": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"y = p": "ed" + ff + "7f", "y = p+1": "ee" + ff + "7f", "y = p+2": "ef" + ff + "7f", "all ones": "ff" + ff + "ff", "no point": "02" + zero + "00",
		"short": "03", "long": "03" + zero + "0000",
	} {
		if k, err := did.ParseMultibase(multibase(raw)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("%s: %v, %v; want ErrInvalid", name, k, err)
		}
	}
	for range 50 {
		k := must(did.GenerateEd25519()).Public()
		if back, err := did.ParseMultibase(k.Multibase()); err != nil || back != k || !strings.HasPrefix(k.Multibase(), "z6Mk") {
			t.Fatalf("ParseMultibase(%s) = %v, %v", k.Multibase(), back, err)
		}
	}
	for s, want := range map[string]error{
		"": did.ErrInvalid, "z": did.ErrInvalid, "m6Mk": did.ErrInvalid, "z0": did.ErrInvalid, "z" + strings.Repeat("2", 2000): did.ErrInvalid,
		specX25519: did.ErrKeyNotSupported, specBLS: did.ErrKeyNotSupported, specJWK: did.ErrKeyNotSupported,
		did.EncodeMultibase(append([]byte{0xed, 0x81, 0x00}, 1, 2, 3)): did.ErrInvalid,
	} {
		if _, err := did.ParseMultibase(s); !errors.Is(err, want) {
			t.Errorf("ParseMultibase(%q): %v; want %v", s, err, want)
		}
	}
}

func TestSignaturesOfOneKeyOnly(t *testing.T) {
	ctx := context.Background()
	a, b := must(did.GenerateEd25519()), must(did.GenerateEd25519())
	msg := []byte("message")
	sig := must(a.Sign(ctx, msg))
	if err := a.Public().Verify(msg, sig); err != nil {
		t.Error(err)
	}
	for i := range sig {
		forged := bytes.Clone(sig)
		forged[i] ^= 1
		if a.Public().Verify(msg, forged) == nil {
			t.Errorf("a signature with byte %d changed verifies", i)
		}
	}
	// S + L is the same signature to a lax verifier (RFC 8032, 5.1.7).
	order := must(hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"))
	twin, carry := bytes.Clone(sig), 0
	for i := range 32 {
		carry += int(sig[32+i]) + int(order[i])
		twin[32+i], carry = byte(carry), carry>>8
	}
	for name, err := range map[string]error{
		"other key": b.Public().Verify(msg, sig), "short": a.Public().Verify(msg, sig[:63]), "empty": a.Public().Verify(msg, nil),
		"S+L": a.Public().Verify(msg, twin), "no key": did.PublicKey{}.Verify(msg, sig),
	} {
		if !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: %v; want ErrBadSignature", name, err)
		}
	}
	if c := must(did.Ed25519FromSeed(a.Seed())); c.Public() != a.Public() {
		t.Error("the seed gives another key")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, a); s != "signer of "+a.Public().Multibase() {
			t.Errorf("%s prints %q", verb, s)
		}
	}
}

const webDocument = `{"@context":["https://www.w3.org/ns/did/v1"],"id":"did:web:a.edu","controller":"did:web:b.edu","alsoKnownAs":["https://a.edu"],"unknown":{"x":1},
 "verificationMethod":[
  {"id":"#1","type":"Multikey","controller":"did:web:a.edu","publicKeyMultibase":"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2","expires":"2030-01-01T01:00:00+01:00"},
  {"id":"did:web:a.edu#2","type":"JsonWebKey","controller":"did:web:a.edu","publicKeyJwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
  {"id":"did:web:a.edu#3","type":"Multikey","controller":"did:web:other.edu","publicKeyMultibase":"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"},
  {"id":"did:web:a.edu#4","type":"EcdsaSomething","controller":"did:web:a.edu"},
  {"id":"did:web:a.edu#6","type":"Multikey","publicKeyMultibase":"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}],
 "assertionMethod":["#1","did:web:a.edu#2","#3","#4","#6",{"id":"#5","type":"Ed25519VerificationKey2020","controller":"did:web:a.edu","publicKeyMultibase":"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}],
 "authentication":"#1","service":[{"id":"#log","type":["CLRAnchorLog","X"],"serviceEndpoint":{"log":"eip155:1337:0x00"}}]}`

func TestDocument(t *testing.T) {
	d, err := did.ParseDocument([]byte(webDocument))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.VerificationMethod) != 6 || len(d.AssertionMethod) != 6 || len(d.Authentication) != 1 || !d.Service[0].Is("CLRAnchorLog") || d.Service[0].ID != "did:web:a.edu#log" {
		t.Errorf("ParseDocument = %+v", d)
	}
	if want := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC); !d.VerificationMethod[0].Expires.Equal(want) {
		t.Errorf("Expires = %v", d.VerificationMethod[0].Expires)
	}
	for _, c := range []struct {
		method string
		rel    did.Relationship
		want   error
	}{
		{"did:web:a.edu#1", did.AssertionMethod, nil}, {"did:web:a.edu#1", did.Authentication, nil}, {"did:web:a.edu#2", did.AssertionMethod, nil},
		{"did:web:a.edu#5", did.AssertionMethod, nil}, {"did:web:a.edu#2", did.Authentication, did.ErrNoKey}, {"did:web:a.edu#3", did.AssertionMethod, did.ErrNoKey},
		{"did:web:a.edu#4", did.AssertionMethod, did.ErrKeyNotSupported}, {"did:web:a.edu#6", did.AssertionMethod, did.ErrNoKey}, {"#1", did.AssertionMethod, did.ErrNoKey}, {"did:web:a.edu", did.AssertionMethod, did.ErrNoKey},
		{"", did.AssertionMethod, did.ErrNoKey}, {"did:web:a.edu#1", did.KeyAgreement, did.ErrNoKey}, {"did:web:a.edu#1", "no use", did.ErrNoKey},
	} {
		k, _, err := d.KeyFor(c.method, c.rel)
		if !errors.Is(err, c.want) || (err == nil) != (k != did.PublicKey{}) {
			t.Errorf("KeyFor(%q, %s) = %v, %v; want %v", c.method, c.rel, k, err, c.want)
		}
	}
	back, err := did.ParseDocument(d.JSON())
	if err != nil || !reflect.DeepEqual(back, d) {
		t.Errorf("ParseDocument(JSON()) = %+v, %v\nwant %+v", back, err, d)
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	for _, s := range []string{``, `[]`, `{}`, `{"id":1}`, `{"id":"x"}`, `{"id":"did:a:b#c"}`, `{"id":"did:a:b","id":"did:a:c"}`, `{"id":"did:a:b","controller":1}`, `{"id":"did:a:b","controller":["x"]}`,
		`{"id":"did:a:b","alsoKnownAs":[1]}`, `{"id":"did:a:b","verificationMethod":null}`, `{"id":"did:a:b","verificationMethod":["x"]}`, `{"id":"did:a:b","verificationMethod":7}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"did:a:b","type":"Multikey","controller":"did:a:b"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"key","type":"Multikey","controller":"did:a:b"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","controller":"did:a:b"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"Multikey","controller":"x"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"Multikey","controller":"did:a:b","publicKeyMultibase":7}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"Multikey","controller":"did:a:b","expires":"2030-01-01"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"JsonWebKey","controller":"did:a:b","publicKeyJwk":{"kty":"OKP","d":"AA"}}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"JsonWebKey","controller":"did:a:b","publicKeyJwk":{},"publicKeyMultibase":"z"}]}`,
		`{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"Multikey","controller":"did:a:b"},{"id":"did:a:b#1","type":"Multikey","controller":"did:a:b"}]}`,
		`{"id":"did:a:b","assertionMethod":[7]}`, `{"id":"did:a:b","assertionMethod":["x"]}`,
		`{"id":"did:a:b","service":[{"id":"#s","type":"T"}]}`, `{"id":"did:a:b","service":[{"id":"s","type":"T","serviceEndpoint":"x"}]}`, `{"id":"did:a:b","service":[{"id":"#s","serviceEndpoint":"x"}]}`,
		strings.Repeat(" ", 1<<20) + `{"id":"did:a:b"}`,
	} {
		if d, err := did.ParseDocument([]byte(s)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("ParseDocument(%.100s) = %+v, %v; want ErrInvalid", s, d, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"did:web:localhost%3A8080:p:7F", "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", "did:a:b:%20", "did::", "did:webvh:QmfGEUAcMpzo25kF2Rhn8L2FAXysfGnkzjwdKoNPi615XQ:a.edu%3A80:p"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := did.Parse(s)
		if err != nil {
			return
		}
		if d.String() != s || d.Method() == "" {
			t.Fatalf("Parse(%q).String() = %q", s, d)
		}
		if u, err := did.ParseURL(s); err != nil || u != (did.URL{DID: d}) {
			t.Fatalf("a DID isn't a DID URL: %+v, %v", u, err)
		}
		if where, err := did.WebDocumentURL(d); err == nil && !strings.HasPrefix(where, "https://") && !strings.HasPrefix(strings.ToLower(where), "http://localhost") {
			t.Fatalf("WebDocumentURL(%q) = %q", s, where)
		}
		if where, err := did.WebVHLogURL(d); err == nil && !strings.HasPrefix(where, "https://") && !strings.HasPrefix(strings.ToLower(where), "http://localhost") {
			t.Fatalf("WebVHLogURL(%q) = %q", s, where)
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"did:web:a/b?c=d#e", "did:a:b#%20", "did:a:b??", "did:a:b#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := did.ParseURL(s); err == nil && u.String() != s {
			t.Fatalf("ParseURL(%q).String() = %q", s, u)
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(webDocument))
	f.Add([]byte(oldDocument))
	f.Add([]byte(`{"id":"did:a:b","service":{"id":"#s","type":"T","serviceEndpoint":["x"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := did.ParseDocument(raw)
		if err != nil {
			return
		}
		for _, m := range d.VerificationMethod {
			d.KeyFor(m.ID, did.AssertionMethod)
		}
		back, err := did.ParseDocument(d.JSON())
		if err != nil {
			t.Fatalf("%v in %s", err, d.JSON())
		}
		if !reflect.DeepEqual(back, d) {
			t.Fatalf("%+v\n%+v", d, back)
		}
		lookIn(t, did.Resolution{Document: d, Published: must(jcs.Transform(raw))})
	})
}

// lookIn finds everything in a document that has an id, by that id.
func lookIn(t *testing.T, r did.Resolution) {
	t.Helper()
	if back, err := did.ParseDocument(r.Expanded().JSON()); err != nil || !reflect.DeepEqual(back, r.Document) {
		t.Errorf("%s expanded is another document, %s, %v", r.Published, r.Expanded().JSON(), err)
	}
	for _, m := range r.Document.VerificationMethod {
		if part, err := r.Find(must(did.ParseURL(m.ID))); err != nil || !json.Valid(part) {
			t.Errorf("find %s in %s: %s, %v", m.ID, r.Published, part, err)
		}
	}
	for _, s := range r.Document.Service {
		one := r.Select(s.ID, "")
		if back, err := did.ParseDocument(one.JSON()); err != nil || len(back.Service) != 1 || !reflect.DeepEqual(back, one.Document) {
			t.Errorf("the service %s of %s is %s, %v", s.ID, r.Published, one.JSON(), err)
		}
		all, err := one.Document.Endpoints("", "")
		below, err2 := one.Document.Endpoints("a/../../b?c", "d")
		if err != nil || err2 != nil {
			continue
		}
		for i := range all {
			if a, b := must(url.Parse(all[i])), must(url.Parse(below[i])); a.Host != b.Host || a.Scheme != b.Scheme {
				t.Errorf("%s leads to %s", all[i], below[i])
			}
		}
	}
}
