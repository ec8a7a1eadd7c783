package vc

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

const (
	context2021       = "https://w3id.org/vc/status-list/2021/v1"
	contextExtensions = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

// withStatus issues a credential that has a status, or an array of them.
func (u *university) withStatus(status any) Signed {
	u.t.Helper()
	return u.plain(Credential{
		"@context": []any{clr.ContextVC, context2021, contextExtensions}, "id": u.url("/credentials/9"), "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "name": "Ada"}, "credentialStatus": status,
	})
}

// bitsEntry is entry index of the university's list for some purpose, with more members.
func (u *university) bitsEntry(kind, purpose string, index any, more ...any) map[string]any {
	e := map[string]any{"type": kind, "statusPurpose": purpose, "statusListIndex": fmt.Sprint(index), "statusListCredential": u.url("/lists/1")}
	for i := 0; i < len(more); i += 2 {
		e[more[i].(string)] = more[i+1]
	}
	return e
}

// listOf is the credential of a list, which change may make another one. Those of 2021
// are in data model 1.1: their context redefines terms of 2.0's.
func (u *university) listOf(kind string, purpose any, bits StatusBits, change ...func(Credential)) Credential {
	c := StatusListCredential(u.url("/lists/1"), u.did.String(), bits, issuedAt, time.Minute)
	subject := c["credentialSubject"].(map[string]any)
	subject["statusPurpose"] = purpose
	if kind == typeList2021 {
		c["@context"] = []any{contextV1, context2021, "https://w3id.org/security/data-integrity/v2"}
		c["type"] = []any{"VerifiableCredential", "StatusList2021Credential"}
		c["issuanceDate"] = c["validFrom"]
		delete(c, "validFrom")
		subject["type"], subject["encodedList"] = "StatusList2021", encode2021(bits, base64.StdEncoding)
		delete(subject, "ttl")
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func encode2021(bits []byte, alphabet *base64.Encoding) string {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(bits)
	w.Close()
	return alphabet.EncodeToString(z.Bytes())
}

func inList(change func(c Credential, subject map[string]any)) func(Credential) {
	return func(c Credential) { change(c, c["credentialSubject"].(map[string]any)) }
}

// judged is how the statuses of s end: their checks, in order.
func (u *university) judged(s Signed, p Policy) (string, *Report) {
	u.t.Helper()
	_, r := u.verify(s.Bytes(), p)
	matchesSchema(u.t.(*testing.T), r)
	var all []string
	for _, c := range r.Envelope.Checks {
		if strings.HasPrefix(c.Code, "status.") {
			all = append(all, c.Code+"="+string(c.Outcome))
		}
	}
	return strings.Join(all, " "), r
}

func messages(n int) []any {
	var all []any
	for i := range n {
		all = append(all, map[string]any{"status": fmt.Sprintf("0x%X", i), "message": fmt.Sprintf("message %d", i)})
	}
	return all
}

func TestStatusLists(t *testing.T) {
	const unchecked = "status.unchecked=could not check"
	bits := make(StatusBits, StatusListSize/2) // room for entries of 4 bits
	for _, i := range []int{7, 4*9 + 1, 4*9 + 3, 2 * 9, 4*StatusListSize - 1} {
		bits.Set(i)
	}
	short := bits[:StatusListSize/8]
	for _, test := range []struct {
		name string
		kind string
		list any // purposes
		bits StatusBits
		// the entry
		purpose string
		index   any
		more    []any
		want    string
		says    string
		change  func(c Credential)
	}{
		{"good", typeBitstring, "revocation", bits, "revocation", 6, nil, "status.ok=ok", "Not revoked", nil},
		{"revoked", typeBitstring, "revocation", bits, "revocation", 7, nil, "status.revoked=failed", "Revoked by", nil},
		{"the last", typeBitstring, "revocation", bits, "revocation", 4*StatusListSize - 1, nil, "status.revoked=failed", "", nil},
		{"one of several purposes", typeBitstring, []any{"message", "revocation"}, bits, "revocation", 7, nil, "status.revoked=failed", "", nil},
		{"suspended", typeBitstring, "suspension", bits, "suspension", 7, nil, "status.suspended=failed", "", nil},
		{"not suspended", typeBitstring, []any{"suspension"}, bits, "suspension", 8, nil, "status.ok=ok", "Not suspended", nil},
		{"refresh", typeBitstring, "refresh", bits, "refresh", 7, nil, "status.refresh=warning", "newer version", nil},
		{"no refresh", typeBitstring, "refresh", bits, "refresh", 8, nil, "status.ok=ok", "no newer version", nil},
		{"own purpose", typeBitstring, "applause", bits, "applause", 7, nil, "status.message=warning", "nothing about whether", nil},
		{"a message", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 4, "statusMessage", messages(16)}, "status.message=warning", "“message 5”", nil},
		{"a message of two bits", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 2, "statusMessage", messages(4)}, "status.message=warning", "“message 2”", nil},
		{"the message for nothing", typeBitstring, "message", bits, "message", 100, []any{"statusSize", 4, "statusMessage", messages(16)}, "status.ok=ok", "“message 0”", nil},
		{"a message of one bit", typeBitstring, "message", bits, "message", 7, []any{"statusMessage", messages(2)}, "status.message=warning", "“message 1”", nil},
		{"revoked in four bits", typeBitstring, "revocation", bits, "revocation", 9, []any{"statusSize", 4, "statusMessage", messages(16)}, "status.revoked=failed", "", nil},
		{"a message too few", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 4, "statusMessage", messages(15)}, unchecked, "16 messages", nil},
		{"no messages", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 4}, unchecked, "16 messages", nil},
		{"not revoked, and no messages", typeBitstring, "revocation", bits, "revocation", 100, []any{"statusSize", 2}, unchecked, "4 messages", nil},
		{"two messages for one value", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 2, "statusMessage", []any{messages(4)[0], messages(4)[1], messages(4)[2],
			map[string]any{"status": "0x1", "message": "again"}}}, unchecked, "for one value", nil},
		{"message for a value beyond", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 2, "statusMessage", messages(5)[1:]}, unchecked, "each message", nil},
		{"size of nothing", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 0}, unchecked, "statusSize", nil},
		{"huge size", typeBitstring, "message", bits, "message", 9, []any{"statusSize", 64}, unchecked, "statusSize", nil},
		{"too few entries of two bits", typeBitstring, "message", short, "message", 9, []any{"statusSize", 2, "statusMessage", messages(4)}, unchecked, "has 65536 entries", nil},
		{"too few entries", typeBitstring, "revocation", short[1:], "revocation", 9, nil, unchecked, "fewer than", nil},
		{"index beyond", typeBitstring, "revocation", short, "revocation", StatusListSize, nil, unchecked, "ends before", nil},
		{"index below", typeBitstring, "revocation", short, "revocation", -1, nil, unchecked, "no number", nil},
		{"index of words", typeBitstring, "revocation", short, "revocation", "seven", nil, unchecked, "no number", nil},
		{"index as a number", typeBitstring, "revocation", short, "revocation", 0, []any{"statusListIndex", 6}, unchecked, "no number", nil},
		{"list of another purpose", typeBitstring, "suspension", bits, "revocation", 6, nil, unchecked, "isn't one of", nil},
		{"no purpose", typeBitstring, "revocation", bits, "", 6, nil, unchecked, "purpose", nil},
		{"expired list", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "Expired", func(c Credential) { c["validUntil"] = "2026-06-02T00:00:00Z" }},
		{"list of tomorrow", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "Not valid yet", func(c Credential) { c["validFrom"] = "2026-06-03T00:00:00Z" }},
		{"wrong id of the list", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "is the status list", func(c Credential) { c["id"] = "https://example.edu/lists/2" }},
		{"list of the other kind", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "another credential", func(c Credential) { c["type"] = []any{"VerifiableCredential"} }},
		{"gzip cut", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "EOF", inList(func(_ Credential, s map[string]any) {
			s["encodedList"] = s["encodedList"].(string)[:60]
		})},
		{"gzip bomb", typeBitstring, "revocation", make(StatusBits, maxListBytes*20), "revocation", 6, nil, unchecked, "more than", nil},
		{"no list in it", typeBitstring, "revocation", bits, "revocation", 6, nil, unchecked, "encodedList", inList(func(_ Credential, s map[string]any) { delete(s, "encodedList") })},

		{"2021: good", typeList2021, "revocation", bits, "revocation", 6, nil, "status.ok=ok", "Not revoked", nil},
		{"2021: revoked", typeList2021, "revocation", bits, "revocation", 7, nil, "status.revoked=failed", "", nil},
		{"2021: suspended", typeList2021, "suspension", bits, "suspension", 7, nil, "status.suspended=failed", "", nil},
		{"2021: other alphabet", typeList2021, "revocation", bits, "revocation", 7, nil, "status.revoked=failed", "", inList(func(_ Credential, s map[string]any) {
			s["encodedList"] = encode2021(bits, base64.RawURLEncoding)
		})},
		{"2021: purpose of nobody", typeList2021, "message", bits, "message", 7, nil, unchecked, "has no purpose", nil},
		{"2021: too few entries", typeList2021, "revocation", short[1:], "revocation", 9, nil, unchecked, "fewer than", nil},
		{"2021: index beyond", typeList2021, "revocation", short, "revocation", StatusListSize, nil, unchecked, "ends before", nil},
		{"2021: cut", typeList2021, "revocation", bits, "revocation", 6, nil, unchecked, "EOF", inList(func(_ Credential, s map[string]any) {
			s["encodedList"] = s["encodedList"].(string)[:60]
		})},
		{"2021: bomb", typeList2021, "revocation", make(StatusBits, maxListBytes*20), "revocation", 6, nil, unchecked, "more than", nil},
		{"2021: with a multibase prefix", typeList2021, "revocation", bits, "revocation", 6, nil, unchecked, "", inList(func(_ Credential, s map[string]any) {
			s["encodedList"] = EncodeBits(bits)
		})},
		{"2021: expired", typeList2021, "revocation", bits, "revocation", 6, nil, unchecked, "Expired", func(c Credential) { c["expirationDate"] = "2026-06-02T00:00:00Z" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			l := u.listOf(test.kind, test.list, test.bits)
			if test.change != nil {
				test.change(l)
			}
			u.serve("/lists/1", 200, u.plain(l).Bytes())
			got, r := u.judged(u.withStatus(u.bitsEntry(test.kind, test.purpose, test.index, test.more...)), u.policy())
			if got != test.want || !strings.Contains(r.Text(), test.says) {
				t.Errorf("%s, want %s and %q\n%s", got, test.want, test.says, r.Text())
			}
		})
	}
}

