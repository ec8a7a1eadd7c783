package vc

import (
	"encoding/json"
	"strings"
	"testing"

	"clrnode/did"
)

// A token in an envelope is read only where the context says what an envelope is.
func TestEnvelopeNeedsItsContext(t *testing.T) {
	token := tokenIn(t, Credential{
		"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"}, "credentialSubject": map[string]any{"id": "did:example:a"},
	}, FormJWT)
	for _, c := range []struct {
		contexts any
		good     bool
	}{
		{[]any{"https://www.w3.org/ns/credentials/v2"}, true},
		{"https://www.w3.org/ns/credentials/v2", true},
		{[]any{"https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"}, true},
		{[]any{}, false},
		{"https://www.w3.org/ns/credentials/examples/v2", false},
		{nil, false},
	} {
		envelope := Envelope(token)
		envelope["@context"] = c.contexts
		raw, err := json.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSigned(raw); (err == nil) != c.good {
			t.Errorf("contexts %v: %v", c.contexts, err)
		}
	}
}

// A presentation of data model 1.1 in a token has credentials that are tokens, too.
func TestTokensInTheTokenOfAPresentation(t *testing.T) {
	const v1 = "https://www.w3.org/2018/credentials/v1"
	inside := tokenIn(t, Credential{
		"@context": []any{v1}, "type": []any{"VerifiableCredential"}, "issuanceDate": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": "did:example:a"},
	}, FormJWT11)
	holder, err := did.Generate("P-256")
	if err != nil {
		t.Fatal(err)
	}
	_, method := did.KeyDID(holder.Public())
	present := func(credential string) error {
		s, err := Present(t.Context(), Credential{"@context": []any{v1}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": []any{credential}},
			Key{Method: method, Signer: holder}, Options{Form: FormJWT11, Challenge: "c"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = VerifyPresentation(t.Context(), s.Bytes(), Policy{Trust: TrustAnyIssuerUnsafe(), Challenge: "c"})
		return err
	}
	good := string(inside.Bytes())
	if err := present(good); err != nil {
		t.Errorf("presented: %v", err)
	}
	at := strings.LastIndexByte(good, '.') + 5
	other := "A"
	if good[at] == 'A' {
		other = "B"
	}
	if err := present(good[:at] + other + good[at+1:]); err == nil {
		t.Error("a credential with another signature was accepted in a presentation")
	}
}

// tokenIn issues a credential as a token.
func tokenIn(t *testing.T, c Credential, form Form) Signed {
	t.Helper()
	key, err := did.Generate("P-256")
	if err != nil {
		t.Fatal(err)
	}
	d, method := did.KeyDID(key.Public())
	c["issuer"] = d.String()
	s, err := Issue(t.Context(), c, Key{Method: method, Signer: key}, Options{Form: form})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A presentation that nobody signed shows its credentials, and no holder.
func TestUnsignedPresentation(t *testing.T) {
	token := tokenIn(t, Credential{
		"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"}, "credentialSubject": map[string]any{"id": "did:example:a"},
	}, FormJWT)
	raw, err := json.Marshal(Credential{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": []any{Envelope(token)}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := VerifyPresentation(t.Context(), raw, Policy{Trust: TrustAnyIssuerUnsafe()})
	if err != nil || p == nil || p.Holder() != "" || p.Report().Warnings == 0 {
		t.Errorf("unsigned: %v, %v", p, err)
	}
	if _, err := VerifyPresentation(t.Context(), raw, Policy{Trust: TrustAnyIssuerUnsafe(), Challenge: "c"}); err == nil {
		t.Error("an unsigned presentation was accepted where a challenge was given out")
	}
}
