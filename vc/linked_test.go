package vc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

// withLinks issues a credential with more members, by pairs of name and value.
func (u *university) withLinks(more ...any) Signed {
	u.t.Helper()
	c := Credential{
		"@context": []any{clr.ContextVC, contextExtensions}, "id": u.url("/credentials/9"), "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "name": "Ada"},
	}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return u.plain(c)
}

// linkedChecks are those of the envelope that are about linked things.
func (u *university) linkedChecks(s Signed, p Policy) (string, *Report) {
	u.t.Helper()
	_, r := u.verify(s.Bytes(), p)
	matchesSchema(u.t.(*testing.T), r)
	var all []string
	for _, c := range r.Envelope.Checks {
		if kind, _, _ := strings.Cut(c.Code, "."); slices.Contains([]string{"schema", "resource", "refresh", "terms", "linked"}, kind) {
			all = append(all, c.Code+"="+string(c.Outcome))
		}
	}
	return strings.Join(all, " "), r
}

func sri256(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func TestSchemas(t *testing.T) {
	const (
		of2020 = `{"$schema":"https://json-schema.org/draft/2020-12/schema",`
		unread = "schema.unchecked=warning"
	)
	doubling := of2020 + `"$ref":"#/$defs/d0","$defs":{`
	for i := range 40 {
		doubling += fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	doubling += `"d40":{"type":"object"}}}`
	for _, test := range []struct {
		name, body, kind, digest string
		linked                   Linked
		want, says, about        string
	}{
		{"kept", of2020 + `"properties":{"credentialSubject":{"required":["name"]}}}`, typeSchema, "", LinkedFetch, "schema.ok=ok", "wants it", ""},
		{"draft 7", `{"$schema":"http://json-schema.org/draft-07/schema#","required":["issuer"]}`, typeSchema, "", LinkedFetch, "schema.ok=ok", "", ""},
		{"2019-09, as 1EdTech writes it", `{"$schema":"https://json-schema.org/draft/2019-09/schema#","required":["issuer"]}`, typeSchema1EdTech, "", LinkedFetch, "schema.ok=ok", "", ""},
		{"broken", of2020 + `"properties":{"credentialSubject":{"properties":{"name":{"pattern":"^B"}}}}}`, typeSchema, "", LinkedFetch, "schema.violated=failed", "“pattern” isn't kept by /credentialSubject/name", "/credentialSubject/name"},
		{"broken behind a reference", of2020 + `"$ref":"#/$defs/a","$defs":{"a":{"required":["evidence"]}}}`, typeSchema, "", LinkedFetch, "schema.violated=failed", "“required” isn't kept by the credential as a whole", ""},
		{"none of several", of2020 + `"properties":{"type":{"oneOf":[{"type":"string"},{"type":"number"}]}}}`, typeSchema, "", LinkedFetch, "schema.violated=failed", "“oneOf”", "/type"},
		{"nothing is good", of2020 + `"properties":{"id":false}}`, typeSchema, "", LinkedFetch, "schema.violated=failed", "", "/id"},
		{"with its digest", of2020 + `"required":["issuer"]}`, typeSchema, "own", LinkedFetch, "schema.ok=ok", "", ""},
		{"with the digest of another", of2020 + `"required":["issuer"]}`, typeSchema, sri256([]byte("other")), LinkedFetch, "schema.digest=failed", "isn't the one that was signed", ""},
		{"with a digest of another way", of2020 + `"required":["issuer"]}`, typeSchema, "md5-1B2M2Y8AsgTpgAmY7PhCfg==", LinkedFetch, unread, "doesn't know", ""},
		{"no dialect", `{"required":["issuer"]}`, typeSchema, "", LinkedFetch, unread, "isn't a JSON Schema of", ""},
		{"draft 4", `{"$schema":"http://json-schema.org/draft-04/schema#"}`, typeSchema, "", LinkedFetch, unread, "isn't a JSON Schema of", ""},
		{"own dialect", `{"$schema":"https://example.edu/dialect"}`, typeSchema, "", LinkedFetch, unread, "isn't a JSON Schema of", ""},
		{"refers elsewhere", of2020 + `"$ref":"https://example.edu/other.json"}`, typeSchema, "", LinkedFetch, unread, "isn't fetched", ""},
		{"refers to a file", of2020 + `"$ref":"file:///etc/passwd"}`, typeSchema, "", LinkedFetch, unread, "isn't fetched", ""},
		{"dynamic", of2020 + `"$dynamicRef":"#x","$dynamicAnchor":"x"}`, typeSchema, "", LinkedFetch, unread, "change with where", ""},
		{"no schema", of2020 + `"type":7}`, typeSchema, "", LinkedFetch, unread, "no good schema", ""},
		{"doubling", doubling, typeSchema, "", LinkedFetch, unread, "more steps", ""},
		{"in a circle", of2020 + `"$ref":"#"}`, typeSchema, "", LinkedFetch, unread, "", ""},
		{"a page", `<html>`, typeSchema, "", LinkedFetch, unread, "strict JSON", ""},
		{"twice", of2020 + `"required":["x"],"required":[]}`, typeSchema, "", LinkedFetch, unread, "strict JSON", ""},
		{"long", of2020 + `"$comment":"` + strings.Repeat("x", maxSchema) + `"}`, typeSchema, "", LinkedFetch, unread, "longer than", ""},
		{"gone", "", typeSchema, "", LinkedFetch, unread, "answered 404", ""},
		{"other kind", of2020 + `"required":["issuer"]}`, "JsonSchemaCredential", "", LinkedFetch, "schema.unsupported=warning", "JsonSchemaCredential", ""},
		{"not looked at", of2020 + `"required":["evidence"]}`, typeSchema, "", LinkedUnchecked, unread, "aren't fetched", ""},
		{"refused", of2020 + `"required":["issuer"]}`, typeSchema, "", LinkedRefuse, "linked.refused=failed", "policy refuses", ""},
		{"other kind, refused", of2020 + `"required":["issuer"]}`, "JsonSchemaCredential", "", LinkedRefuse, "linked.refused=failed", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			if test.body != "" {
				u.serve("/schema", 200, []byte(test.body))
			}
			schema := map[string]any{"id": u.url("/schema"), "type": test.kind}
			switch test.digest {
			case "":
			case "own":
				schema["digestSRI"] = sri256([]byte(test.body))
			default:
				schema["digestSRI"] = test.digest
			}
			p := u.policy()
			p.Linked = test.linked
			got, r := u.linkedChecks(u.withLinks("credentialSchema", []any{schema}), p)
			if got != test.want || !strings.Contains(r.Text(), test.says) {
				t.Errorf("%s, want %s and %q\n%s", got, test.want, test.says, r.Text())
			}
			if c := r.Envelope.Checks[len(r.Envelope.Checks)-1]; test.about != "" && c.About != test.about {
				t.Errorf("it is about %q", c.About)
			}
			if asked := u.asked["/schema"]; asked > 0 != (test.linked == LinkedFetch && test.kind != "JsonSchemaCredential") || asked > 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
	u := newUniversity(t)
	p := u.policy()
	p.Linked, p.Fetch = LinkedFetch, nil
	if got, r := u.linkedChecks(u.withLinks("credentialSchema", map[string]any{"id": u.url("/schema"), "type": typeSchema}), p); got != unread || r.Verdict != OK {
		t.Error(r.Text())
	}
}

// Of records and badges our rules decide: 1EdTech's schemas are asked for by nobody, and
// nothing is said of them, under any policy.
func TestOwnSchemasAreNotFetched(t *testing.T) {
	u := newUniversity(t)
	s := u.record(2, learner)
	if !strings.Contains(s.raw, clr.SchemaCLR) || !strings.Contains(s.raw, clr.SchemaAchievement) {
		t.Fatal("the record names no schemas")
	}
	want := ""
	for _, linked := range []Linked{LinkedUnchecked, LinkedFetch, LinkedRefuse} {
		p := u.policy()
		p.Linked = linked
		p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
			if strings.Contains(url, "purl.imsglobal.org") {
				t.Errorf("%s is asked for", url)
			}
			return u.fetch(ctx, url, accept)
		}
		v, r := u.verify(s.Bytes(), p)
		if v == nil || r.Verdict != OK || r.Warnings != 0 || want != "" && codes(r) != want {
			t.Error(r.Text())
		}
		want = codes(r)
	}
	// Of other credentials they don't decide.
	p := u.policy()
	p.Linked = LinkedRefuse
	if got, r := u.linkedChecks(u.withLinks("credentialSchema", map[string]any{"id": clr.SchemaCLR, "type": typeSchema1EdTech}), p); got != "linked.refused=failed" {
		t.Error(r.Text())
	}
}

func TestRelatedResources(t *testing.T) {
	logo := []byte("\x89PNG logo")
	bundled, _ := rdf.Context(clr.ContextVC)
	published := []byte(`{"@context":{"published":"in another form"}}`)
	sum384, sum512 := sha512.Sum384(logo), sha512.Sum512(logo)
	sum256 := sha256.Sum256(logo)
	sri384 := "sha384-" + base64.StdEncoding.EncodeToString(sum384[:])
	sri512 := "sha512-" + base64.StdEncoding.EncodeToString(sum512[:])
	base58 := did.EncodeMultibase(append([]byte{0x12, 32}, sum256[:]...))
	base64url := "u" + base64.RawURLEncoding.EncodeToString(append([]byte{0x13, 64}, sum512[:]...))
	const unchecked = "resource.unchecked=could not check"
	for _, test := range []struct {
		name   string
		at     string // of the resource
		linked Linked
		more   []any
		want   string
		asked  int
	}{
		{"sha256", "", LinkedFetch, []any{"digestSRI", sri256(logo)}, "resource.ok=ok", 1},
		{"sha384", "", LinkedFetch, []any{"digestSRI", sri384}, "resource.ok=ok", 1},
		{"sha512, with options", "", LinkedFetch, []any{"digestSRI", sri512 + "?ct=image/png"}, "resource.ok=ok", 1},
		{"one of two", "", LinkedFetch, []any{"digestSRI", sri256([]byte("other")) + " " + sri256(logo)}, "resource.ok=ok", 1},
		{"the strongest counts", "", LinkedFetch, []any{"digestSRI", sri256(logo) + " sha512-" + base64.StdEncoding.EncodeToString(make([]byte, 64))}, "resource.digest=failed", 1},
		{"multihash", "", LinkedFetch, []any{"digestMultibase", base58}, "resource.ok=ok", 1},
		{"multihash in base64url", "", LinkedFetch, []any{"digestMultibase", base64url}, "resource.ok=ok", 1},
		{"both", "", LinkedFetch, []any{"digestMultibase", base58, "digestSRI", sri384}, "resource.ok=ok", 1},
		{"both, one wrong", "", LinkedFetch, []any{"digestMultibase", base58, "digestSRI", sri256([]byte("other"))}, "resource.digest=failed", 1},
		{"both, one unknown", "", LinkedFetch, []any{"digestMultibase", base58, "digestSRI", "md5-1B2M2Y8AsgTpgAmY7PhCfg=="}, unchecked, 1},
		{"wrong", "", LinkedFetch, []any{"digestSRI", sri256([]byte("other"))}, "resource.digest=failed", 1},
		{"of a length that none has", "", LinkedFetch, []any{"digestSRI", "sha256-AAAA"}, "resource.digest=failed", 1},
		{"unknown way", "", LinkedFetch, []any{"digestMultibase", "zQmUNKNOWN"}, unchecked, 1},
		{"away", "https://example.invalid/logo", LinkedFetch, []any{"digestSRI", sri256(logo)}, unchecked, 0},
		{"no web address", "urn:x:logo", LinkedFetch, []any{"digestSRI", sri256(logo)}, unchecked, 0},
		{"not looked at", "", LinkedUnchecked, []any{"digestSRI", sri256(logo)}, unchecked, 0},
		{"refused", "", LinkedRefuse, []any{"digestSRI", sri256(logo)}, "linked.refused=failed", 0},
		{"bundled", clr.ContextVC, LinkedUnchecked, []any{"digestSRI", sri256(bundled)}, "resource.ok=ok", 0},
		{"bundled, others refused", clr.ContextVC, LinkedRefuse, []any{"digestSRI", sri256(bundled)}, "resource.ok=ok", 0},
		{"bundled, published in another form", clr.ContextVC, LinkedFetch, []any{"digestSRI", sri256(published)}, "resource.ok=ok", 0},
		{"bundled, of another digest", clr.ContextVC, LinkedFetch, []any{"digestSRI", sri256(logo)}, "resource.digest=failed", 0},
		{"bundled, of another digest, not looked at", clr.ContextVC, LinkedUnchecked, []any{"digestSRI", sri256(logo)}, unchecked, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			u.serve("/logo", 200, logo)
			u.serve("/context", 200, published)
			r := map[string]any{"id": u.url("/logo")}
			if test.at != "" {
				r["id"] = test.at
			}
			for i := 0; i < len(test.more); i += 2 {
				r[test.more[i].(string)] = test.more[i+1]
			}
			p := u.policy()
			p.Linked = test.linked
			p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
				switch url {
				case clr.ContextVC:
					url = u.url("/context")
				case "https://example.invalid/logo":
					return Response{}, context.DeadlineExceeded
				}
				return u.fetch(ctx, url, accept)
			}
			got, report := u.linkedChecks(u.withLinks("relatedResource", []any{r}), p)
			if got != test.want || u.asked["/logo"] != test.asked {
				t.Errorf("%s, asked %d times; want %s, %d\n%s", got, u.asked["/logo"], test.want, test.asked, report.Text())
			}
			if want := map[bool]Outcome{true: Failed, false: report.Verdict}[strings.HasSuffix(got, "failed")]; report.Verdict != want || got == unchecked && report.Verdict != Unchecked {
				t.Errorf("the verdict is %s", report.Verdict)
			}
		})
	}
}

// The published form of a bundled context is the same JSON as the bundled one.
func TestPublishedContexts(t *testing.T) {
	files := map[string]string{contextV1: "2018-credentials-v1.jsonld", clr.ContextVC: "credentials-v2.jsonld", "https://www.w3.org/ns/did/v1": "did-v1.jsonld",
		"https://w3id.org/security/data-integrity/v1": "data-integrity-v1.jsonld"}
	for url, digests := range publishedDigests {
		raw := reference(t, "contexts", files[url])
		here, _ := rdf.Context(url)
		a, errA := jcs.Transform(raw)
		b, errB := jcs.Transform(here)
		if errA != nil || errB != nil || string(a) != string(b) || !maps.Equal(sumsWritten(digests), sumsOf(raw)) {
			t.Errorf("%s: the digests are those of another document", url)
		}
		for _, digest := range append(strings.Fields(digests), sri256(here)) {
			if !bundled(tree(map[string]any{"id": url, "digestSRI": digest})) {
				t.Errorf("%s isn't known by %s", url, digest)
			}
		}
		if bundled(tree(map[string]any{"id": url, "digestSRI": sri256([]byte("other"))})) || bundled(tree(map[string]any{"id": url})) {
			t.Errorf("%s is known by any digest", url)
		}
	}
}

func TestRefresh(t *testing.T) {
	const unread = "refresh.unchecked=warning"
	type setting struct {
		u *university
		s *Signed
		p *Policy
	}
	newer := func(x setting, change func(c Credential)) {
		c := without(members(*x.s), "proof")
		c["validFrom"] = "2026-05-01T00:00:00Z"
		change(c)
		x.u.serve("/newer", 200, x.u.plain(c).Bytes())
	}
	listed := func(x setting, index int, bits StatusBits) {
		x.u.serve("/lists/1", 200, x.u.plain(x.u.listOf(typeBitstring, "revocation", bits)).Bytes())
		newer(x, func(c Credential) { c["credentialStatus"] = x.u.bitsEntry(typeBitstring, "revocation", index) })
	}
	for _, test := range []struct {
		name   string
		change func(x setting)
		want   string
		says   string
	}{
		{"the same", func(x setting) { x.u.serve("/newer", 200, x.s.Bytes()) }, "refresh.ok=ok", "no newer version"},
		{"an older one", func(x setting) { newer(x, func(c Credential) { c["validFrom"] = "2025-05-01T00:00:00Z" }) }, "refresh.ok=ok", ""},
		{"a newer one", func(x setting) { newer(x, func(Credential) {}) }, "refresh.newer=warning", "of 1 May 2026; ask for that one."},
		{"a newer one, not yet", func(x setting) { newer(x, func(c Credential) { c["validFrom"] = "2026-07-01T00:00:00Z" }) }, "refresh.newer=warning", "begins on 1 July 2026"},
		{"a newer one that is over", func(x setting) { newer(x, func(c Credential) { c["validUntil"] = "2026-05-02T00:00:00Z" }) }, "refresh.expired=failed", "Expired on 2 May 2026"},
		{"a newer one, not revoked", func(x setting) { listed(x, 6, NewStatusBits()) }, "refresh.newer=warning", ""},
		{"a newer one, revoked", func(x setting) {
			bits := NewStatusBits()
			bits.Set(6)
			listed(x, 6, bits)
		}, "refresh.revoked=failed", "doesn't stand. Revoked by"},
		{"a newer one of unknown status", func(x setting) {
			listed(x, 6, NewStatusBits())
			x.u.serve("/lists/1", 500, nil)
		}, "refresh.newer=warning", "Could not check if revoked"},
		{"newer by nobody's word", func(x setting) {
			newer(x, func(Credential) {})
			x.u.serve("/newer", 200, []byte(strings.Replace(string(x.u.pages["/newer"].body), "2026-05-01", "2026-05-03", 1)))
		}, unread, "isn't provably the issuer's"},
		{"newer, without a proof", func(x setting) {
			newer(x, func(Credential) {})
			doc, _ := jcs.Read(x.u.pages["/newer"].body)
			x.u.serve("/newer", 200, doc.Without("proof").Append(nil))
		}, unread, "isn't provably the issuer's"},
		{"newer, in a suite of another time", func(x setting) {
			newer(x, func(Credential) {})
			doc, _ := jcs.Read(x.u.pages["/newer"].body)
			x.u.serve("/newer", 200, doc.With("proof", tree(map[string]any{"type": "DataIntegrityProof", "cryptosuite": "new-2030"})).Append(nil))
		}, unread, "isn't provably the issuer's"},
		{"newer, against the rules", func(x setting) {
			newer(x, func(Credential) {})
			doc, _ := jcs.Read(x.u.pages["/newer"].body)
			x.u.serve("/newer", 200, doc.Without("credentialSubject").Append(nil))
		}, unread, "no credentialSubject"},
		{"of another id", func(x setting) { newer(x, func(c Credential) { c["id"] = "urn:x:1" }) }, unread, "another credential"},
		{"of another issuer", func(x setting) {
			other, _ := did.GenerateEd25519()
			id, method := did.KeyDID(other.Public())
			c := without(members(*x.s), "proof")
			c["validFrom"], c["issuer"] = "2026-05-01T00:00:00Z", id.String()
			s, _ := signedWith(c, method, other)
			x.u.serve("/newer", 200, s.Bytes())
		}, unread, "another credential"},
		{"taken back", func(x setting) { x.u.serve("/newer", 410, nil) }, "refresh.gone=warning", "taken back"},
		{"away", func(x setting) {}, unread, "answered 404"},
		{"rubbish", func(x setting) { x.u.serve("/newer", 200, []byte("<html>")) }, unread, "no credential"},
		{"offline", func(x setting) { x.p.Fetch = nil }, unread, "no connection"},
		{"not looked at", func(x setting) { x.p.Linked = LinkedUnchecked }, unread, "aren't fetched"},
		{"refused", func(x setting) { x.p.Linked = LinkedRefuse }, unread, "aren't fetched"},
		{"of another kind", func(x setting) {
			*x.s = x.u.withLinks("refreshService", map[string]any{"id": x.u.url("/newer"), "type": "https://example.edu/terms#Refresh"})
		}, unread, "doesn't know its kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			s := u.withLinks("refreshService", map[string]any{"id": u.url("/newer"), "type": typeRefresh})
			p := u.policy()
			p.Linked = LinkedFetch
			test.change(setting{u, &s, &p})
			got, r := u.linkedChecks(s, p)
			if got != test.want || !strings.Contains(r.Text(), test.says) {
				t.Errorf("%s, want %s and %q\n%s", got, test.want, test.says, r.Text())
			}
			if want := map[bool]Outcome{true: Failed, false: OK}[strings.HasSuffix(got, "failed")]; r.Verdict != want {
				t.Errorf("the verdict is %s", r.Verdict)
			}
			if u.asked["/newer"] > 1 || u.asked["/.well-known/did.json"] != 1 {
				t.Errorf("asked more than once: %v", u.asked)
			}
		})
	}
	// After a broken proof nobody is asked.
	u := newUniversity(t)
	s := u.withLinks("refreshService", map[string]any{"id": u.url("/newer"), "type": typeRefresh}, "credentialSchema", map[string]any{"id": u.url("/schema"), "type": typeSchema})
	p := u.policy()
	p.Linked = LinkedFetch
	if _, r := u.verify([]byte(strings.Replace(s.raw, `"Ada"`, `"Bob"`, 1)), p); r.Verdict != Failed || u.asked["/newer"]+u.asked["/schema"] != 0 {
		t.Errorf("asked %v\n%s", u.asked, r.Text())
	}
}

