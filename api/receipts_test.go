package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/testnet/wallet"
	"clrnode/vc"
)

// ownership links an identifier to a learner, as their wallet does, and returns the record
// that names it and what shows that it belonged to it, both anchored.
func (s *site) ownership(username string) (record, ownership []byte) {
	s.t.Helper()
	b, w := s.as(node.RoleLearner, username), wallet.New(s.t)
	_, c := sendJSON(s.t, b, "/v1/me/identifiers/challenges", object{"method": "presentation"})
	presented := w.Present(vc.FormRDFC, c["challenge"].(string), c["domain"].(string))
	if status, l := sendJSON(s.t, b, "/v1/me/identifiers", object{"challenge": c["challenge"], "presentation": json.RawMessage(presented)}); status != http.StatusCreated {
		s.t.Fatalf("a presentation gave %d %v", status, l)
	}
	var o anchor.Ownership
	s.wait("the ownership", func() (done bool) {
		var err error
		o, err = s.node.Ownership(context.Background(), s.learners[username])
		return err == nil && o.Receipt.Phase == anchor.Final && o.Receipt.StateProof != nil
	})
	raw, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		s.t.Fatal(err)
	}
	record, _ = s.auditedFiles(username)
	return record, raw
}

// copies are what stands for the issuer of a learner's record, both kinds of it anchored.
func (s *site) copies(username string) (copies anchor.IssuerCopies, raw []byte) {
	s.t.Helper()
	s.wait("the copies", func() bool {
		var err error
		raw, err = s.node.ExportIssuer(context.Background(), s.learners[username])
		if err != nil || raw == nil {
			return false
		}
		if copies, err = anchor.ParseIssuerCopies(raw); err != nil {
			s.t.Fatal(err)
		}
		done := len(copies.Documents) == 1 && len(copies.StatusLists) == 1
		for _, c := range append(copies.Documents, copies.StatusLists...) {
			done = done && c.Receipt.Phase == anchor.Final && c.Receipt.StateProof != nil
		}
		return done
	})
	return copies, raw
}

