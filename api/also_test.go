package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
	"clrnode/vc"
)

// startLedger is the ledger of a chain that begins in dir, or goes on there.
func startLedger(t *testing.T, dir string) *evm.Client {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	ledger, err := evm.Dial(t.Context(), chain.URL(), evm.Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ledger
}

// Who has a record and the DID of its issuer finds a receipt on each chain on which the
// issuer's log stands, at the place that the DID document names for it.
func TestReceiptsOnTwoChains(t *testing.T) {
	dir := t.TempDir()
	if err := anchortest.WithID(dir, 31337); err != nil {
		t.Fatal(err)
	}
	first, second := startLedger(t, t.TempDir()), startLedger(t, dir)
	s := startOnTwo(t, first, second, did.Outgoing{AllowLoopback: true}, false, registry.VerifySignature, registry.VerifyBlockchain)
	s.importFile("roster.zip", roster(rosterChange{}))
	s.issueAll()
	s.wait("the anchors", func() bool {
		o, err := s.node.Overview(t.Context(), s.publisher.ID)
		return err == nil && o.Anchor.Waiting == 0 && o.Anchor.Last != nil && o.Anchor.Also.Final == o.Anchor.Last.Number
	})
	record, _, err := s.node.Export(t.Context(), s.learners["ada"])
	if err != nil {
		t.Fatal(err)
	}
	signed, err := vc.ParseSigned(record)
	if err != nil {
		t.Fatal(err)
	}
	_, logs := signed.Elected()
	if len(logs) != 1 {
		t.Fatalf("the record elects %v", logs)
	}

	// By the verifier's own chain: the receipt of that one is fetched.
	client := did.NewClient(did.Outgoing{AllowLoopback: true})
	for _, chain := range []anchor.Reader{first, second} {
		c := node.AnchorCheck(t.Context(), node.AnchorQuestion{Log: logs[0], Signed: signed, Reader: chain, Resolver: did.NewResolver(client), Fetch: node.Fetcher(client)})
		if c.Outcome != vc.OK {
			t.Errorf("on chain %d: %s", chain.Chain().ID, c.Sentence)
		}
	}

	// By hand, from what the document says.
	resp, err := client.Get(s.url + "/p/" + s.publisher.ID + "/did.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		Service []struct {
			Type     string
			Endpoint json.RawMessage `json:"serviceEndpoint"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var chains []uint64
	for _, service := range doc.Service {
		if service.Type != anchor.ServiceType {
			continue
		}
		var at struct{ Log, Receipts string }
		if err := json.Unmarshal(service.Endpoint, &at); err != nil {
			t.Fatal(err)
		}
		digest := signed.Digest()
		a := program(s.browser(), "GET", strings.TrimPrefix(at.Receipts, s.url)+anchor.Hash(digest).String()[2:], "")
		r, err := anchor.ParseReceipt([]byte(a.body))
		if err != nil || a.status != http.StatusOK || r.LogID() != at.Log || r.Phase != anchor.Final {
			t.Errorf("%s of %s: %d, %s, %v", at.Receipts, at.Log, a.status, a.body, err)
			continue
		}
		chains = append(chains, r.Chain.ID)
	}
	if len(chains) != 2 || chains[0] == chains[1] {
		t.Errorf("the document leads to receipts on the chains %v", chains)
	}
	wantProblem(t, program(s.browser(), "GET", "/anchors/7/"+strings.Repeat("ab", 32), ""), 404, "")
}
