package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jose"
)

// authority makes an authority of its own, a certificate of it for host, and a file with
// the authority's.
func authority(t *testing.T, host string) (tls.Certificate, string) {
	t.Helper()
	make := func(template, parent *x509.Certificate, key, parents *ecdsa.PrivateKey) []byte {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parents)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root := make(ca, ca, caKey, caKey)
	leaf := make(&x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}}, ca, key, caKey)
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, path
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A credential whose issuer lives in a private network, behind a name and a certificate
// of its own, verifies where the operator says so, and nowhere else.
func TestOutgoingOptions(t *testing.T) {
	const host = "records.intern.example.edu"
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	issuer := "did:web:" + host
	doc := fmt.Sprintf(`{"id":%q,"verificationMethod":[{"id":"#1","type":"Multikey","controller":%q,"publicKeyMultibase":%q}],"assertionMethod":["#1"]}`, issuer, issuer, signer.Public())
	certificate, ca := authority(t, host)
	_, otherCA := authority(t, host)
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Host != host || r.URL.Path != "/.well-known/did.json" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, doc)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse the certificate
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()
	address := server.Listener.Addr().String()

	claims := fmt.Sprintf(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":%q,"validFrom":"2025-01-01T00:00:00Z","credentialSubject":{"id":"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}}`, issuer)
	token, err := jose.Sign(context.Background(), jose.Header{Kid: issuer + "#1", Typ: "vc+jwt"}, []byte(claims), signer)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(flags ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Run(context.Background(), append([]string{"verify", "-", "--data", t.TempDir()}, flags...), strings.NewReader(token), &out, &errs)
		return code, out.String() + errs.String()
	}
	to := "--outgoing-map=" + host + "=" + address
	if code, text := verify(to, "--outgoing-ca="+ca); code != exitOK || asked.Load() == 0 {
		t.Fatalf("exit %d after %d requests: %s", code, asked.Load(), text)
	}
	asked.Store(0)
	for name, flags := range map[string][]string{
		"another authority": {to, "--outgoing-ca=" + otherCA}, "the system's authorities": {to}, "another host": {"--outgoing-map=other.example.edu=" + address, "--outgoing-ca=" + ca},
		"another port of the host": {"--outgoing-map=" + host + ":8443=" + address, "--outgoing-ca=" + ca},
	} {
		if code, text := verify(flags...); code != exitCouldNot || asked.Load() != 0 {
			t.Errorf("%s: exit %d after %d requests: %s", name, code, asked.Load(), text)
		}
	}
	for flag, says := range map[string]string{
		"--outgoing-map=" + host: "HOST=ADDR:PORT", "--outgoing-map=" + host + "=localhost:80": "HOST=ADDR:PORT", "--outgoing-map==" + address: "is no host", "--outgoing-map=https://a.edu=" + address: "is no port",
		"--outgoing-map=a.edu:0=" + address: "is no port", "--outgoing-map=a.edu=" + address + ",A.edu=127.0.0.1:1": "one of them is meant",
		"--outgoing-allow=https://a.edu": "is no host", "--outgoing-allow=a.edu:80": "without a port",
		"--outgoing-ca=" + filepath.Join(t.TempDir(), "none"): "no such file", "--outgoing-ca=outgoing_test.go": "no certificate in PEM",
	} {
		if code, text := verify(flag); code != exitCouldNot || !strings.Contains(text, says) {
			t.Errorf("%s: exit %d: %s", flag, code, text)
		}
	}
}

// A host that is allowed by name may be at a private address; its certificate is checked
// all the same.
func TestOutgoingAllow(t *testing.T) {
	certificate, ca := authority(t, "localhost")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	get := func(o Outgoing) error {
		options, err := o.options()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := did.NewClient(options).Get("https://localhost:" + port)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(Outgoing{Allow: []string{"localhost"}, CA: []string{ca}}); err != nil {
		t.Error(err)
	}
	if err := get(Outgoing{CA: []string{ca}}); err == nil || !strings.Contains(err.Error(), "allow the host by name") {
		t.Errorf("not allowed by name: %v", err)
	}
	if err := get(Outgoing{Allow: []string{"localhost"}}); err == nil {
		t.Error("an unknown authority is trusted")
	}
}
