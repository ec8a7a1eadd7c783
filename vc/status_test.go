package vc

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc/clr"
)

// listOf is a list credential of a kind, in which some bits are set.
func (u *university) listOf(kind, path, purpose string, bits StatusBits, change func(doc, subject map[string]any)) Credential {
	doc := StatusListCredential(u.url(path), u.did.String(), bits, issuedAt, 0)
	subject := doc["credentialSubject"].(map[string]any)
	subject["statusPurpose"] = purpose
	if kind == kind2021 {
		oldForm(doc)
		doc["type"] = []any{"VerifiableCredential", "StatusList2021Credential"}
		subject["type"], subject["encodedList"] = kind2021, strings.TrimPrefix(EncodeBits(bits), "u")
	}
	if change != nil {
		change(doc, subject)
	}
	return doc
}

// oldForm writes a credential in data model 1.1, with whose context that of Status List
// 2021 goes together.
func oldForm(doc Credential) {
	doc["@context"] = []any{contextV1, "https://w3id.org/vc/status-list/2021/v1", "https://w3id.org/security/data-integrity/v2"}
	doc["issuanceDate"] = issuedAt.Format(time.RFC3339)
	delete(doc, "validFrom")
}

// withStatus is a general credential of the university's with one status or several.
func (u *university) withStatus(entries ...any) Signed {
	u.t.Helper()
	c := Credential{"@context": []any{clr.ContextVC, clr.ContextExtensions}, "id": u.url("/credentials/7"), "type": []any{"VerifiableCredential"},
		"issuer": u.did.String(), "credentialSubject": map[string]any{"id": learner}, "credentialStatus": entries}
	if len(entries) == 1 {
		c["credentialStatus"] = entries[0]
	}
	if entries[0].(map[string]any)["type"] == "StatusList2021Entry" {
		oldForm(c)
	}
	return u.issue(c)
}

func entryOf(kind, list, purpose string, index any) map[string]any {
	return map[string]any{"id": fmt.Sprintf("%s#%v", list, index), "type": kind + "Entry", "statusPurpose": purpose, "statusListIndex": fmt.Sprint(index), "statusListCredential": list}
}

