package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
	"clrnode/testnet/wallet"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// present is what a wallet makes of a challenge.
func present(w wallet.Wallet, c node.DIDChallenge, form vc.Form, credentials ...any) []byte {
	return w.Present(form, c.Nonce, c.Domain, credentials...)
}

func ask(t *testing.T, n *node.Node, learner, method, about string) node.DIDChallenge {
	t.Helper()
	c, err := n.ChallengeDID(t.Context(), learner, method, about)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func done(t *testing.T, n *node.Node, job string) {
	t.Helper()
	if job == "" {
		t.Error("the record isn't issued again")
		return
	}
	j, err := n.Job(t.Context(), job)
	for err == nil && j.State == registry.JobRunning {
		time.Sleep(10 * time.Millisecond)
		j, err = n.Job(t.Context(), job)
	}
	if err != nil || j.Done != 1 {
		t.Fatalf("the job that issues the record again: %+v, %v", j, err)
	}
}

// subject is whom a signed record is about.
func subject(t *testing.T, signed []byte) string {
	t.Helper()
	var doc struct {
		CredentialSubject struct {
			ID string `json:"id"`
		} `json:"credentialSubject"`
	}
	if err := json.Unmarshal(signed, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.CredentialSubject.ID
}

// A learner links DIDs in each way; the record names the first one, then another, then
// none, and each version verifies.
func TestLearnersProveControl(t *testing.T) {
	t.Run("badger", testLearnersProveControl)
	t.Run("postgres", testLearnersProveControl)
}

func testLearnersProveControl(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	_, ada, bob := college(t, n)
	ctx := t.Context()
	stands := func(whom string) {
		t.Helper()
		v, report := verdict(t, n, ada.ID)
		if subject(t, v.Signed) != whom || report.Verdict != vc.OK || v.Record.Changed() {
			t.Errorf("the record names %q, not %q: %s", subject(t, v.Signed), whom, report.Text())
		}
	}

	mobile := wallet.New(t)
	c := ask(t, n, ada.ID, node.ControlByPresentation, "")
	first, err := n.LinkDID(ctx, ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: present(mobile, c, vc.FormRDFC)}, "learner")
	if err != nil {
		t.Fatal(err)
	}
	if e := first.Evidence; first.DID != mobile.DID || !first.Named || e.Verified != "data-integrity" || e.Nonce != c.Nonce || e.Origin != "http://localhost:8080" || !strings.Contains(e.Statement, c.Nonce) || e.By != "learner" {
		t.Errorf("linked %+v", first)
	}
	done(t, n, first.Job)
	stands(mobile.DID)

	for form, verified := range map[vc.Form]string{vc.FormJCS: "data-integrity", vc.FormJWT: "jwt", vc.FormJWT11: "jwt"} {
		w := wallet.New(t)
		c := ask(t, n, ada.ID, node.ControlByPresentation, "")
		l, err := n.LinkDID(ctx, ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: present(w, c, form)}, "learner")
		if err != nil || l.DID != w.DID || l.Named || l.Job != "" || l.Evidence.Verified != verified {
			t.Errorf("form %d: %+v, %v", form, l, err)
		}
	}

	a := wallet.NewAccount(t)
	network := "did:ethr:0x" + strconv.FormatUint(testnet.ChainID, 16) + ":" + a.Address()
	var wallets []node.DIDLink
	for _, about := range []string{"eip155:137:" + a.Address(), network, a.Address()} {
		c := ask(t, n, ada.ID, node.ControlByEthereum, about)
		l, err := n.LinkDID(ctx, ada.ID, node.DIDProof{Nonce: c.Nonce, Signature: a.Sign(c.Message)}, "learner")
		if err != nil || l.DID != c.DID || l.Evidence.Verified != did.ByKey || l.Evidence.Statement != c.Message || l.Evidence.Account != c.Account {
			t.Fatalf("%s: %+v, %v", about, l, err)
		}
		if (l.Evidence.Registry != "") != (about == network) {
			t.Errorf("%s: the registry that was asked is %q", about, l.Evidence.Registry)
		}
		wallets = append(wallets, l)
	}
	if all, err := n.LinkedDIDs(ctx, ada.ID); err != nil || len(all) != 7 || !all[0].Named || all[1].Named {
		t.Errorf("LinkedDIDs() = %+v, %v", all, err)
	}

	// Another one is named, by its own choice; unlinking it takes it out of the record.
	named, err := n.NameDID(ctx, ada.ID, wallets[1].ID, "learner")
	if err != nil || !named.Named {
		t.Fatal(named, err)
	}
	done(t, n, named.Job)
	stands(network)
	if l, err := n.NameDID(ctx, ada.ID, wallets[1].ID, "learner"); err != nil || l.Job != "" {
		t.Errorf("naming it again: %+v, %v", l, err)
	}
	job, err := n.UnlinkDID(ctx, ada.ID, wallets[1].ID, "learner")
	if err != nil {
		t.Fatal(err)
	}
	done(t, n, job)
	stands("")
	if job, err := n.UnlinkDID(ctx, ada.ID, first.ID, "learner"); err != nil || job != "" {
		t.Errorf("unlinking one that isn't named: %q, %v", job, err)
	}
	if _, err := n.UnlinkDID(ctx, ada.ID, first.ID, "learner"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("unlinking it again: %v", err)
	}

	// What is somebody's isn't another's, and others don't reach it.
	c = ask(t, n, bob.ID, node.ControlByEthereum, a.Address())
	if _, err := n.LinkDID(ctx, bob.ID, node.DIDProof{Nonce: c.Nonce, Signature: a.Sign(c.Message)}, "learner"); !errors.Is(err, node.ErrRefused) || strings.Contains(err.Error(), "Ada") || strings.Contains(err.Error(), ada.ID) {
		t.Errorf("a DID of somebody else: %v", err)
	}
	if _, err := n.NameDID(ctx, bob.ID, wallets[0].ID, "learner"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("naming a DID of somebody else: %v", err)
	}
}

