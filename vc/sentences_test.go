package vc

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// The sentences that a person reads name the nearest cause, and the data model at hand.
func TestSentencesNameTheNearestCause(t *testing.T) {
	u := keyed(t)
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	old := map[string]any{"@context": []any{contextV1, "https://w3id.org/security/data-integrity/v2"}, "issuanceDate": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner}}
	older := u.general("", old)
	delete(older, "validFrom")
	said := func(raw []byte) string {
		_, r := u.verify(raw, p)
		matchesSchema(t, r)
		return codes(r) + "\n" + r.Text()
	}
	unsigned := tree(u.issue(u.general("", nil)).doc.Any())
	unsigned = unsigned.With("proof", unsigned.Get("proof").Without("proofValue"))
	enveloped := `{"@context":"https://www.w3.org/ns/credentials/v2","type":"EnvelopedVerifiableCredential","id":"data:application/vc+sd-jwt,eyJhbGciOiJFUzI1NiJ9.eyJ2Y3QiOiJ4In0.c2ln~"}`
	presentation := `{"@context":"https://www.w3.org/ns/credentials/v2","type":"VerifiablePresentation","verifiableCredential":` + enveloped + `}`
	for want, text := range map[string]string{
		"The issuer " + u.did.String() + " is not in your list":      said(u.issue(u.general("", nil)).Bytes()),
		"Written as the Verifiable Credentials Data Model 1.1 wants": said(u.issue(older).Bytes()),
		"has no proofValue":                         said(unsigned.Append(nil)),
		"structure.version=could not check":         said([]byte(enveloped)),
		"Could not check: this is an SD-JWT, which": said([]byte(enveloped)),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q isn't said in\n%s", want, text)
		}
	}
	_, err := VerifyPresentation(context.Background(), []byte(presentation), p)
	var unchecked *UncheckedError
	if !errors.As(err, &unchecked) || !strings.Contains(codes(unchecked.Report), "structure.version=could not check") {
		t.Errorf("a presentation of an SD-JWT: %v", err)
	}
}

// Sentences about connections are for people, and name no machine of the verifier's.
func TestWhyNobodyAnswered(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, refused := http.Get(server.URL)
	silent, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, stop := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer stop()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+silent.Addr().String(), nil)
	_, late := http.DefaultClient.Do(req)
	_, private := did.NewClient(did.Outgoing{}).Get("https://127.0.0.1:1/")
	unknown := &url.Error{Op: "Get", URL: "https://a.example/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "a.example", Server: "10.0.0.53:53", IsNotFound: true}}}
	away := &url.Error{Op: "Get", URL: "https://a.example/", Err: &net.DNSError{Err: "server misbehaving", Name: "a.example", Server: "10.0.0.53:53", IsTemporary: true}}
	for err, want := range map[error]string{
		refused: "connection refused", late: "it didn't answer in time", private: "isn't a public address", unknown: "nobody knows the name “a.example”", away: "the name “a.example” could not be looked up",
		errors.New("it is asleep"): "it is asleep",
	} {
		got := unreached(err)
		if !strings.Contains(got, want) || strings.Contains(got, "10.0.0.53") || strings.Contains(got, "dial tcp") || strings.Contains(got, "Get ") {
			t.Errorf("unreached(%v) = %q, want %q", err, got, want)
		}
	}
}
