package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
)

// anchoredSite has issued records, which are anchored on a chain of its own.
func anchoredSite(t *testing.T) (*site, *testnet.Chain) {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	ledger, err := evm.Dial(t.Context(), "", evm.Options{
		Key: chain.FundedKey(), RPC: chain.Client(), Durable: chain.Durable,
		ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := startOn(t, ledger, did.Outgoing{AllowLoopback: true}, false, registry.VerifySignature, registry.VerifyHosted, registry.VerifyBlockchain)
	s.importFile("roster.zip", roster(rosterChange{}))
	s.issueAll()
	s.wait("the anchors", func() bool {
		o, err := s.node.Overview(context.Background(), s.publisher.ID)
		return err == nil && o.Anchor.Waiting == 0 && o.Anchor.Last != nil
	})
	return s, chain
}

// forPages lets pages in browsers ask a chain's node, as public ones do; the embedded one's
// node refuses them.
func forPages(t *testing.T, chain *testnet.Chain) string {
	u, err := url.Parse(chain.URL())
	if err != nil {
		t.Fatal(err)
	}
	ask := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Header.Del("Origin")
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		if r.Method != http.MethodOptions {
			ask.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// An audited is the auditor's page in a browser, with files to choose.
type audited struct {
	*tab
	dir string
}

func openAudit(t *testing.T, s *site) audited {
	b := audited{newTab(t, s, newBrowser(t)), t.TempDir()}
	b.enter(node.RoleAuditor, "")
	b.waitFor("Check a receipt")
	return b
}

func (b audited) file(name string, content []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// check chooses the files and has them checked. No record is "".
func (b audited) check(receipt, record string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles("#receipt", []string{receipt}))
	b.script(`document.getElementById("record").value = ""`)
	if record != "" {
		b.do(chromedp.SetUploadFiles("#record", []string{record}))
	}
	b.script(`document.getElementById("verdict").textContent = "", document.getElementById("audit").requestSubmit(), ""`)
	b.site.wait("the verdict", func() bool {
		said := b.script(`document.getElementById("verdict").innerText`)
		return said != "" && !strings.Contains(said, "Checking")
	})
}

// steps are the steps that the page shows, each with the word of its state.
func (b audited) steps() string {
	b.t.Helper()
	return b.script(`[...document.querySelectorAll(".steps li")].map(li => li.dataset.step + "=" + li.querySelector(".word").textContent).join(", ")`)
}

func (b audited) verdict() string {
	b.t.Helper()
	return b.script(`document.getElementById("verdict").innerText`)
}

// auditedFiles are the record of a learner and its receipt.
func (s *site) auditedFiles(username string) (record, receipt []byte) {
	s.t.Helper()
	record, receipt, err := s.node.Export(context.Background(), s.learners[username])
	if err != nil {
		s.t.Fatal(err)
	}
	return record, receipt
}

const (
	wayUp    = "level=Right, level=Right, level=Right, level=Right, root=Right, entry=Right, head=Not in a receipt, storage=Right, account=Right, block=Right, final=Not checked"
	wholeWay = "record=Right, log=Right, salt=Right, leaf=Right, " + wayUp
)

// An auditor chooses a receipt and sees each step of it; what the node says stands apart, and
// beside it the command that asks the chain.
func TestAuditorsPage(t *testing.T) {
	s, _ := anchoredSite(t)
	record, receipt := s.auditedFiles("ada")
	r, err := anchor.ParseReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	b := openAudit(t, s)
	for _, width := range []int64{320, 1280} {
		b.width(width)
		b.look(fmt.Sprint("audit-before-", width))
	}
	b.wants("What this proves, and what not", "This is the local chain of this node", "when anything happened", "final", strconv.Itoa(int(r.Block.Number)))

	recordFile, receiptFile := b.file("ada's record.json", record), b.file("ada.receipt.json", receipt)
	b.check(receiptFile, recordFile)
	b.wants("Sound, if this node tells the truth: It existed no later than", "proves nothing to others", "by this node’s word",
		"Leaf "+strconv.Itoa(int(r.Index))+" (counted from 0) of 16",
		r.Path[0].String(), r.Salt.String(), r.Block.Hash.String(), "The root is the one of batch No. "+strconv.Itoa(int(r.Seq)+1),
		`clrnode audit --receipt ada.receipt.json --record 'ada'\''s record.json'`, "clrnode audit --log eip155:"+strconv.Itoa(testnet.ChainID)+":0x")
	if got := b.steps(); got != wholeWay {
		t.Errorf("the steps are %s\nwant %s", got, wholeWay)
	}
	if n := b.script(`String(document.querySelectorAll(".steps svg.picture").length)`); n != strconv.Itoa(strings.Count(wholeWay, "=")) {
		t.Errorf("%s pictures", n)
	}
	for i := range r.Path { // the neighbour is drawn on its side
		boxes := b.script(fmt.Sprintf(`[...document.querySelectorAll(".steps li[data-step=level]")[%d].querySelectorAll("svg text")]
			.map(t => t.textContent).slice(0, 4).join(" ")`, i))
		neighbour := r.Path[i].String()
		neighbour = "neighbour " + neighbour[:6] + "…" + neighbour[62:]
		if left := strings.HasPrefix(boxes, neighbour); left != (r.Index>>i&1 == 1) || !strings.Contains(boxes, neighbour) {
			t.Errorf("leaf %d, level %d: the picture has the boxes %s", r.Index, i+1, boxes)
		}
	}
	for _, width := range []int64{320, 1280} {
		b.width(width)
		b.look(fmt.Sprint("audit-after-", width))
	}
	call(b.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	b.look("audit-after-dark")

	b.check(receiptFile, "")
	if got, want := b.steps(), "record=Not checked, salt=Right, leaf=Right, "+wayUp; got != want {
		t.Errorf("without the record, the steps are %s\nwant %s", got, want)
	}
	if got := b.verdict(); !strings.HasSuffix(got, "No record was compared with the receipt.") {
		t.Errorf("without the record, the verdict is %s", got)
	}
	b.script(`document.getElementById("block").value = "` + r.Block.Hash.String() + `", ""`)
	b.check(receiptFile, recordFile)
	b.wants("Sound: It existed no later than", "by your word", "--offline --block-hash "+r.Block.Hash.String())
	b.script(`document.getElementById("block").value = "0x` + strings.Repeat("7", 64) + `", ""`)
	b.check(receiptFile, recordFile)
	b.wants("Could not check: The receipt is for another block than the one whose hash was given.")
	b.look("audit-other-block")
}

// What was changed is seen at its own step, behind which there is none.
func TestAuditorSeesWhatWasChanged(t *testing.T) {
	s, _ := anchoredSite(t)
	record, receipt := s.auditedFiles("ada")
	other, _ := s.auditedFiles("chi")
	b := openAudit(t, s)
	changed := func(change func(*anchor.Receipt)) []byte {
		r, err := anchor.ParseReceipt(receipt)
		if err != nil {
			t.Fatal(err)
		}
		change(&r)
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	leaf, levels := "record=Right, log=Right, salt=Not checked, leaf=Not checked, ", "level=Not checked, level=Not checked, level=Not checked, level=Not checked, "
	sound := strings.Split(wholeWay, ", root")[0] + ", "
	for _, c := range []struct {
		name            string
		receipt, record []byte
		verdict, steps  string
	}{
		{"another record", receipt, other, "NOT SOUND", "record=Wrong"},
		{"neither JSON nor a token", receipt, []byte("{"), "NOT SOUND", "record=Wrong"},
		{"another log than the record names", changed(func(r *anchor.Receipt) { r.Log[5] ^= 1 }), record, "NOT SOUND: The receipt is for the log",
			"record=Right, log=Wrong"},
		{"a neighbour", changed(func(r *anchor.Receipt) { r.Path[1][0] ^= 1 }), record, "NOT SOUND", leaf + levels + "root=Wrong"},
		{"the salt", changed(func(r *anchor.Receipt) { r.Salt[0] ^= 1 }), record, "NOT SOUND", leaf + levels + "root=Wrong"},
		{"a neighbour too few", changed(func(r *anchor.Receipt) { r.Path = r.Path[1:] }), record, "NOT SOUND",
			leaf + strings.Replace(levels, "level=Not checked, ", "", 1) + "root=Wrong"},
		{"the place in the log", changed(func(r *anchor.Receipt) { r.Seq++ }), record, "NOT SOUND", sound + "root=Right, entry=Wrong"},
		{"the registry", changed(func(r *anchor.Receipt) { r.Chain.Registry[5] ^= 1 }), record, "NOT SOUND", sound + "root=Right, entry=Wrong"},
		{"the entry's proof", changed(func(r *anchor.Receipt) { r.StateProof.Storage[0][9] ^= 1 }), record, "NOT SOUND", sound + "root=Right, entry=Wrong"},
		{"the account's proof", changed(func(r *anchor.Receipt) { r.StateProof.Account[0][9] ^= 1 }), record, "NOT SOUND",
			sound + "root=Right, entry=Not checked, head=Not in a receipt, storage=Not checked, account=Wrong"},
		{"the header", changed(func(r *anchor.Receipt) { r.StateProof.Header[99] ^= 1 }), record, "NOT SOUND",
			sound + "root=Right, entry=Not checked, head=Not in a receipt, storage=Not checked, account=Not checked, block=Wrong"},
		{"the time", changed(func(r *anchor.Receipt) { r.Block.Time = r.Block.Time.AddDate(-1, 0, 0) }), record, "NOT SOUND",
			sound + "root=Right, entry=Right, head=Not in a receipt, storage=Right, account=Right, block=Wrong"},
		{"no state proof", changed(func(r *anchor.Receipt) { r.StateProof = nil }), record, "Could not check",
			sound + "root=Right, entry=Not checked, head=Not in a receipt, block=Not checked, final=Not checked"},
		{"waits for a batch", changed(func(r *anchor.Receipt) {
			*r = anchor.WaitingReceipt(r.Chain, r.Log, r.Leaf(), r.Canonicalization)
		}), record, "Could not check: Not anchored yet", leaf + "batch=Not yet"},
		{"on the way", changed(func(r *anchor.Receipt) {
			r.Phase, r.Block, r.Tx, r.StateProof, r.Seq, r.FirstLeaf = anchor.Submitted, nil, nil, nil, 0, 0
		}), record, "Could not check", sound + "root=Right, entry=Not yet"},
		{"no receipt", []byte("{}"), record, "NOT SOUND: This is no sound receipt", ""},
		{"the record in its place", record, record, "Could not check: This is the record alone", ""},
	} {
		b.check(b.file("receipt.json", c.receipt), b.file("record.json", c.record))
		if got := b.verdict(); !strings.HasPrefix(got, c.verdict) {
			t.Errorf("%s: the verdict is %s", c.name, got)
		}
		if got := b.steps(); got != c.steps {
			t.Errorf("%s: the steps are %s\nwant %s", c.name, got, c.steps)
		}
		if strings.HasPrefix(c.name, "waits") {
			b.wants("since then the record was anchored", "The newest receipt")
			b.width(320)
			b.look("audit-waits-320")
		}
	}
	b.look("audit-no-receipt")
	unknown := changed(func(r *anchor.Receipt) { r.Digest[0] ^= 1; r.Log[0] ^= 1 })
	b.check(b.file("receipt.json", unknown), "")
	b.wants("It knows no record with this digest.", "The receipt is of another log than the one on this page.")
	b.look("audit-unknown")
}

// Files are dropped in any order, also on the page that works without a node; the keyboard
// alone is enough.
func TestAuditorDropsFilesAndUsesTheKeyboard(t *testing.T) {
	s, chain := anchoredSite(t)
	record, receipt := s.auditedFiles("ada")
	b := openAudit(t, s)
	texts, err := json.Marshal([]string{string(record), string(receipt)})
	if err != nil {
		t.Fatal(err)
	}
	dropOn := func(form string) {
		b.script(`(() => {
			const files = new DataTransfer();
			for (const text of ` + string(texts) + `) files.items.add(new File([text], "a file.json"));
			const on = document.querySelector("` + form + ` label");
			for (const kind of ["dragenter", "dragover", "drop"]) on.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: files }));
			return "";
		})()`)
	}
	dropOn("#audit")
	b.waitFor("Sound, if this node tells the truth")
	if got := b.steps(); got != wholeWay {
		t.Errorf("dropped: %s", got)
	}

	// By the keyboard: from the receipt's button to the record's, the block's field and Check.
	b.open("/p/" + s.publisher.ID + "/anchors")
	b.do(chromedp.SetUploadFiles("#receipt", []string{b.file("ada.receipt.json", receipt)}), chromedp.Focus("#receipt"))
	for _, want := range []string{"record", "block", "Check"} {
		b.do(chromedp.KeyEvent(kb.Tab))
		if got := b.script(`document.activeElement.id || document.activeElement.innerText`); got != want {
			t.Errorf("the focus goes to %s, want %s", got, want)
		}
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.waitFor("No record was compared with the receipt.")
	if got := b.script(`document.getElementById("verdict").parentElement.getAttribute("role")`); got != "status" {
		t.Errorf("the verdict is in %q, which a screen reader doesn't read aloud", got)
	}

	b.open("/receipt-checker.html")
	dropOn("#form")
	b.waitFor("Could not check: The receipt is sound in itself")
	b.look("receipt-checker-dropped")
	b.script(`document.getElementById("rpc").value = "` + forPages(t, chain) + `", document.getElementById("form").requestSubmit(), ""`)
	b.waitFor("Sound: It existed no later than")
	want := strings.Replace(strings.Replace(wholeWay, "storage=Right, account=Right, ", "", 1), "final=Not checked", "final=Right", 1)
	if got := b.steps(); got != want {
		t.Errorf("by a node of the chain: %s\nwant %s", got, want)
	}
	b.wants("as the chain’s node says", "By the chain’s rule, nothing replaces this block any more.")
}