// A list is the issuer's own, as it signed it, or none.
func TestAStatusListThatIsntTheIssuers(t *testing.T) {
	for _, kind := range []string{typeBitstring, typeList2021} {
		u := newUniversity(t)
		good := u.plain(u.listOf(kind, "revocation", NewStatusBits()))
		s := u.withStatus(u.bitsEntry(kind, "revocation", 6))
		other, _ := did.GenerateEd25519()
		otherDID, method := did.KeyDID(other.Public())
		theirs, err := signedWith(u.listOf(kind, "revocation", NewStatusBits(), func(c Credential) { c["issuer"] = otherDID.String() }), method, other)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := signedWith(u.listOf(kind, "revocation", NewStatusBits()), method, other)
		if err != nil {
			t.Fatal(err)
		}
		encoded := good.doc.Get("credentialSubject").Str("encodedList")
		bits := NewStatusBits()
		bits.Set(77)
		one := EncodeBits(bits)
		if kind == typeList2021 {
			one = encode2021(bits, base64.StdEncoding)
		}
		for name, raw := range map[string][]byte{
			"one flipped bit":    bytes.Replace(good.Bytes(), []byte(encoded), []byte(one), 1),
			"signed by another":  theirs.Bytes(),
			"a key of another's": forged.Bytes(),
			"without a proof":    good.doc.Without("proof").Append(nil),
			"cut":                good.Bytes()[:200],
			"nothing":            nil,
		} {
			u.serve("/lists/1", 200, raw)
			if got, r := u.judged(s, u.policy()); got != "status.unchecked=could not check" || r.Verdict != Unchecked {
				t.Errorf("%s, %s: %s", kind, name, r.Text())
			}
		}
		u.serve("/lists/1", 200, good.Bytes())
		if got, r := u.judged(s, u.policy()); got != "status.ok=ok" || r.Verdict != OK {
			t.Errorf("%s: %s", kind, r.Text())
		}
	}
}

