package vc

import (
	"context"
	"strings"
	"testing"

	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

const somebodyElse = "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"

// Another issuer's badge in a record must be the learner's of the record.
func TestWhoseABadgeInARecordIs(t *testing.T) {
	clear := func(kind, value string) clr.Identifier { return clr.Identifier{Type: kind, Value: value, Clear: true} }
	hashed := func(kind, value string) clr.Identifier { return clr.Identifier{Type: kind, Value: value} }
	ids := func(list ...clr.Identifier) []clr.Identifier { return list }
	const email, ada, eve = "emailAddress", "ada@quillhaven.example", "eve@quillhaven.example"
	u := newUniversity(t)
	_, school := u.school(1)
	for _, test := range []struct {
		name                 string
		recordID, badgeID    string
		ofRecord, ofBadge    []clr.Identifier
		verdict              Outcome
		code                 string
		sameSalt, sameIssuer bool
	}{
		{name: "same id", recordID: learner, badgeID: learner, verdict: OK, code: "subject.ok=ok"},
		{name: "same id, other address", recordID: learner, badgeID: learner, ofRecord: ids(clear(email, ada)), ofBadge: ids(hashed(email, eve)), verdict: OK, code: "subject.ok=ok"},
		{name: "other id", recordID: learner, badgeID: somebodyElse, verdict: Failed, code: "subject.other=failed"},
		{name: "other id, same address", recordID: learner, badgeID: somebodyElse, ofRecord: ids(clear(email, ada)), ofBadge: ids(hashed(email, ada)), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "clear here, hashed there", ofRecord: ids(clear(email, ada)), ofBadge: ids(hashed(email, ada)), verdict: OK, code: "subject.ok=ok"},
		{name: "hashed here, clear there", ofRecord: ids(hashed(email, ada)), ofBadge: ids(clear(email, ada)), verdict: OK, code: "subject.ok=ok"},
		{name: "clear in both", ofRecord: ids(clear(email, "Ada@Quillhaven.Example")), ofBadge: ids(clear(email, ada)), verdict: OK, code: "subject.ok=ok"},
		{name: "one of two addresses", ofRecord: ids(clear(email, eve), clear(email, ada)), ofBadge: ids(hashed(email, ada)), verdict: OK, code: "subject.ok=ok"},
		{name: "somebody else's address, hashed", ofRecord: ids(clear(email, eve)), ofBadge: ids(hashed(email, ada)), verdict: Failed, code: "subject.other=failed"},
		{name: "somebody else's address, clear", ofRecord: ids(clear(email, eve)), ofBadge: ids(clear(email, ada)), verdict: Failed, code: "subject.other=failed"},
		{name: "hashed in both", ofRecord: ids(hashed(email, ada)), ofBadge: ids(hashed(email, ada)), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "another address hashed too", ofRecord: ids(clear(email, eve), hashed(email, ada)), ofBadge: ids(hashed(email, ada)), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "nothing in common", recordID: learner, ofBadge: ids(clear(email, ada)), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "a name is no proof", ofRecord: ids(clear("name", "Ada")), ofBadge: ids(clear("name", "Ada")), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "nor is one school's number", ofRecord: ids(clear("sisSourcedId", "1")), ofBadge: ids(hashed("sisSourcedId", "1")), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "nor another's number against it", ofRecord: ids(clear("sisSourcedId", "1")), ofBadge: ids(clear("sisSourcedId", "2")), verdict: Unchecked, code: "subject.unknown=could not check"},
		{name: "the issuer vouches", recordID: learner, badgeID: somebodyElse, sameIssuer: true, verdict: OK, code: "proof.ok=ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := school
			if test.sameIssuer {
				k = u.key
			}
			badge := u.badgeOf(k, 1, test.badgeID, nil, test.ofBadge...)
			if test.sameIssuer {
				badge["issuer"].(map[string]any)["name"] = "Quillhaven University"
				badge["issuer"].(map[string]any)["url"] = u.url("/")
				badge = members(u.issue(without(badge, "proof")))
			}
			s := u.envelopeOf(test.recordID, test.ofRecord, badge)
			p := u.policy()
			p.Trust = TrustAnyIssuerUnsafe()
			v, r := u.verify(s.Bytes(), p)
			if v == nil || r.Verdict != test.verdict || !strings.Contains(codes(r), test.code) || test.sameIssuer && strings.Contains(codes(r), "subject.") {
				t.Errorf("%s\n%s", codes(r), r.Text())
			}
			if strings.Contains(r.Text(), "@") {
				t.Errorf("an address is told: %s", r.Text())
			}
			matchesSchema(t, r)
		})
	}
}

