package vc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
)

// megabyte is the size of the documents below.
const megabyte = 1 << 20

// repeated is a list of texts, each made from its number, that is a megabyte long.
func repeated(sep string, each func(i int) string) string {
	var b strings.Builder
	for i := 0; b.Len() < megabyte-200; i++ {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(each(i))
	}
	return b.String()
}

// monsters are documents of a megabyte, each too much of something. %s is where the
// issuer stands.
func monsters(t *testing.T, issuer string) map[string]string {
	t.Helper()
	start := `{"@context":["https://www.w3.org/ns/credentials/v2","https://www.w3.org/ns/credentials/examples/v2"],"type":["VerifiableCredential"],"issuer":"` + issuer + `","validFrom":"2026-01-01T00:00:00Z",`
	in := func(subject string) string { return start + `"credentialSubject":{"id":"a:b",` + subject + `}}` }
	inline := func(context, subject string) string {
		return strings.Replace(in(subject), `"https://www.w3.org/ns/credentials/examples/v2"`, context, 1)
	}
	record := `{"@context":["https://www.w3.org/ns/credentials/v2","https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json","https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"],"type":["VerifiableCredential","ClrCredential"],"id":"a:1","name":"x","issuer":{"id":"` + issuer + `","type":["Profile"]},"validFrom":"2026-01-01T00:00:00Z","credentialSubject":{"type":["ClrSubject"],"verifiableCredential":[%s]}%s}`
	badge := func(i int) string {
		return fmt.Sprintf(`{"@context":["https://www.w3.org/ns/credentials/v2","https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"],"type":["VerifiableCredential","AchievementCredential"],"id":"a:%d","name":"x","issuer":{"id":"%s","type":["Profile"]},"validFrom":"2026-01-01T00:00:00Z","credentialSubject":{"id":"a:b","type":["AchievementSubject"],"achievement":{"id":"a:c%d","type":["Achievement"],"name":"x","description":"x","criteria":{"narrative":"x"}}},"proof":[{"type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022","verificationMethod":"%s#x","proofPurpose":"assertionMethod","proofValue":"z1"}]}`, i, issuer, i, issuer)
	}
	deep := func(open, close string, n int) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(close, n)
	}
	return map[string]string{
		"arrays in arrays":              in(`"a":` + deep("[", "]", megabyte/2)),
		"arrays as deep as may be":      in(`"a":[` + repeated(",", func(int) string { return deep("[", "]", jcs.MaxDepth-5) }) + `]`),
		"objects as deep as may be":     in(`"a":[` + repeated(",", func(int) string { return deep(`{"a":`, "}", jcs.MaxDepth-5) }) + `]`),
		"members":                       in(repeated(",", func(i int) string { return fmt.Sprintf(`"m%d":1`, i) })),
		"elements":                      in(`"a":[` + repeated(",", func(int) string { return "1" }) + `]`),
		"different elements":            in(`"a":[` + repeated(",", func(i int) string { return fmt.Sprint(i) }) + `]`),
		"empty objects":                 in(`"a":[` + repeated(",", func(int) string { return "{}" }) + `]`),
		"blank nodes":                   in(`"a":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"b":%d}`, i) }) + `]`),
		"equal blank nodes":             in(`"a":[` + repeated(",", func(int) string { return `{"b":1}` }) + `]`),
		"chains of blank nodes":         in(`"a":[` + repeated(",", func(i int) string { return `{"b":{"b":{"b":{"b":{}}}}}` }) + `]`),
		"a blank node that all name":    in(`"a":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"id":"_:b%d","b":{"id":"_:b%d"}}`, i, (i*7+3)%1000) }) + `]`),
		"a long number":                 in(`"a":` + strings.Repeat("9", 300) + "." + strings.Repeat("9", megabyte)),
		"a long exponent":               in(`"a":1e-` + strings.Repeat("9", megabyte)),
		"a long string":                 in(`"a":"` + strings.Repeat("x", megabyte) + `"`),
		"escapes":                       in(`"a":"` + strings.Repeat(`\u0001`, megabyte/6) + `"`),
		"escapes of two surrogates":     in(`"a":"` + strings.Repeat(`\ud83d\ude00`, megabyte/12) + `"`),
		"a long name":                   in(`"` + strings.Repeat("x", megabyte) + `":1`),
		"credentials below a long name": in(`"` + strings.Repeat("x", megabyte/2) + `":[` + strings.Repeat(`{"proof":1,"type":"VerifiableCredential"},`, 4900) + `"` + strings.Repeat("x", megabyte/3) + `"]`),
		"nulls below a long name":       in(`"` + strings.Repeat("x", megabyte/2) + `":[` + strings.Repeat(`null,`, 50_000) + `"` + strings.Repeat("x", megabyte/4) + `"]`),
		"digits below a long name":      in(`"` + strings.Repeat("x", megabyte/2) + `":[` + strings.Repeat(`1e-7,`, 1) + strings.Repeat(`0.30000000000000004,`, 20_000) + `1]`),
		"a long id":                     in(`"a":{"id":"a:` + strings.Repeat("x", megabyte) + `","b":1}`),
		"languages":                     in(`"name":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"@value":"x","@language":"a%d"}`, i%999) }) + `]`),
		"contexts":                      strings.Replace(in(`"a":1`), `"https://www.w3.org/ns/credentials/examples/v2"`, repeated(",", func(i int) string { return `"https://www.w3.org/ns/credentials/examples/v2"` }), 1),
		"unknown contexts":              strings.Replace(in(`"a":1`), `"https://www.w3.org/ns/credentials/examples/v2"`, repeated(",", func(i int) string { return fmt.Sprintf(`"https://a.example/%d"`, i) }), 1),
		"contexts inside":               in(`"a":[` + repeated(",", func(i int) string { return `{"@context":"https://www.w3.org/ns/credentials/examples/v2","b":1}` }) + `]`),
		"a context of many terms":       inline(`{`+repeated(",", func(i int) string { return fmt.Sprintf(`"t%d":"a:%d"`, i, i) })+`}`, `"t1":1`),
		"terms made of terms":           inline(`{"t0":"a:b",`+repeated(",", func(i int) string { return fmt.Sprintf(`"t%d":"t%d:x"`, i+1, i) })+`}`, `"t1":1`),
		"many contexts of one's own":    inline(repeated(",", func(i int) string { return fmt.Sprintf(`{"t%d":"a:b"}`, i) }), `"t1":1`),
		"contexts of one's own, inside": inline(`{"@vocab":"a:"}`, `"a":[`+repeated(",", func(i int) string { return `{"@context":{"b":"a:c"},"b":1}` })+`]`),
		"contexts in each other":        inline(`{"@vocab":"a:"}`, `"a":[`+repeated(",", func(i int) string { return deep(`{"@context":{"b":"a:c"},"b":`, "}", 60) })+`]`),
		"nested scopes":                 inline(deep(`{"a":{"@id":"a:a","@context":`, "}}", 60), `"a":1`),
		"proofs":                        strings.TrimSuffix(in(`"a":1`), "}") + `,"proof":[` + repeated(",", func(int) string { return `{}` }) + `]}`,
		"a proof of many members":       strings.TrimSuffix(in(`"a":1`), "}") + `,"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022",` + repeated(",", func(i int) string { return fmt.Sprintf(`"m%d":1`, i) }) + `}}`,
		"previous proofs":               strings.TrimSuffix(in(`"a":1`), "}") + `,"proof":{"id":"a:x","type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022","previousProof":[` + repeated(",", func(int) string { return `"a:x"` }) + `]}}`,
		"a long proofValue":             strings.TrimSuffix(in(`"a":1`), "}") + `,"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","verificationMethod":"` + issuer + "#" + strings.TrimPrefix(issuer, "did:key:") + `","proofPurpose":"assertionMethod","proofValue":"z` + strings.Repeat("2", megabyte) + `"}}`,
		"a long method":                 strings.TrimSuffix(in(`"a":1`), "}") + `,"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","verificationMethod":"did:key:z` + strings.Repeat("2", megabyte) + `","proofPurpose":"assertionMethod","proofValue":"z1"}}`,
		"types":                         strings.Replace(in(`"a":1`), `["VerifiableCredential"]`, `["VerifiableCredential",`+repeated(",", func(i int) string { return fmt.Sprintf(`"t%d"`, i) })+`]`, 1),
		"subjects":                      start + `"credentialSubject":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"id":"a:%d"}`, i) }) + `]}`,
		"statuses": strings.TrimSuffix(in(`"a":1`), "}") + `,"credentialStatus":[` + repeated(",", func(i int) string {
			return `{"type":"BitstringStatusListEntry","statusPurpose":"revocation","statusListIndex":"1","statusListCredential":"https://a.example/"}`
		}) + `]}`,
		"terms of use":        strings.TrimSuffix(in(`"a":1`), "}") + `,"termsOfUse":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"type":"%s","id":"a:%d"}`, TypeBlockchain, i) }) + `]}`,
		"related resources":   strings.TrimSuffix(in(`"a":1`), "}") + `,"relatedResource":[` + repeated(",", func(i int) string { return fmt.Sprintf(`{"id":"a:%d","digestSRI":"sha256-x"}`, i) }) + `]}`,
		"badges":              fmt.Sprintf(record, repeated(",", badge), ""),
		"badges in a subject": in(`"a":[` + repeated(",", badge) + `]`),
		"badges in badges": in(`"a":` + func() string {
			b := "1"
			for range 100 {
				b = strings.Replace(badge(1), `"name":"x"`, `"name":"x","x":`+b, 1)
			}
			return b
		}()),
		"endorsements in tokens": fmt.Sprintf(record, badge(1), `,"endorsementJwt":[`+repeated(",", func(int) string { return `"e30.e30.AAAA"` })+`]`),
		"presentation":           `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"verifiableCredential":[` + repeated(",", func(int) string { return `{}` }) + `]}`,
		"presentation of badges": `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"verifiableCredential":[` + strings.Join(slicesRepeat(badge(1), maxPresented), ",") + `]}`,
	}
}

func slicesRepeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// heap is how many bytes of the heap are in use.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Whatever a document of a megabyte is too much of, it costs less than 64 MB, and
// nothing panics: unsigned, signed by a key of its own, and as a token.
func TestMonstersCostLittle(t *testing.T) {
	signer := keysOf()["Ed25519"]
	issuer, key := keyFor(signer)
	// Garbage is collected early, so that what is seen is what is held.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	high := func(do func()) (n int64) {
		runtime.GC()
		before := int64(heap())
		done, seen := make(chan bool), make(chan bool)
		go func() {
			defer close(seen)
			for {
				n = max(n, int64(heap())-before)
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		do()
		close(done)
		<-seen
		return n
	}
	most := func(what string, do func()) {
		t.Helper()
		n := high(do)
		for again := 0; n >= 64<<20 && again < 4; again++ { // garbage that lies there is another each time
			n = min(n, high(do))
		}
		if n >= 64<<20 {
			t.Errorf("%s: %d MB", what, n>>20)
		}
	}
	p := Policy{Trust: TrustAnyIssuerUnsafe(), Now: now}
	judge := func(what string, raw []byte) {
		t.Helper()
		most(what, func() {
			verify := func() error { _, err := Verify(context.Background(), raw, p); return err }
			if strings.HasPrefix(what, "presentation") {
				verify = func() error { _, err := VerifyPresentation(context.Background(), raw, p); return err }
			}
			err := verify()
			var invalid *InvalidError
			if err != nil && len(err.Error()) > 10_000 || errors.As(err, &invalid) && len(invalid.Report.Text()) > megabyte {
				t.Errorf("%s: too much is said", what)
			}
		})
	}
	encode := base64.RawURLEncoding.EncodeToString
	head := encode([]byte(`{"alg":"EdDSA","kid":"` + key.Method + `"}`))
	for what, doc := range monsters(t, issuer) {
		judge(what, []byte(doc))
		judge(what+", in a token", []byte(head+"."+encode([]byte(doc))+".AAAA"))
		tree, err := jcs.Read([]byte(doc))
		if err != nil || tree.Has("proof") {
			continue
		}
		proof, err := jcs.Read([]byte(`{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","verificationMethod":"` + key.Method + `","proofPurpose":"assertionMethod"}`))
		if err != nil {
			t.Fatal(err)
		}
		suite, _ := suiteOf(proof)
		signed, err := newPayload(tree).sign(context.Background(), suite, proof, signer)
		if err != nil {
			t.Fatal(err)
		}
		judge(what+", signed", sealed(tree.With("proof", signed)).Bytes())
	}
	for what, token := range map[string]string{
		"a long header":    encode([]byte(`{"alg":"EdDSA","kid":"`+strings.Repeat("x", megabyte)+`"}`)) + ".e30.AAAA",
		"a deep header":    encode([]byte(`{"alg":`+strings.Repeat("[", megabyte))) + ".e30.AAAA",
		"a deep payload":   head + "." + encode([]byte(strings.Repeat(`{"a":`, megabyte/5))) + ".AAAA",
		"a long signature": head + ".e30." + strings.Repeat("A", megabyte),
		"full stops":       "ey" + strings.Repeat(".", megabyte),
		"disclosures":      head + ".e30.AAAA" + strings.Repeat("~", megabyte),
		"letters":          "ey" + strings.Repeat("a", megabyte),
	} {
		judge(what, []byte(token))
	}
}