func TestAStatusListThatIsAToken(t *testing.T) {
	for _, x := range []struct {
		form Form
		kind string
	}{
		{FormJWT, typeBitstring},
		{FormJWT11, typeList2021},
	} {
		u := newUniversity(t)
		bits := NewStatusBits()
		bits.Set(7)
		kind := x.kind
		l, err := Issue(context.Background(), u.listOf(kind, "revocation", bits), u.key, Options{Created: issuedAt, Form: x.form})
		if err != nil {
			t.Fatal(err)
		}
		u.serve("/lists/1", 200, l.Bytes())
		for index, want := range map[int]string{6: "status.ok=ok", 7: "status.revoked=failed"} {
			if got, r := u.judged(u.withStatus(u.bitsEntry(kind, "revocation", index)), u.policy()); got != want {
				t.Errorf("%s: %s", kind, r.Text())
			}
		}
		raw := l.Bytes()
		raw[len(raw)-5] ^= 1
		u.serve("/lists/1", 200, raw)
		if got, r := u.judged(u.withStatus(u.bitsEntry(kind, "revocation", 6)), u.policy()); got != "status.unchecked=could not check" {
			t.Errorf("%s: %s", kind, r.Text())
		}
	}
}

func TestEveryStatusIsJudged(t *testing.T) {
	u := newUniversity(t)
	bits := NewStatusBits()
	bits.Set(7)
	u.serve("/lists/1", 200, u.plain(u.listOf(typeBitstring, []any{"revocation", "suspension", "message"}, bits)).Bytes())
	s := u.withStatus([]any{
		u.bitsEntry(typeBitstring, "revocation", 1), u.bitsEntry(typeBitstring, "suspension", 7), u.bitsEntry(typeBitstring, "message", 7, "statusMessage", messages(2)),
		map[string]any{"type": "https://example.edu/status#Other", "id": "https://example.edu/status/1"},
	})
	if got, r := u.judged(s, u.policy()); got != "status.ok=ok status.suspended=failed status.message=warning status.unsupported=could not check" || r.Verdict != Failed {
		t.Error(r.Text())
	}
	if u.asked["/lists/1"] != 1 {
		t.Errorf("asked %d times", u.asked["/lists/1"])
	}
	p := u.policy()
	p.Fetch = nil
	if got, _ := u.judged(u.withStatus(u.bitsEntry(typeBitstring, "revocation", 1)), p); got != "status.unchecked=could not check" {
		t.Errorf("offline: %s", got)
	}
}