func TestTermsOfUse(t *testing.T) {
	u := newUniversity(t)
	s := u.withLinks("termsOfUse", []any{map[string]any{"type": "https://example.edu/terms#Policy", "id": "https://example.edu/policy"}, BlockchainTerm("eip155:1:0x00000000000000000000000000000000000000aa")})
	p := u.policy()
	p.Anchored = func(context.Context, string, Signed) Check {
		return Check{Code: "anchor.ok", Outcome: OK, Sentence: "Anchored."}
	}
	got, r := u.linkedChecks(s, p)
	if got != "terms.foreign=warning" || r.Verdict != OK || r.Warnings != 1 || !strings.Contains(r.Text(), "“https://example.edu/terms#Policy”") {
		t.Error(r.Text())
	}
}

func TestManyLinkedThingsAreNotAllAskedFor(t *testing.T) {
	u := newUniversity(t)
	var schemas, resources []any
	for i := range maxLinked + 5 {
		at := fmt.Sprintf("/linked/%d", i)
		u.serve(at, 200, []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema"}`))
		schemas = append(schemas, map[string]any{"id": u.url(at), "type": typeSchema})
		resources = append(resources, map[string]any{"id": u.url("/more" + at), "digestSRI": sri256([]byte("x"))})
	}
	p := u.policy()
	p.Linked = LinkedFetch
	got, r := u.linkedChecks(u.withLinks("credentialSchema", schemas, "relatedResource", resources), p)
	if u.total("/linked") != maxLinked || u.total("/more") != 0 || strings.Count(got, "schema.ok") != maxLinked || strings.Count(got, "schema.unchecked") != 1 || strings.Count(got, "resource.unchecked") != maxLinked+1 {
		t.Errorf("asked %d times\n%s", u.total("/linked"), r.Text())
	}
	// All together they have a bound.
	u.serve("/long", 200, make([]byte, maxLinkedSize+1))
	if got, r := u.linkedChecks(u.withLinks("relatedResource", []any{map[string]any{"id": u.url("/long"), "digestSRI": sri256(make([]byte, maxLinkedSize+1))}}), p); got != "resource.unchecked=could not check" {
		t.Error(r.Text())
	}
	// Those who share one ask once; of newer versions a few are asked for.
	_, k := u.school(0)
	p.Trust = TrustAnyIssuerUnsafe()
	var badges []map[string]any
	for i := range maxRefreshes + 3 {
		b := without(u.badgeOf(k, i, learner, nil), "proof")
		b["credentialSchema"] = []any{map[string]any{"id": u.url("/linked/0"), "type": typeSchema1EdTech}}
		b["refreshService"] = map[string]any{"id": u.url(fmt.Sprintf("/newer/%d", i)), "type": typeRefresh}
		s, err := Issue(context.Background(), b, k, Options{Created: issuedAt})
		if err != nil {
			t.Fatal(err)
		}
		badges = append(badges, members(s))
	}
	before := u.asked["/linked/0"]
	_, r = u.verify(u.envelopeOf(learner, nil, badges...).Bytes(), p)
	if u.asked["/linked/0"] != before+1 || u.total("/newer") != maxRefreshes || strings.Count(codes(r), "schema.ok=ok") != len(badges) || r.Verdict != OK {
		t.Errorf("asked %d times, %d times for newer\n%s", u.asked["/linked/0"]-before, u.total("/newer"), r.Text())
	}
}

func FuzzDigests(f *testing.F) {
	f.Add("sha256-"+strings.Repeat("A", 43)+"= sha384-x?y", "zQm")
	f.Add("md5-x", "uEiA")
	bytes := sumsOf([]byte("bytes"))
	f.Fuzz(func(t *testing.T, sri, multihash string) {
		said := false
		for _, sum := range bytes {
			said = said || strings.Contains(sri, base64.StdEncoding.EncodeToString([]byte(sum)))
		}
		if f := bytes.sri(sri); f == fitNone || f == fitGood && !said {
			t.Errorf("%q: %d", sri, f)
		}
		if f := bytes.multihash(multihash); f == fitNone {
			t.Errorf("%q: %d", multihash, f)
		}
	})
}