func TestKindsOfStatus(t *testing.T) {
	u := newUniversity(t)
	bits := NewStatusBits()
	for _, i := range []int{3, 10, 11} { // as entries of two bits: number 1 is 01, number 5 is 11
		bits.Set(i)
	}
	wide := make(StatusBits, StatusListSize/4)
	copy(wide, bits)
	for _, kind := range []string{kindBitstring, kind2021} {
		for _, purpose := range []string{"revocation", "suspension", "refresh", "colour"} {
			u.serve("/"+kind+"/"+purpose, 200, u.issue(u.listOf(kind, "/"+kind+"/"+purpose, purpose, bits, nil)).Bytes())
		}
	}
	u.serve("/messages", 200, u.issue(u.listOf(kindBitstring, "/messages", "message", wide, nil)).Bytes())
	u.serve("/narrow", 200, u.issue(u.listOf(kindBitstring, "/narrow", "message", bits, nil)).Bytes())
	token, err := Issue(t.Context(), u.listOf(kindBitstring, "/token", "revocation", bits, nil), u.key, Options{Form: FormJWT, Typ: "vc+jwt"})
	if err != nil {
		t.Fatal(err)
	}
	u.serve("/token", 200, token.Bytes())
	u.serve("/revoked", 200, []byte(`{"id":"`+u.url("/revoked")+`","issuer":"`+u.did.String()+`","revokedCredential":[{"id":"urn:x:1"},{"id":"`+u.url("/credentials/7")+`","revoked":true,"revocationReason":"by mistake"}]}`))
	u.serve("/unrevoked", 200, []byte(`{"revokedCredential":[{"id":"urn:x:1"},{"id":"`+u.url("/credentials/7")+`","revoked":false}]}`))

	message := func(list string, index int, size any, texts ...string) map[string]any {
		e := entryOf(kindBitstring, u.url(list), "message", index)
		e["statusSize"] = size
		var all []any
		for i, text := range texts {
			all = append(all, map[string]any{"status": fmt.Sprintf("0x%x", i), "message": text})
		}
		e["statusMessage"] = all
		return e
	}
	for _, test := range []struct {
		name    string
		entries []any
		verdict Outcome
		code    string
	}{
		{"revoked", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/revocation"), "revocation", 3)}, Failed, "status.revoked=failed"},
		{"not revoked", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/revocation"), "revocation", 4)}, OK, "status.ok=ok"},
		{"suspended", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/suspension"), "suspension", 3)}, Failed, "status.suspended=failed"},
		{"newer version", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/refresh"), "refresh", 3)}, OK, "status.refresh=warning"},
		{"another purpose", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/colour"), "colour", 3)}, OK, "status.message=warning"},
		{"revoked, 2021", []any{entryOf(kind2021, u.url("/"+kind2021+"/revocation"), "revocation", 3)}, Failed, "status.revoked=failed"},
		{"not revoked, 2021", []any{entryOf(kind2021, u.url("/"+kind2021+"/revocation"), "revocation", 4)}, OK, "status.ok=ok"},
		{"suspended, 2021", []any{entryOf(kind2021, u.url("/"+kind2021+"/suspension"), "suspension", 3)}, Failed, "status.suspended=failed"},
		{"an entry of the other kind", []any{entryOf(kindBitstring, u.url("/"+kind2021+"/revocation"), "revocation", 4)}, Unchecked, "status.unchecked"},
		{"a list that is a token", []any{entryOf(kindBitstring, u.url("/token"), "revocation", 3)}, Failed, "status.revoked=failed"},
		{"several, one of them revoked", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/suspension"), "suspension", 4), entryOf(kindBitstring, u.url("/"+kindBitstring+"/revocation"), "revocation", 3)}, Failed, "status.ok=ok status.revoked=failed"},
		{"message", []any{message("/messages", 5, 2, "", "", "", "under review")}, OK, "status.message=warning"},
		{"no message", []any{message("/messages", 6, 2, "", "", "", "under review")}, OK, "status.ok=ok"},
		{"message, of too few", []any{message("/messages", 5, 2, "", "", "x")}, Unchecked, "status.unchecked"},
		{"message, of no size", []any{message("/messages", 5, "2", "", "", "", "x")}, Unchecked, "status.unchecked"},
		{"message, among too few", []any{message("/narrow", 5, 2, "", "", "", "x")}, Unchecked, "status.unchecked"},
		{"beyond the list", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/revocation"), "revocation", StatusListSize)}, Unchecked, "status.unchecked"},
		{"no index", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/revocation"), "revocation", "-1")}, Unchecked, "status.unchecked"},
		{"a list of another purpose", []any{entryOf(kindBitstring, u.url("/"+kindBitstring+"/suspension"), "revocation", 4)}, Unchecked, "status.unchecked"},
		{"on 1EdTech's list", []any{map[string]any{"id": u.url("/revoked"), "type": "1EdTechRevocationList"}}, Failed, "status.revoked=failed"},
		{"not on 1EdTech's list", []any{map[string]any{"id": u.url("/unrevoked"), "type": "1EdTechRevocationList"}}, OK, "status.ok=ok"},
		{"1EdTech's list away", []any{map[string]any{"id": u.url("/nothing"), "type": "1EdTechRevocationList"}}, Unchecked, "status.unchecked"},
		{"of a type nobody knows", []any{map[string]any{"id": u.url("/nothing"), "type": "https://example.org/Status"}}, Unchecked, "status.unsupported"},
	} {
		v, r := u.verify(u.withStatus(test.entries...).Bytes(), u.policy())
		if r.Verdict != test.verdict || v == nil || !strings.Contains(codes(r), test.code) {
			t.Errorf("%s: %s, %s", test.name, codes(r), r.Text())
		}
		matchesSchema(t, r)
	}
	if _, r := u.verify(u.withStatus(message("/messages", 5, 2, "", "", "", "under review")).Bytes(), u.policy()); !strings.Contains(r.Text(), "“under review”") {
		t.Error(r.Text())
	}
	if _, r := u.verify(u.withStatus(map[string]any{"id": u.url("/revoked"), "type": "1EdTechRevocationList"}).Bytes(), u.policy()); !strings.Contains(r.Sentence, "by mistake") {
		t.Error(r.Sentence)
	}
}

// A list that isn't as it was signed, or isn't for this, says nothing: neither that a
// credential is revoked nor that it isn't.
func TestBadStatusListsSayNothing(t *testing.T) {
	u := newUniversity(t)
	other, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	id, method := did.KeyDID(other.Public())
	bits := NewStatusBits()
	bits.Set(3)
	good := func(change func(doc, subject map[string]any)) []byte {
		return u.issue(u.listOf(kindBitstring, "/list", "revocation", NewStatusBits(), change)).Bytes()
	}
	swap := func(raw []byte, bits string) []byte {
		return bytes.Replace(raw, []byte(EncodeBits(NewStatusBits())), []byte(bits), 1)
	}
	foreign := u.listOf(kindBitstring, "/list", "revocation", NewStatusBits(), nil)
	foreign["issuer"] = id.String()
	byOther, err := Issue(t.Context(), foreign, Key{method, other}, Options{Created: issuedAt})
	if err != nil {
		t.Fatal(err)
	}
	zip := func(raw []byte) string { return "u" + base64.RawURLEncoding.EncodeToString(raw) }
	lists := map[string][]byte{
		"good":                   good(nil),
		"one bit flipped":        swap(good(nil), EncodeBits(bits)),
		"truncated":              swap(good(nil), EncodeBits(NewStatusBits())[:40]),
		"under another address":  good(func(doc, _ map[string]any) { doc["id"] = u.url("/another") }),
		"expired":                good(func(doc, _ map[string]any) { doc["validUntil"] = "2026-06-01T13:00:00Z" }),
		"not yet valid":          good(func(doc, _ map[string]any) { doc["validFrom"] = "2027-06-01T13:00:00Z" }),
		"signed by another":      byOther.Bytes(),
		"no list at all":         []byte("<html>"),
		"short":                  good(func(_, s map[string]any) { s["encodedList"] = EncodeBits(make(StatusBits, 100)) }),
		"a bomb":                 good(func(_, s map[string]any) { s["encodedList"] = EncodeBits(make(StatusBits, maxListBytes+1)) }),
		"cut":                    good(func(_, s map[string]any) { s["encodedList"] = EncodeBits(NewStatusBits())[:40] }),
		"not zipped":             good(func(_, s map[string]any) { s["encodedList"] = zip(NewStatusBits()) }),
		"without a proof":        bytes.Replace(good(nil), []byte(`"proof"`), []byte(`"proofs"`), 1),
		"two lists in one":       append(good(nil), good(nil)...),
		"no purpose":             good(func(_, s map[string]any) { delete(s, "statusPurpose") }),
		"half a revocation list": []byte(`{"revokedCredential":[{"id":`),
	}
	s := u.withStatus(entryOf(kindBitstring, u.url("/list"), "revocation", 3))
	for name, list := range lists {
		u.serve("/list", 200, list)
		want, code := Unchecked, "status.unchecked=could not check"
		if name == "good" {
			want, code = OK, "status.ok=ok"
		}
		if _, r := u.verify(s.Bytes(), u.policy()); r.Verdict != want || !strings.Contains(codes(r), code) {
			t.Errorf("%s: %s", name, codes(r))
		}
	}
	revocations := u.withStatus(map[string]any{"id": u.url("/list"), "type": "1EdTechRevocationList"})
	for name, list := range map[string]string{
		"no list":          `{}`,
		"another's":        `{"issuer":"did:example:other","revokedCredential":[]}`,
		"elsewhere":        `{"id":"https://example.org/","revokedCredential":[]}`,
		"an array":         `[]`,
		"a text":           `{"revokedCredential":"` + s.ID() + `"}`,
		"no id":            `{"revokedCredential":[{"revoked":true}]}`,
		"yes":              `{"revokedCredential":[{"id":"urn:x:1","revoked":"yes"}]}`,
		"one member twice": `{"revokedCredential":[],"revokedCredential":[]}`,
	} {
		u.serve("/list", 200, []byte(list))
		if _, r := u.verify(revocations.Bytes(), u.policy()); r.Verdict != Unchecked || !strings.Contains(codes(r), "status.unchecked=could not check") {
			t.Errorf("1EdTech's, %s: %s", name, codes(r))
		}
	}
}

// A cache keeps a list for as long as the list says, and no longer than that; one's own
// is never kept, so that what is revoked is revoked at once.
func TestListsAreKeptForTheirTime(t *testing.T) {
	u := newUniversity(t)
	cache := new(ListCache)
	publish := func(ttl any, bits StatusBits) {
		u.serve("/list", 200, u.issue(u.listOf(kindBitstring, "/list", "revocation", bits, func(_, subject map[string]any) {
			if ttl != nil {
				subject["ttl"] = ttl
			}
		})).Bytes())
	}
	s := u.withStatus(entryOf(kindBitstring, u.url("/list"), "revocation", 3))
	verify := func(at time.Time, change func(*Policy)) (*Report, int) {
		before := u.asked["/list"]
		p := u.policy()
		p.Now, p.Lists = at, cache
		if change != nil {
			change(&p)
		}
		_, r := u.verify(s.Bytes(), p)
		return r, u.asked["/list"] - before
	}
	bits := NewStatusBits()
	publish(nil, bits)
	bits.Set(3)
	for _, step := range []struct {
		name    string
		at      time.Duration
		asked   int
		verdict Outcome
	}{
		{"first", 0, 1, OK},
		{"kept, and revoked meanwhile", 59 * time.Second, 0, OK},
		{"a minute later", 61 * time.Second, 1, Failed},
		{"kept again", 62 * time.Second, 0, Failed},
		{"in the past", -time.Hour, 1, Failed},
	} {
		r, asked := verify(now.Add(step.at), nil)
		if r.Verdict != step.verdict || asked != step.asked {
			t.Errorf("%s: %s, asked %d times", step.name, r.Verdict, asked)
		}
		if step.name == "kept, and revoked meanwhile" && !strings.Contains(r.Text(), "as it was 59s ago") {
			t.Error(r.Text())
		}
		publish(nil, bits)
	}
	cache = new(ListCache)
	publish(int64(10*time.Hour/time.Millisecond), bits)
	verify(now, nil)
	if _, asked := verify(now.Add(59*time.Minute), nil); asked != 0 {
		t.Error("a list with a long time was asked for again")
	}
	if _, asked := verify(now.Add(61*time.Minute), nil); asked != 1 {
		t.Error("a list was kept for more than an hour")
	}
	cache = new(ListCache)
	own := func(p *Policy) {
		fetch := p.Fetch
		p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
			r, err := fetch(ctx, url, accept)
			r.Own = true
			return r, err
		}
	}
	verify(now, own)
	if _, asked := verify(now, own); asked != 1 {
		t.Error("the program's own list was kept")
	}
}

// Whatever is read as a list can be asked for every entry.
func FuzzBitsOfEntries(f *testing.F) {
	bits := NewStatusBits()
	bits.Set(5)
	f.Add(EncodeBits(bits), 3, 2)
	f.Add(strings.TrimPrefix(EncodeBits(bits), "u")+"==", 1, 1)
	f.Add("uH4sI", 0, 1)
	f.Fuzz(func(t *testing.T, text string, index, size int) {
		for _, decode := range []func(string) (StatusBits, error){DecodeBits, decodeBits2021} {
			bits, err := decode(text)
			if err != nil {
				continue
			}
			if bits.Len() < StatusListSize || bits.Len() > maxListBytes*8 {
				t.Errorf("a list of %d bits", bits.Len())
			}
			if size = 1 + (size&7+8)&7; index >= 0 && index < bits.Len() {
				if n := bits.value(place{index, size}); n < 0 || n >= 1<<size {
					t.Errorf("entry %d of %d bits is %d", index, size, n)
				}
			}
		}
	})
}

// A revocation list is read wholly or not at all.
func FuzzRevocationList(f *testing.F) {
	u := keyed(f)
	s := u.withStatus(map[string]any{"id": "https://example.org/list", "type": "1EdTechRevocationList"})
	f.Add([]byte(`{"revokedCredential":[{"id":"urn:x:1"}]}`))
	f.Add([]byte(`{"issuer":{"id":"x"},"revokedCredential":{"id":"` + s.ID() + `"}}`))
	f.Fuzz(func(t *testing.T, list []byte) {
		p := u.policy()
		p.Fetch = func(context.Context, string, string) (Response, error) { return Response{Status: 200, Body: list}, nil }
		r := reportOf(Verify(context.Background(), s.Bytes(), p))
		if named := bytes.Contains(list, []byte("revokedCredential")); r.Verdict != Unchecked && !named && !bytes.Contains(list, []byte(`\`)) {
			t.Errorf("%s by %s", r.Verdict, list)
		}
	})
}