func TestRevocationLists(t *testing.T) {
	const id, unchecked = `"id":"LIST","issuer":"ISSUER",`, "status.unchecked=could not check"
	for _, test := range []struct{ name, body, want, says string }{
		{"empty", `{` + id + `"revokedCredential":[]}`, "status.ok=ok", "issuer's own site. Nobody signs"},
		{"without the member", `{"id":"LIST","issuer":{"id":"ISSUER","type":["Profile"]}}`, "status.ok=ok", ""},
		{"others", `{"revokedCredential":[{"id":"CREDENTIAL0"},{"id":"urn:x:1","revoked":true}]}`, "status.ok=ok", ""},
		{"listed", `{` + id + `"revokedCredential":[{"id":"urn:x:1"},{"id":"CREDENTIAL"}]}`, "status.revoked=failed", "Revoked by"},
		{"one, and no array", `{"revokedCredential":{"id":"CREDENTIAL"}}`, "status.revoked=failed", ""},
		{"revoked, and why", `{"revokedCredential":[{"id":"CREDENTIAL","revoked":true,"revocationReason":"Issued in error."}]}`, "status.revoked=failed", ": Issued in error."},
		{"listed as good", `{"revokedCredential":[{"id":"CREDENTIAL","revoked":false}]}`, "status.ok=ok", ""},
		{"good once, revoked once", `{"revokedCredential":[{"id":"CREDENTIAL","revoked":false},{"id":"CREDENTIAL"},{"id":"CREDENTIAL","revoked":false}]}`, "status.revoked=failed", ""},
		{"with other signs", `{"revokedCredential":[{"id":" CREDENTIA%4c "}]}`, "status.revoked=failed", ""},
		{"revoked in words", `{"revokedCredential":[{"id":"urn:x:1","revoked":"false"}]}`, unchecked, "is no revocation list"},
		{"ids alone", `{"revokedCredential":["urn:x:1"]}`, unchecked, "is no revocation list"},
		{"of another issuer", `{"issuer":"https://example.edu","revokedCredential":[]}`, unchecked, "not by the issuer"},
		{"with another id", `{"id":"https://example.edu/1","revokedCredential":[]}`, unchecked, "is the revocation list"},
		{"something else", `{"hello":"world"}`, unchecked, "no revokedCredential"},
		{"an array", `[]`, unchecked, ""},
		{"a page", `<html>`, unchecked, ""},
		{"cut", `{"revokedCredential":[{"id":"urn:x:1"}`, unchecked, ""},
		{"twice", `{"revokedCredential":[{"id":"CREDENTIAL"}],"revokedCredential":[]}`, unchecked, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			body := strings.NewReplacer("LIST", u.url("/revoked"), "ISSUER", u.did.String(), "CREDENTIAL", u.url("/credentials/9"), "CREDENTIA%4c", u.url("/c%72edentials/9")).Replace(test.body)
			u.serve("/revoked", 200, []byte(body))
			got, r := u.judged(u.withStatus(map[string]any{"id": u.url("/revoked"), "type": typeRevocations}), u.policy())
			if got != test.want || !strings.Contains(r.Text(), test.says) {
				t.Errorf("%s, want %s and %q\n%s\n%s", got, test.want, test.says, body, r.Text())
			}
		})
	}
	u := newUniversity(t)
	for status, body := range map[int]string{404: "", 500: "{}"} {
		u.serve("/revoked", status, []byte(body))
		if got, r := u.judged(u.withStatus(map[string]any{"id": u.url("/revoked"), "type": typeRevocations}), u.policy()); got != unchecked {
			t.Errorf("%d: %s", status, r.Text())
		}
	}
	// Elsewhere, nothing shows whose list it is.
	k := keyed(t)
	k.serve("/revoked", 200, []byte(`{"revokedCredential":[]}`))
	s := k.withStatus(map[string]any{"id": k.url("/revoked"), "type": typeRevocations})
	if got, r := k.judged(s, k.policy()); got != "status.unsigned=warning" || !strings.Contains(r.Text(), "as good as the site is") {
		t.Error(r.Text())
	}
	k.serve("/revoked", 200, []byte(`{"revokedCredential":[{"id":"`+s.ID()+`"}]}`))
	if got, r := k.judged(s, k.policy()); got != "status.revoked=failed" {
		t.Error(r.Text())
	}
	// Nor where the issuer's site leads elsewhere.
	u.serve("/revoked", 200, []byte(`{"revokedCredential":[]}`))
	p := u.policy()
	fetch := p.Fetch
	p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
		r, err := fetch(ctx, url, accept)
		r.URL = "https://elsewhere.example/revoked"
		return r, err
	}
	if got, r := u.judged(u.withStatus(map[string]any{"id": u.url("/revoked"), "type": typeRevocations}), p); got != "status.unsigned=warning" || !strings.Contains(r.Text(), "https://elsewhere.example/revoked") {
		t.Error(r.Text())
	}
	for _, x := range []struct {
		issuer, address string
		want            bool
	}{
		{"https://example.edu/issuer", "https://example.edu/list", true}, {"https://example.edu/issuer", "http://example.edu/list", false},
		{"https://example.edu/issuer", "https://example.org/list", false}, {"did:web:example.edu:p:1", "https://example.edu/list", true},
		{"did:web:example.edu", "https://example.edu.evil.example/list", false}, {"did:web:example.edu", "https://example.edu@evil.example/list", false},
		{"urn:x:1", "https://example.edu/", false}, {"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", "https://example.edu/", false},
	} {
		if got := atIssuer(x.issuer, x.address); got != x.want {
			t.Errorf("atIssuer(%s, %s) is %v", x.issuer, x.address, got)
		}
	}
}