// What else has changed in a record isn't issued because its learner links a DID.
func TestLinkingPublishesNothingElse(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	publisher, ada, _ := college(t, n)
	importFile(t, n, publisher, "roster.zip", roster(t, "97"))
	w := wallet.New(t)
	c := ask(t, n, ada.ID, node.ControlByPresentation, "")
	l, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: present(w, c, vc.FormJCS)}, "learner")
	if err != nil || l.Job != "" || !l.Named {
		t.Fatalf("%+v, %v", l, err)
	}
	if j := issue(t, n, publisher); j.Done != 1 {
		t.Errorf("the publisher issued %+v", j)
	}
	if v, _ := verdict(t, n, ada.ID); subject(t, v.Signed) != w.DID {
		t.Errorf("the record names %q", subject(t, v.Signed))
	}
}

// A proof counts for its challenge, its learner, this site and five minutes.
func TestProofsThatProveNothing(t *testing.T) {
	clock := &clock{}
	n := startNode(t, startChain(t), clock)
	_, ada, bob := college(t, n)
	w, a := wallet.New(t), wallet.NewAccount(t)
	signed, _ := verdict(t, n, ada.ID)
	ethr := "did:ethr:0x" + strconv.FormatUint(testnet.ChainID, 16) + ":"
	refuse := func(name string, learner string, p node.DIDProof, says string) {
		t.Helper()
		l, err := n.LinkDID(t.Context(), learner, p, "learner")
		if !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v, want a refusal that says %q", name, l, err, says)
		}
	}

	c := ask(t, n, ada.ID, node.ControlByPresentation, "")
	other := ask(t, n, ada.ID, node.ControlByPresentation, "")
	good := present(w, c, vc.FormJWT)
	altered := bytes.Clone(good)
	altered[bytes.LastIndexByte(good, '.')+9] ^= 1
	elsewhere := c
	elsewhere.Domain = "http://localhost:8081"
	for name, p := range map[string]struct {
		presentation []byte
		says         string
	}{
		"another challenge": {present(w, other, vc.FormJWT), "challenge"}, "another challenge, in JSON": {present(w, other, vc.FormRDFC), "challenge"},
		"another site": {present(w, elsewhere, vc.FormJWT), "made for “http://localhost:8081”"}, "another site, in JSON": {present(w, elsewhere, vc.FormJCS), "localhost:8081"},
		"nothing": {nil, "missing"}, "junk": {[]byte("{}"), "this isn't a presentation: its type"}, "a record": {signed.Signed, "isn't a presentation"},
		"altered":          {altered, ""},
		"a record in it":   {present(w, c, vc.FormRDFC, json.RawMessage(signed.Signed)), "without"},
		"nobody signed it": {[]byte(`{"@context":["` + clr.ContextVC + `"],"type":["VerifiablePresentation"],"holder":"` + w.DID + `"}`), "signed"},
		"far too long":     {append(good, make([]byte, 70_000)...), "larger than 64 KB"},
	} {
		refuse(name, ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: p.presentation}, p.says)
	}
	refuse("somebody else's challenge", bob.ID, node.DIDProof{Nonce: c.Nonce, Presentation: good}, "isn't yours")
	refuse("no challenge", ada.ID, node.DIDProof{Presentation: good}, "begin again")
	refuse("the other way", ada.ID, node.DIDProof{Nonce: c.Nonce, Signature: "0x00"}, "missing")
	if _, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: good}, "learner"); err != nil {
		t.Errorf("after all that was refused: %v", err)
	}
	refuse("a second time", ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: good}, "was used")

	e := ask(t, n, ada.ID, node.ControlByEthereum, ethr+a.Address())
	for name, p := range map[string][3]string{
		"somebody else's key": {e.Message, wallet.NewAccount(t).Sign(e.Message), "wasn't made by the account"},
		"no signature":        {e.Message, "", "hexadecimal"}, "not hexadecimal": {"", "signature", "hexadecimal"},
		"another site":      {strings.Replace(e.Message, "localhost:8080 wants", "localhost:8081 wants", 1), "", "not for \"localhost:8080\""},
		"another statement": {strings.Replace(e.Message, "I control", "I gave away", 1), "", "statement"},
		"another resource":  {strings.Replace(e.Message, "- did:ethr:", "- did:ethr:mainnet:", 1), "", "resources"},
		"no text":           {"Sign me", "", "EIP-4361"},
	} {
		signature := p[1]
		if signature == "" && name != "no signature" {
			signature = a.Sign(p[0])
		}
		refuse(name, ada.ID, node.DIDProof{Nonce: e.Nonce, Message: p[0], Signature: signature}, p[2])
	}
	// A text of the wallet's own counts, if it says the same.
	own := strings.Replace(e.Message, "\nResources:", "\nRequest ID: 7\nResources:", 1)
	if l, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: e.Nonce, Message: own, Signature: a.Sign(own)}, "learner"); err != nil || l.Evidence.Statement != own {
		t.Errorf("a text of the wallet's own: %+v, %v", l, err)
	}

	// No chain: not proven, and not disproven.
	e = ask(t, n, ada.ID, node.ControlByEthereum, a.Address())
	if _, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: e.Nonce, Signature: wallet.NewAccount(t).Sign(e.Message)}, "learner"); !errors.Is(err, did.ErrCouldNotCheck) || errors.Is(err, node.ErrRefused) {
		t.Errorf("what a contract could have signed: %v", err)
	}
	if _, err := n.ChallengeDID(t.Context(), ada.ID, node.ControlByEthereum, "did:ethr:sepolia:"+a.Address()); !errors.Is(err, did.ErrCouldNotCheck) {
		t.Errorf("a network that isn't known: %v", err)
	}
	for _, about := range []string{"", "ada", "did:key:z6Mk", w.DID, "0x12", "eip155:1:0x0000000000000000000000000000000000000000"} {
		if _, err := n.ChallengeDID(t.Context(), ada.ID, node.ControlByEthereum, about); !errors.Is(err, node.ErrRefused) {
			t.Errorf("a challenge for %q: %v", about, err)
		}
	}
	if _, err := n.ChallengeDID(t.Context(), ada.ID, "password", ""); !errors.Is(err, node.ErrRefused) {
		t.Errorf("another way: %v", err)
	}

	// Of a network that isn't known here nobody can say whether the account is a contract that
	// would know the signature; most often it is one by another account.
	a = wallet.NewAccount(t)
	c = ask(t, n, ada.ID, node.ControlByEthereum, a.Address())
	_, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Signature: wallet.NewAccount(t).Sign(c.Message)}, "learner")
	if !errors.Is(err, did.ErrCouldNotCheck) || errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), "the account "+a.Address()+" has not made it") {
		t.Errorf("a signature by another account: %v", err)
	}
	if _, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Signature: a.Sign(c.Message)}, "learner"); err != nil {
		t.Errorf("the account's own after it: %v", err)
	}
	if _, err := n.ChallengeDID(t.Context(), ada.ID, node.ControlByEthereum, "ada.eth"); !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), "0x and 40 hexadecimal digits") {
		t.Errorf("what is no account: %v", err)
	}

	// A host that doesn't answer takes no challenge.
	c = ask(t, n, ada.ID, node.ControlByPresentation, "")
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	away, err := vc.Present(t.Context(), vc.Credential{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "holder": "did:web:nowhere.invalid"},
		vc.Key{Method: "did:web:nowhere.invalid#key", Signer: signer}, vc.Options{Challenge: c.Nonce, Domain: []string{c.Domain}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: away.Bytes()}, "learner"); !errors.Is(err, did.ErrCouldNotCheck) || errors.Is(err, node.ErrRefused) || strings.Count(strings.ToLower(err.Error()), "could not check") != 1 {
		t.Errorf("a DID whose host is away: %v", err)
	}
	if _, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: present(wallet.New(t), c, vc.FormJWT)}, "learner"); err != nil {
		t.Errorf("the challenge after it: %v", err)
	}

	late := ask(t, n, ada.ID, node.ControlByPresentation, "")
	proof := present(wallet.New(t), late, vc.FormJWT)
	clock.advance(5*time.Minute + time.Second)
	refuse("too late", ada.ID, node.DIDProof{Nonce: late.Nonce, Presentation: proof}, "expired")
}

