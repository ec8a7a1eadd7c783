package node_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
	"clrnode/vc"
)

// secondID is the id of the other chain in tests that need two ids.
const secondID = 31337

// startSecond is the ledger of a chain with that id.
func startSecond(t *testing.T) node.Ledger {
	t.Helper()
	dir := t.TempDir()
	if err := anchortest.WithID(dir, secondID); err != nil {
		t.Fatal(err)
	}
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	second, err := evm.Dial(t.Context(), chain.URL(), evm.Options{Key: chain.FundedKey(), ChainID: secondID, Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	return second
}

// bound tells whether a publisher's log on a chain is that of a document's DID.
func bound(t *testing.T, doc *did.Document, c anchor.Chain, p registry.Publisher) anchor.Binding {
	t.Helper()
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	return anchor.CheckBinding(doc, c, log)
}

// logServices are the fragments of the services of a document that name logs.
func logServices(doc *did.Document) (all []string) {
	for _, s := range doc.Service {
		if s.Is(anchor.ServiceType) {
			all = append(all, strings.TrimPrefix(s.ID, doc.ID.String()))
		}
	}
	return all
}

// TestLogOnTwoChains: a publisher's identifiers name its log on each chain on which it
// stands, with the word of the log's key for each. A publisher of before gets the second one
// when its node does, with one more entry in its history, and what was issued stays good.
// What was named stays named when the node leaves a chain.
func TestLogOnTwoChains(t *testing.T) {
	t.Parallel()
	first, second := startChain(t), startSecond(t)
	o := newOptions(t, openEngine(t), nil)
	o.AnchorEvery = time.Nanosecond
	start := func(l, also node.Ledger) *node.Node {
		t.Helper()
		o.Ledger, o.Also = l, also
		return newNode(t, o)
	}
	n := start(first, nil)
	publisher, ada, _ := college(t, n)
	verdict(t, n, ada.ID)
	before := resolved(t, n, publisher, did.Options{})
	if got := logServices(before.Document); !slices.Equal(got, []string{"#anchors"}) {
		t.Fatalf("on one chain the logs are %v", got)
	}
	n.Close()

	// named waits until the document names the log on both chains, and looks at all names.
	named := func(services ...string) did.Resolution {
		t.Helper()
		var p registry.Publisher
		var doc *did.Document
		var err error
		for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			if doc, err = n.Document(t.Context(), publisher); err != nil {
				t.Fatal(err)
			}
			if p, err = n.Publisher(t.Context(), publisher); err != nil {
				t.Fatal(err)
			}
			if slices.Equal(logServices(doc), services) {
				break
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("the logs are %v, want %v", logServices(doc), services)
			}
		}
		for _, l := range []node.Ledger{first, second} {
			if b := bound(t, doc, l.Chain(), p); b.Outcome != anchor.OK {
				t.Errorf("the log on chain %d: %+v", l.Chain().ID, b)
			}
		}
		wantParallel(t, n, publisher)
		return resolved(t, n, publisher, did.Options{})
	}
	n = start(first, second)
	now := named("#anchors", "#anchors-31337")
	was := resolved(t, n, publisher, did.Options{VersionNumber: 1})
	if now.Metadata.VersionNumber != 2 || !bytes.Equal(was.Document.JSON(), before.Document.JSON()) {
		t.Errorf("the history has %d entries, the first\n%s\nwant\n%s", now.Metadata.VersionNumber, was.Document.JSON(), before.Document.JSON())
	}
	if i := slices.IndexFunc(now.Document.Service, func(s did.Service) bool { return s.Is(anchor.ServiceType) }); !bytes.Equal(now.Document.Service[i].Endpoint, before.Document.Service[i].Endpoint) {
		t.Errorf("the first chain's service is %s, and was %s", now.Document.Service[i].Endpoint, before.Document.Service[i].Endpoint)
	}
	if _, report := verdict(t, n, ada.ID); report.Verdict != vc.OK {
		t.Errorf("a record of before: %s", report.Text())
	}

	// The copy of the document that is anchored with what is issued next has both.
	importFile(t, n, publisher, "more.csv", crowd(1))
	issue(t, n, publisher)
	v, _ := verdict(t, n, ada.ID)
	raw, err := n.ExportIssuer(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	copies, err := anchor.ParseIssuerCopies(raw)
	if err != nil || len(copies.Documents) != 1 {
		t.Fatalf("what stands for the issuer: %s, %v", raw, err)
	}
	doc, err := did.ParseDocument(copies.Documents[0].Content)
	if err != nil || len(logServices(doc)) != 2 {
		t.Errorf("the anchored document is %s, %v", copies.Documents[0].Content, err)
	}
	_, logs := v.Verified.Signed().Elected()
	if f, err := copies.Documents[0].Check(t.Context(), logs[0], anchor.LeafDocument, first); f.Outcome != anchor.OK {
		t.Errorf("the anchored document: %+v, %v", f, err)
	}
	digest := func() string {
		versions, err := n.Versions(t.Context(), ada.ID)
		if err != nil {
			t.Fatal(err)
		}
		return versions[len(versions)-1].Digest
	}()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		r, err := n.ReceiptOn(t.Context(), digest, "31337")
		if err != nil || time.Since(begun) > time.Minute {
			t.Fatalf("the receipt on the second chain: %+v, %v", r, err)
		}
		if r.Phase == anchor.Final {
			break
		}
	}

	// A publisher that begins on both names both at once. Its log's key names the issuer,
	// also after that became another one.
	two, err := n.AddPublisher(t.Context(), "Second College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if began := resolved(t, n, two.ID, did.Options{}); began.Metadata.VersionNumber != 1 || len(logServices(began.Document)) != 2 {
		t.Errorf("it begins with the logs %v", logServices(began.Document))
	}
	if two, err = n.SetDomain(t.Context(), two.ID, "second.example", "test"); err != nil {
		t.Fatal(err)
	}
	atDomain, err := n.DocumentAt(t.Context(), "second.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []node.Ledger{first, second} {
		if b := bound(t, atDomain, l.Chain(), two); b.Outcome != anchor.OK || b.DID != "did:web:second.example" {
			t.Errorf("after another issuer, on chain %d: %+v", l.Chain().ID, b)
		}
	}
	n.Close()

	// The node leaves the second chain: the log is there still, and so are its receipts.
	n = start(first, nil)
	rotate(t, n, publisher, node.KeyChange{})
	if left := named("#anchors", "#anchors-31337"); left.Metadata.VersionNumber != 3 {
		t.Errorf("without the second chain the history has %d entries, want that of the key alone", left.Metadata.VersionNumber)
	}
	if r, err := n.ReceiptOn(t.Context(), digest, "31337"); err != nil || r.Phase != anchor.Final || r.Chain != second.Chain() {
		t.Errorf("the receipt on the chain that was left: %+v, %v", r, err)
	}
	n.Close()

	// It leaves the first one, for the second.
	n = start(second, nil)
	moved := named("#anchors", "#anchors-271828")
	var endpoint struct {
		Log string `json:"log"`
	}
	i := slices.IndexFunc(moved.Document.Service, func(s did.Service) bool { return s.Is(anchor.ServiceType) })
	if err := json.Unmarshal(moved.Document.Service[i].Endpoint, &endpoint); err != nil || !strings.HasPrefix(endpoint.Log, "eip155:31337:") {
		t.Errorf("the first service is %s, %v", moved.Document.Service[i].Endpoint, err)
	}
	wantSound(t, n)
}

// Where both chains have the same id, as embedded ones do, what names the log on one names it
// on the other.
func TestLogOnTwoChainsOfOneID(t *testing.T) {
	t.Parallel()
	second := startChain(t)
	o := newOptions(t, openEngine(t), nil)
	o.Ledger, o.Also = startChain(t), second
	n := newNode(t, o)
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := n.Document(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if b := bound(t, doc, second.Chain(), p); b.Outcome != anchor.OK || len(logServices(doc)) != 1 {
		t.Errorf("the logs are %v, on the second chain: %+v", logServices(doc), b)
	}
}