// The same is asked of credentials of other kinds, however deep they lie.
func TestWhoseOtherCredentialsInARecordAre(t *testing.T) {
	u := newUniversity(t)
	_, k := u.school(1)
	card := func(subject any) map[string]any {
		s, err := Issue(context.Background(), Credential{
			"@context": []any{clr.ContextVC}, "id": "urn:uuid:22222222-0000-4000-8000-000000000000", "type": []any{"VerifiableCredential"}, "name": "Card",
			"issuer": strings.TrimSuffix(k.Method, "#key-1"), "validFrom": "2026-01-01T00:00:00Z", "credentialSubject": subject,
		}, k, Options{Created: issuedAt})
		if err != nil {
			t.Fatal(err)
		}
		return members(s)
	}
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	for want, subject := range map[string]any{
		"subject.ok=ok":                   map[string]any{"id": learner, "name": "Ada"},
		"subject.other=failed":            map[string]any{"id": somebodyElse, "name": "Eve"},
		"subject.unknown=could not check": []any{map[string]any{"id": learner, "name": "Ada"}, map[string]any{"id": somebodyElse, "name": "Eve"}},
	} {
		if _, r := u.verify(u.envelopeOf(learner, nil, card(subject)).Bytes(), p); !strings.Contains(codes(r), want) {
			t.Errorf("want %s: %s", want, r.Text())
		}
	}
	// A record of the school's inside: what the school put into it, the school vouches for.
	badge := u.badgeOf(k, 1, somebodyElse, nil)
	inner := without(members(u.record(1, learner)), "proof")
	inner["id"] = "urn:uuid:33333333-0000-4000-8000-000000000000"
	inner["issuer"] = badge["issuer"]
	delete(inner, "credentialStatus")
	o := inner["credentialSubject"].(map[string]any)
	for _, m := range []string{"association", "achievement", "identifier"} {
		delete(o, m)
	}
	o["verifiableCredential"] = []any{badge}
	within, err := Issue(context.Background(), inner, k, Options{Created: issuedAt})
	if err != nil {
		t.Fatal(err)
	}
	if _, r := u.verify(u.envelopeOf(learner, nil, members(within)).Bytes(), p); r.Verdict != OK || strings.Count(codes(r), "subject.") != 1 {
		t.Errorf("%s\n%s", codes(r), r.Text())
	}
	if _, r := u.verify(u.envelopeOf(somebodyElse, nil, members(within)).Bytes(), p); r.Verdict != Failed || !strings.Contains(r.Text(), "issued to somebody else") {
		t.Errorf("%s\n%s", codes(r), r.Text())
	}
}

// 1EdTech's own record holds a badge of another issuer, of one learner.
func TestThePublishedRecordIsOfOneLearner(t *testing.T) {
	doc := members(Signed{secured: secured{doc: referenceTree(t, "examples", "clr20-simple.json")}})
	badge := doc["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)[0].(map[string]any)
	v := &verifier{now: now}
	if c := v.subject(tree(badge), tree(doc), ""); c.Outcome != OK {
		t.Error(c.Sentence)
	}
	badge["credentialSubject"].(map[string]any)["id"] = somebodyElse
	if c := v.subject(tree(badge), tree(doc), ""); c.Outcome != Failed {
		t.Error(c.Sentence)
	}
}

// Whatever two subjects say, what could be read from one side can be from the other,
// and nothing is both theirs and somebody else's.
func FuzzWhose(f *testing.F) {
	f.Add([]byte(`{"identifier":{"identityType":"emailAddress","hashed":false,"identityHash":"a@b"}}`), []byte(`{"id":"a:b","identifier":[{"identityType":"emailAddress","hashed":true,"identityHash":"sha256$00","salt":"x"},null,1]}`))
	f.Add([]byte(`[{"id":"a:b"},{"id":"a:b"}]`), []byte(`"a:b"`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, errX := jcs.Parse(a)
		y, errY := jcs.Parse(b)
		if errX != nil || errY != nil {
			return
		}
		v := &verifier{now: now}
		one, two := tree(map[string]any{"credentialSubject": x}), tree(map[string]any{"credentialSubject": y})
		if p, q := v.subject(one, two, ""), v.subject(two, one, ""); p.Outcome != q.Outcome || p.Code != q.Code {
			t.Errorf("%s one way, %s the other", p.Code, q.Code)
		}
	})
}