func TestACredentialWithoutAnIdIsInNoListOfIds(t *testing.T) {
	u := newUniversity(t)
	u.serve("/revoked", 200, []byte(`{"revokedCredential":[]}`))
	doc := without(members(u.withStatus(map[string]any{"id": u.url("/revoked"), "type": typeRevocations})), "proof")
	delete(doc, "id")
	if got, r := u.judged(u.plain(doc), u.policy()); got != "status.unchecked=could not check" || u.asked["/revoked"] != 0 {
		t.Error(r.Text())
	}
}

func FuzzParseRevocations(f *testing.F) {
	f.Add([]byte(`{"id":"https://a.example/1","issuer":{"id":"a:b"},"revokedCredential":[{"id":"urn:x:1","revoked":true,"revocationReason":"x"},{"id":"urn:x:%32","revoked":false}]}`))
	f.Add([]byte(`{"issuer":"a:b"}`))
	f.Add([]byte(`{"revokedCredential":{"id":" urn:x:1 "}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := parseRevocations(raw)
		if err != nil {
			return
		}
		// The order of the list doesn't matter, and what is in it stays in it.
		doc, err := jcs.Read(raw)
		if err != nil {
			t.Fatal("read, and isn't JSON")
		}
		items := doc.Get("revokedCredential").Items()
		var turned []*jcs.Value
		for i := range items {
			turned = append(turned, &items[len(items)-1-i])
			if items[i].Get("revoked") == nil && l.revoked[plainID(items[i].Str("id"))] == nil {
				t.Errorf("%s is listed, and isn't revoked", items[i].Str("id"))
			}
		}
		again, err := parseRevocations(doc.With("revokedCredential", jcs.NewArray(turned...)).Append(nil))
		if err != nil || len(again.revoked) != len(l.revoked) {
			t.Errorf("turned round: %v", err)
		}
	})
}
