package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jose"
	"clrnode/testnet"
)

// A credential whose issuer is an Ethereum account verifies on the node and beside it:
// the chain of a node is one on which such identifiers live, and others are named by flag.
func TestIssuersOnAChain(t *testing.T) {
	data := t.TempDir()
	h, err := openHouse(t.Context(), Config{Data: data, Listen: "localhost:8080", ChainListen: "127.0.0.1:0"}, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	signer, err := did.Generate("secp256k1")
	if err != nil {
		t.Fatal(err)
	}
	account, _ := signer.Public().Address()
	token := func(network string) string {
		issuer := fmt.Sprintf("did:ethr:%s:%s", network, account)
		claims := fmt.Sprintf(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":%q,"validFrom":"2025-01-01T00:00:00Z","credentialSubject":{"id":"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}}`, issuer)
		jwt, err := jose.Sign(t.Context(), jose.Header{Kid: issuer + "#controller", Typ: "vc+jwt"}, []byte(claims), signer)
		if err != nil {
			t.Fatal(err)
		}
		return jwt
	}
	verify := func(network string, flags ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Run(t.Context(), append([]string{"verify", "-"}, flags...), strings.NewReader(token(network)), &out, &errs)
		return code, out.String() + errs.String()
	}
	own := fmt.Sprintf("0x%x", testnet.ChainID)
	if v, report, err := h.node.Verify(t.Context(), []byte(token(own)), nil); err != nil || v == nil {
		t.Errorf("on the node: %+v, %v", report, err)
	}
	if code, text := verify(own, "--data", data); code != exitOK {
		t.Errorf("beside the node: exit %d: %s", code, text)
	}
	named := fmt.Sprintf("--ethr-network=campus:%d=%s#0x32bd38896F6bDd276763Ae8BC60C156335DB09b5", testnet.ChainID, h.chain.URL())
	for network, want := range map[string]int{own: exitOK, "campus": exitOK, "sepolia": exitCouldNot} {
		if code, text := verify(network, "--data", t.TempDir(), named); code != want {
			t.Errorf("from another folder, on %s: exit %d: %s", network, code, text)
		}
	}
	resolve := func(id string, flags ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Run(t.Context(), append([]string{"did", "resolve", id, "--json"}, flags...), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	if code, text := resolve("did:ethr:"+own+":"+account.String(), "--data", data); code != exitOK || !strings.Contains(text, "EcdsaSecp256k1RecoveryMethod2020") {
		t.Errorf("did resolve beside the node: exit %d: %s", code, text)
	}
	if code, text := resolve("did:ethr:campus:"+account.String()+"?versionId=1", "--data", t.TempDir(), named); code != exitOK {
		t.Errorf("did resolve from another folder: exit %d: %s", code, text)
	}
	if code, text := resolve("did:ethr:sepolia:"+account.String(), "--data", data); code != exitCouldNot {
		t.Errorf("did resolve on an unknown network: exit %d: %s", code, text)
	}
	// A registry that isn't there, or another chain than named, is no answer.
	for _, flag := range []string{fmt.Sprintf("--ethr-network=campus:%d=%s", testnet.ChainID, h.chain.URL()), "--ethr-network=campus:5=" + h.chain.URL(), "--ethr-network=campus:5=http://127.0.0.1:1"} {
		if code, text := verify("campus", "--data", t.TempDir(), flag); code != exitCouldNot {
			t.Errorf("%s: exit %d: %s", flag, code, text)
		}
	}
	for flag, says := range map[string]string{
		"x": "the chain's id", "x:0=http://a": "above zero", ":1=http://a": "network's name", "A:1=http://a": "network's name", "0x1:1=http://a": "network's name", "x:5=ftp://a": "https://", "x:5": "https://",
		"x:5=http://a#0x1": "40 hexadecimal digits", "x:5=http://a,x:6=http://b": "already", "x:5=http://a,y:5=http://b": "already",
		"x:1=http://a": "mainnet is the name of chain 1", "mainnet:5=http://a": "mainnet is the name of chain 1",
	} {
		if code, text := verify("x", "--data", t.TempDir(), "--ethr-network="+flag); code != exitCouldNot || !strings.Contains(text, says) {
			t.Errorf("--ethr-network=%s: exit %d: %s", flag, code, text)
		}
	}
}