// By the digest of a record, a status list or a DID document, anybody gets its receipt. That a
// record belonged to an identifier is the learner's to tell: by its digest nobody gets anything.
func TestReceiptsByDigest(t *testing.T) {
	s, _ := anchoredSite(t)
	_, receipt := s.auditedFiles("chi")
	of, err := anchor.ParseReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	copies, _ := s.copies("chi")
	for name, want := range map[string]anchor.Receipt{"a record": of, "a DID document": copies.Documents[0].Receipt, "a status list": copies.StatusLists[0].Receipt} {
		a := program(s.browser(), "GET", "/anchors/"+want.Digest.String()[2:], "")
		got, err := anchor.ParseReceipt([]byte(a.body))
		if err != nil || a.status != 200 || got.LeafType != want.LeafType || got.Salt != want.Salt || got.Root != want.Root || got.Phase != anchor.Final {
			t.Errorf("the receipt of %s: %d %s, %v; want %+v", name, a.status, a.body, err, want)
		}
	}
	_, raw := s.ownership("ada")
	o, err := anchor.ParseOwnership(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*browser{"nobody": s.browser(), "another learner": s.as(node.RoleLearner, "chi"), "an auditor": s.as(node.RoleAuditor, "")} {
		wantProblem(t, program(b, "GET", "/anchors/"+o.Receipt.Digest.String()[2:], ""), 404, "")
		if name != "another learner" {
			continue
		}
		if a := b.get("/me/ownership.json"); a.status == 200 {
			t.Errorf("%s gets %s", name, a.body)
		}
	}
}

// An auditor chooses what shows that a record belonged to an identifier, or what stands for an
// issuer, and sees each step of that, too, with what it doesn't prove.
func TestAuditorsPageOfOwnershipsAndCopies(t *testing.T) {
	s, _ := anchoredSite(t)
	record, owned := s.ownership("ada")
	copies, issuer := s.copies("ada")
	other, _ := s.auditedFiles("chi")
	o, err := anchor.ParseOwnership(owned)
	if err != nil {
		t.Fatal(err)
	}
	b := openAudit(t, s)
	b.script(`window.asked = [], window.fetch = ((ask) => (url, options) => { asked.push(url); return ask(url, options); })(fetch), ""`)
	const levels, block = "level=Right, level=Right, level=Right, level=Right, root=Right, entry=Right, head=Not in a receipt, ", "storage=Right, account=Right, block=Right, final=Not checked"
	const tree = "salt=Right, leaf=Right, " + levels + block
	const whole = "record=Right, holder=Right, content=Right, log=Right, " + tree
	const alone = "record=Not checked, holder=Not checked, content=Right, log=Not checked, " + tree
	const copied = "content=Right, log=Not checked, " + tree
	changed := func(raw []byte, from, to string) []byte {
		t.Helper()
		if !strings.Contains(string(raw), from) {
			t.Fatalf("there is no %s", from)
		}
		return []byte(strings.Replace(string(raw), from, to, 1))
	}
	list := copies.StatusLists[0].Receipt
	for _, c := range []struct {
		name         string
		file, record []byte
		verdict      string
		steps        string
		says         []string
	}{
		{"ownership", owned, record, "Sound, if this node tells the truth: When this was anchored", whole,
			[]string{anchor.NoProofOfOwnership, "is by this node’s word, and whether the anchor was taken back later", "had proven control of it", o.Statement.DID, "the learner’s to give", "The root is the one of batch No.",
				"clrnode audit --ownership ownership.json --record record.json"}},
		{"ownership-alone", owned, nil, "Could not check: The log eip155:", alone, []string{"only the record tells: give it, too"}},
		{"ownership-other", owned, other, "NOT SOUND: The ownership is of another record", "record=Wrong", nil},
		{"ownership-forged", changed(owned, `"method": "presentation"`, `"method": "ethereum"`), record, "NOT SOUND", "record=Right, holder=Right, content=Wrong", nil},
		{"ownership-of-another", changed(owned, `"did": "did:key:z6Mk`, `"did": "did:key:z6Mm`), record, "NOT SOUND: The record names did:key:z6Mk", "record=Right, holder=Wrong", nil},
		{"ownership-type", changed(owned, `"leafType": 6`, `"leafType": 1`), record, "NOT SOUND: The receipt is of something else",
			"record=Right, holder=Right, content=Right, log=Right, salt=Not checked, leaf=Wrong", nil},
		{"ownership-log", changed(owned, `"log": "`+o.Receipt.Log.String(), `"log": "0x00000000000000000000000000000000000000ff`), record, "NOT SOUND: The receipt is for the log 0x",
			"record=Right, holder=Right, content=Right, log=Wrong", nil},
		{"copies", issuer, nil, "Sound, if this node tells the truth: The DID document is as of", copied + ", " + copied,
			[]string{"The status list is as of", "is by this node’s word, and whether the anchor was taken back later", "They count if the issuer itself told you that its log is eip155:", "DID document did:web:", "the copy is leaf",
				"Status list http", list.Salt.String(), list.Block.Hash.String(), "node clr-receipt-check.js copies.json --rpc URL"}},
		{"copies-forged", changed(issuer, `"encodedList": "u`, `"encodedList": "v`), nil, "NOT SOUND: Status list: The receipt belongs to another document", copied + ", content=Wrong", nil},
		{"no-copies", []byte(`{"type":"CLRIssuerCopies","version":1,"documents":[],"statusLists":[]}`), nil, "Could not check: There is no copy in this file.", "", nil},
	} {
		recordFile := ""
		if c.record != nil {
			recordFile = b.file("record.json", c.record)
		}
		b.check(b.file(c.name+".json", c.file), recordFile)
		if got := b.verdict(); !strings.HasPrefix(got, c.verdict) {
			t.Errorf("%s: the verdict is %s", c.name, got)
		}
		if got := b.steps(); got != c.steps {
			t.Errorf("%s: the steps are %s\nwant %s", c.name, got, c.steps)
		}
		b.wants(c.says...)
		for _, width := range []int64{320, 1280} {
			b.width(width)
			b.look(fmt.Sprint("audit-", c.name, "-", width))
		}
	}

	if asked := b.script(`asked.join(" ")`); strings.Contains(asked, o.Receipt.Digest.String()[2:]) || !strings.Contains(asked, list.Digest.String()[2:]) {
		t.Errorf("the node was asked for %s", asked)
	}

	// All that came with a record, dropped at once, here and on the page that needs no node.
	_, receipt := s.auditedFiles("ada")
	texts, err := json.Marshal([]string{string(record), string(issuer), string(owned), string(receipt)})
	if err != nil {
		t.Fatal(err)
	}
	name := "file "
	drop := func(form string) {
		b.script(`(() => {
			const files = new DataTransfer();
			for (const [i, text] of ` + string(texts) + `.entries()) files.items.add(new File([text], "` + name + `" + i + ".json"));
			document.querySelector("` + form + ` label").dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: files }));
			return "";
		})()`)
	}
	b.open("/p/" + s.publisher.ID + "/anchors")
	drop("#audit")
	b.waitFor("file 3.json: Sound, if this node tells the truth")
	b.wants("file 1.json: Sound, if this node", "file 2.json: Sound, if this node", "clrnode audit --ownership 'file 2.json' --record 'file 0.json'", "clrnode audit --receipt 'file 3.json'")
	if got, want := b.steps(), strings.Join([]string{copied, copied, whole, "record=Right, log=Right, " + tree}, ", "); got != want {
		t.Errorf("all at once: %s\nwant %s", got, want)
	}
	for _, width := range []int64{320, 1280} {
		b.width(width)
		b.look(fmt.Sprint("audit-all-", width))
	}
	// A name that a terminal would take for keys: Ctrl-U, a command, Enter.
	b.open("/p/" + s.publisher.ID + "/anchors")
	name = `\u0015true;\r\u202e`
	drop("#audit")
	b.waitFor("3.json: Sound, if this node tells the truth")
	if got := b.script(`document.getElementById("command").textContent`); strings.ContainsAny(got, "\x15\r\u202e") || !strings.Contains(got, "--receipt FILE") {
		t.Errorf("a name with control characters: the commands are %q", got)
	}
	name = "file "
	r, err := anchor.ParseReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	b.open("/receipt-checker.html")
	b.script(fmt.Sprintf(`document.getElementById("block").value = "%s %s, %s %s", ""`, copies.Documents[0].Receipt.Block.Hash, list.Block.Hash, o.Receipt.Block.Hash, r.Block.Hash))
	drop("#form")
	b.waitFor("file 3.json: Sound: It existed no later than")
	b.wants("file 1.json: Sound: The DID document is as of", "file 2.json: Sound: When this was anchored", "Nobody was asked: that the block is part", anchor.NoProofOfOwnership)
	for _, width := range []int64{320, 1280} {
		b.width(width)
		b.look(fmt.Sprint("receipt-checker-all-", width))
	}
}
