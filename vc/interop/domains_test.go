package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc"
)

// site is a web site that serves one file, and the DID that says that the site is its own.
type site struct {
	document *did.Document
	file     []byte
}

const schoolSite = "https://school.example"

func newSite(t testing.TB, method, multibase string) *site {
	t.Helper()
	u, err := did.ParseURL(method)
	if err != nil {
		t.Fatal(err)
	}
	return &site{document: &did.Document{
		ID:                 u.DID,
		VerificationMethod: []did.VerificationMethod{{ID: method, Type: "Multikey", Controller: u.DID.String(), PublicKeyMultibase: multibase}},
		AssertionMethod:    []string{method},
		Service:            []did.Service{{ID: u.DID.String() + "#site", Type: []string{vc.LinkedDomains}, Endpoint: json.RawMessage(`"` + schoolSite + `"`)}},
	}}
}

func (s *site) Resolve(_ context.Context, d did.DID, _ did.Options) (did.Resolution, error) {
	if d != s.document.ID {
		return did.Resolution{}, did.ErrNotFound
	}
	return did.Resolution{Document: s.document}, nil
}

func (s *site) fetch(_ context.Context, url, _ string) (vc.Response, error) {
	if url != schoolSite+vc.DIDConfigPath {
		return vc.Response{Status: 404}, nil
	}
	return vc.Response{Status: 200, Body: s.file}, nil
}

// A web site that names our DID convinces their client, and one that names theirs
// convinces us: with a token, and with a proof.
func TestLinkedDomains(t *testing.T) {
	p, ctx := start(t), context.Background()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now, until := from.AddDate(0, 6, 0), from.AddDate(1, 0, 0)

	ours := keyNumber(t, 1)
	id, method := did.KeyDID(ours.Public())
	proof, token, err := vc.LinkDomain(ctx, schoolSite, vc.Key{Method: method, Signer: ours}, from, until)
	if err != nil {
		t.Fatal(err)
	}
	file := vc.DIDConfig(proof, token)
	question := object{"doc": json.RawMessage(file), "did": id.String(), "jwk": json.RawMessage(ours.Public().JWK()), "now": now}
	if a := p.ask("linkedDomains", question); !a.Verified || len(a.Results) != 2 {
		t.Errorf("ours: %+v", a)
	}
	question["doc"] = json.RawMessage(bytes.Replace(file, []byte("2027-01-01"), []byte("2037-01-01"), 1))
	if a := p.ask("linkedDomains", question); a.Verified {
		t.Errorf("a changed one: %+v", a)
	}

	const school = "did:web:school.example.org"
	for _, suite := range []string{"eddsa-rdfc-2022", "Ed25519Signature2020"} {
		k := p.ask("key", object{"kind": "Ed25519", "controller": school})
		s := newSite(t, k.Method, k.Multibase)
		made := p.ask("linkDomain", object{"origin": schoolSite, "did": school, "key": k.Method, "suite": suite, "from": from, "until": until})
		var whole struct {
			Context json.RawMessage   `json:"@context"`
			Linked  []json.RawMessage `json:"linked_dids"`
		}
		if err := json.Unmarshal(made.Doc, &whole); err != nil || len(whole.Linked) != 2 {
			t.Fatalf("%v: %s", err, made.Doc)
		}
		credential := p.ask("sign", object{"doc": object{"@context": []string{"https://www.w3.org/ns/credentials/v2"}, "type": []string{"VerifiableCredential"}, "issuer": school, "credentialSubject": object{"id": "did:example:ada"}},
			"suite": "eddsa-rdfc-2022", "key": k.Method, "created": from})
		for i, one := range whole.Linked {
			for right, origin := range map[bool]string{true: schoolSite, false: "https://school.invalid"} {
				whole.Linked = []json.RawMessage{one}
				s.file = marshal(t, map[string]any{"@context": whole.Context, "linked_dids": whole.Linked})
				s.document.Service[0].Endpoint = json.RawMessage(`"` + origin + `"`)
				v, err := vc.Verify(ctx, credential.Doc, vc.Policy{Resolver: s, Trust: vc.TrustAnyIssuerUnsafe(), Now: now, Fetch: s.fetch, Linked: vc.LinkedFetch})
				if err != nil {
					t.Fatal(err)
				}
				if proven := strings.Join(v.Report().Envelope.Domains, " "); proven != map[bool]string{true: "school.example.org school.example", false: "school.example.org"}[right] {
					t.Errorf("theirs, %s %d at %s: %q %s", suite, i, origin, proven, v.Report().Text())
				}
			}
		}
	}
}
