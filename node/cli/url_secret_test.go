package cli

import (
	"bytes"
	"strings"
	"testing"

	"clrnode/testnet"
)

// What a command says of a chain can be handed on: of URLs of the chain's nodes it has the hosts
// alone, as the rest may be the key of who pays for their answers.
func TestNoSecretOfAChainsURL(t *testing.T) {
	t.Parallel()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	const password, path, query = "pa55w0rd", "s3cretpath", "t0ken"
	secret := func(host string) string {
		return strings.Replace(host, "://", "://somebody:"+password+"@", 1) + "/v3/" + path + "?key=" + query
	}
	const log = "0x00000000000000000000000000000000000000ff"
	there, nowhere := secret(chain.URL()), secret("http://127.0.0.1:1")
	for _, args := range [][]string{
		{"audit", "--log", log, "--rpc", there},
		{"audit", "--log", log, "--rpc", nowhere},
		{"audit", "--log", log, "--rpc", secret("ws://127.0.0.1:1")},
		{"audit", "--log", log, "--rpc", chain.URL(), "--compare", nowhere},
		{"audit", "--log", log, "--rpc", chain.URL(), "--compare", secret("ws://127.0.0.1:1")},
		{"chain", "info", "--rpc", there},
		{"chain", "info", "--rpc", nowhere},
		{"chain", "info", "--rpc", secret("ws://127.0.0.1:1")},
		{"contract", "deploy", "--dry-run", "--rpc", there},
		{"contract", "deploy", "--dry-run", "--rpc", nowhere},
		{"did", "resolve", "did:ethr:campus:" + log, "--ethr-network=campus:5=" + nowhere},
		{"did", "resolve", "did:ethr:campus:" + log, "--ethr-network=campus:5=" + secret("ws://127.0.0.1:1")},
		{"did", "resolve", "did:ethr:campus:" + log, "--ethr-network=campus:x=" + nowhere},
	} {
		for _, form := range []string{"--json=false", "--json"} {
			var out, talk bytes.Buffer
			Run(t.Context(), append(args, form, "--data", t.TempDir()), nil, &out, &talk)
			said := out.String() + talk.String()
			if said == "" {
				t.Errorf("%s says nothing", args)
			}
			for _, s := range []string{password, path, query} {
				if strings.Contains(said, s) {
					t.Errorf("%s shows %s: %s", args[:2], s, said)
				}
			}
		}
	}
}