// Of many proofs for one challenge, one links.
func TestOneProofLinks(t *testing.T) {
	t.Run("badger", testOneProofLinks)
	t.Run("postgres", testOneProofLinks)
}

func testOneProofLinks(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	_, ada, _ := college(t, n)
	c := ask(t, n, ada.ID, node.ControlByPresentation, "")
	var proofs [][]byte
	for range 6 {
		proofs = append(proofs, present(wallet.New(t), c, vc.FormJWT))
	}
	var linked, refused int
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, p := range proofs {
		all.Go(func() {
			_, err := n.LinkDID(t.Context(), ada.ID, node.DIDProof{Nonce: c.Nonce, Presentation: p}, "learner")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				linked++
			case errors.Is(err, node.ErrRefused):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if links, err := n.LinkedDIDs(t.Context(), ada.ID); err != nil || linked != 1 || refused != len(proofs)-1 || len(links) != 1 {
		t.Errorf("%d linked, %d refused, %d links, %v", linked, refused, len(links), err)
	}
}

// A wallet that scanned the code answers by itself; the learner has the last word.
func TestAWalletAnswers(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	_, ada, bob := college(t, n)
	w := wallet.New(t)
	c := ask(t, n, ada.ID, node.ControlByPresentation, "")
	if _, err := n.ConfirmDID(t.Context(), ada.ID, c.Nonce, "learner"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("before the wallet answered: %v", err)
	}
	if r, err := n.WalletRequest(t.Context(), c.Nonce); err != nil || r.Nonce != c.Nonce || r.Domain != c.Domain {
		t.Errorf("WalletRequest() = %+v, %v", r, err)
	}
	if err := n.AnswerDIDChallenge(t.Context(), c.Nonce, []byte("{}")); !errors.Is(err, node.ErrRefused) {
		t.Errorf("junk from a wallet: %v", err)
	}
	if err := n.AnswerDIDChallenge(t.Context(), c.Nonce, present(w, c, vc.FormRDFC)); err != nil {
		t.Fatal(err)
	}
	if links, err := n.LinkedDIDs(t.Context(), ada.ID); err != nil || len(links) != 0 {
		t.Errorf("it is linked without the learner's word: %+v, %v", links, err)
	}
	// Somebody who saw the code is too late.
	if err := n.AnswerDIDChallenge(t.Context(), c.Nonce, present(wallet.New(t), c, vc.FormRDFC)); !errors.Is(err, node.ErrRefused) {
		t.Errorf("a second answer: %v", err)
	}
	if _, err := n.WalletRequest(t.Context(), c.Nonce); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the request after it was answered: %v", err)
	}
	if now, err := n.DIDChallenge(t.Context(), ada.ID, c.Nonce); err != nil || now.Answered != w.DID {
		t.Errorf("DIDChallenge() = %+v, %v", now, err)
	}
	if _, err := n.ConfirmDID(t.Context(), bob.ID, c.Nonce, "learner"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("somebody else confirms: %v", err)
	}
	l, err := n.ConfirmDID(t.Context(), ada.ID, c.Nonce, "learner")
	if err != nil || l.DID != w.DID || !l.Named || l.Evidence.By != "wallet" {
		t.Fatalf("ConfirmDID() = %+v, %v", l, err)
	}
	done(t, n, l.Job)
	if _, err := n.ConfirmDID(t.Context(), ada.ID, c.Nonce, "learner"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("confirmed twice: %v", err)
	}
}
