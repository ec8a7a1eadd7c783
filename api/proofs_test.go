package api

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"clrnode/anchor"
	"clrnode/anchor/checker"
	"clrnode/anchor/evm"
	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
	"clrnode/vc"
)

// takeAway is what a learner downloads with its proofs, packed and unpacked.
func (s *site) takeAway(username string) (packed []byte, files map[string][]byte, names []string) {
	s.t.Helper()
	packed = []byte(s.as(node.RoleLearner, username).get("/me/record.zip").body)
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		s.t.Fatalf("the download is no zip (%v): %.200s", err, packed)
	}
	files = map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			s.t.Fatal(err)
		}
		if time.Since(f.Modified).Abs() > 48*time.Hour {
			s.t.Errorf("%s is of %s", f.Name, f.Modified)
		}
		names = append(names, f.Name)
	}
	return packed, files, names
}

// What a learner takes away has all that proves something of the record, and says how whoever
// gets it checks it: here while the site is there, and with the page in it when it isn't.
func TestProofsInOneFile(t *testing.T) {
	s, chain := anchoredSite(t)
	_, owned := s.ownership("ada")
	s.copies("ada")
	packed, files, names := s.takeAway("ada")
	if want := []string{"record.json", "record.receipt.json", "record.ownership.json", "record.issuer.json", checker.PageName, checker.ScriptName, "how-to-check.txt"}; !slices.Equal(names, want) {
		t.Errorf("in the file are %v, want %v", names, want)
	}
	if string(files["record.ownership.json"]) != string(owned)+"\n" {
		t.Errorf("the ownership is %s", files["record.ownership.json"])
	}
	how := string(files["how-to-check.txt"])
	for _, want := range []string{s.url + "/verify", s.publisher.Name, "record.ownership.json\n", "proves nothing to others", "/receipt-checker.html"} {
		if !strings.Contains(how, want) {
			t.Errorf("how to check it lacks %q:\n%s", want, how)
		}
	}
	if _, _, names := s.takeAway("chi"); slices.Contains(names, "record.ownership.json") {
		t.Error("who has linked no identifier takes away a proof of ownership")
	}

	// To whoever verifies, the whole file is the record with its receipt.
	verifier := s.browser()
	a := verifier.upload("/verify", "record.zip", packed)
	wantText(t, a, 200, ">Valid<", "Goes with a record", "This is a proof of ownership", "block ", "/receipt-checker.html")
	wantText(t, verifier.upload("/verify", "record.issuer.json", files["record.issuer.json"]), 200, "These are copies that stand for an issuer")
	if strings.Contains(a.body, "Could not check") || strings.Contains(a.body, "how-to-check.txt") {
		t.Error("the page complains of what goes with the record")
	}
	again := html.UnescapeString(find(t, a.body, `(?s)<textarea name="receipt" hidden>([^<]*)</textarea>`))
	if again != string(files["record.receipt.json"]) {
		t.Errorf("the check is repeated with the receipt %q", again)
	}
	posted := httptest.NewRequest("POST", "/verify", strings.NewReader(url.Values{"text": {string(files["record.json"])}, "receipt": {again}}.Encode()))
	posted.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got, _, err := readVerifyForm(httptest.NewRecorder(), posted); err != nil || len(got) != 1 || string(got[0].receipt) != again {
		t.Errorf("the repeated check has %d things, without the receipt: %v", len(got), err)
	}
	var other bytes.Buffer
	z := zip.NewWriter(&other)
	if out, err := z.Create("holiday.txt"); err != nil {
		t.Fatal(err)
	} else if _, err := out.Write([]byte("sunny")); err != nil {
		t.Fatal(err)
	}
	z.Close()
	wantText(t, verifier.upload("/verify", "holiday.zip", other.Bytes()), 200, "no record in this packed file")

	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, content := range files {
		put(name, content)
	}
	r, err := anchor.ParseReceipt(files["record.receipt.json"])
	if err != nil {
		t.Fatal(err)
	}
	r.Chain.ID, r.Chain.Local = 1, false
	public, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = filepath.Join(dir, name)
	}
	b := newTab(t, s, newBrowser(t))
	b.width(390)
	b.do(chromedp.Navigate("file://"+filepath.Join(dir, checker.PageName)), chromedp.WaitReady("main"))
	b.mu.Lock()
	b.wrong = nil // the page itself, which is of no site
	b.mu.Unlock()
	check := func(at string, paths ...string) {
		t.Helper()
		b.script(`document.querySelector("form").reset(), ""`)
		b.do(chromedp.SetUploadFiles(at, paths))
		b.script(`document.querySelector("form").requestSubmit(), ""`)
	}
	for _, c := range []struct {
		name, at string
		paths    []string
		says     []string
	}{
		{"all at once", "#receipt", all, []string{"record.receipt.json: Could not check: The receipt is sound in itself", "record.ownership.json: Could not check",
			"Not looked at: " + checker.PageName + ", " + checker.ScriptName + ", how-to-check.txt", "the files belong together", "who issued the record, and whether its signature is right", "proves nothing to others", "What to do next"}},
		{"packed", "#receipt", []string{put("record.zip", packed)}, []string{"the files belong together", "What proves something: record.receipt.json, record.ownership.json, record.issuer.json. The record: record.json."}},
		{"of a public chain", "#receipt", []string{put("public.receipt.json", public), filepath.Join(dir, "record.json")}, []string{"Could not check: The receipt is sound in itself",
			fmt.Sprintf("Look up block %d of chain 1 (Ethereum) in two explorers", r.Block.Number), "Don’t take the hash from the files", "the page Verify of a site that you trust"}},
		{"the record alone", "#receipt", []string{filepath.Join(dir, "record.json")}, []string{"Could not check: This is the record alone. Choose what came with it, too"}},
		{"a receipt alone", "#receipt", []string{filepath.Join(dir, "record.receipt.json")}, []string{"No record was compared with the receipt", "the record was not compared with them", "Choose the record, too"}},
		{"the receipt as the record", "#record", []string{filepath.Join(dir, "record.receipt.json")}, []string{"No record was compared with the receipt", "What proves something: record.receipt.json."}},
		{"the text", "#receipt", []string{filepath.Join(dir, "how-to-check.txt")}, []string{"Could not check: Choose what came with the record"}},
		{"a broken zip", "#receipt", []string{put("broken.zip", packed[:len(packed)/2])}, []string{"Could not check: Choose what came with the record", "broken.zip can’t be unpacked here"}},
		{"of another record", "#receipt", []string{filepath.Join(dir, "record.receipt.json"), put("other.json", s.record("chi").Signed)},
			[]string{"NOT SOUND: The receipt belongs to another document", "Don’t rely on these files as they are."}},
	} {
		check(c.at, c.paths...)
		b.waitFor(c.says[0])
		b.wants(c.says...)
		b.look("proofs-" + strings.ReplaceAll(c.name, " ", "-"))
	}
	b.script(`document.querySelector("form").reset(), document.getElementById("rpc").value = "` + forPages(t, chain) + `", ""`)
	b.do(chromedp.SetUploadFiles("#receipt", all))
	b.script(`document.querySelector("form").requestSubmit(), ""`)
	b.waitFor("record.receipt.json: Sound: It existed no later than")
	b.wants("that the chain has them, and since when", "that whoever held the identifier in the record had proven it by then")
}

// Of an ownership that waits nobody is told that the chain has it; the page looks again by itself.
func TestOwnershipThatWaits(t *testing.T) {
	s, _ := anchoredSite(t)
	_, owned := s.ownership("ada")
	o, err := anchor.ParseOwnership(owned)
	if err != nil {
		t.Fatal(err)
	}
	const live, waits, stands = `id="ownership" data-live="3"`, "The proof isn’t anchored yet (waiting for its anchor)", "you had proven control of your identifier by <time"
	wantText(t, s.as(node.RoleLearner, "ada").get("/me/identifiers"), 200, stands, "download it before you change that", "proves nothing to others", "/me/record.zip", "/receipt-checker.html")
	view := identifiersView{Ownership: &o}
	for _, waiting := range []bool{false, true} {
		if waiting {
			o.Receipt = anchor.WaitingReceipt(o.Receipt.Chain, o.Receipt.Log, o.Receipt.Leaf(), o.Receipt.Canonicalization)
		}
		w := httptest.NewRecorder()
		if err := web.Render(w, 200, "identifiers", web.Page{Body: view}); err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]bool{live: waiting, waits: waiting, stands: !waiting} {
			if page := w.Body.String(); strings.Contains(page, text) != want {
				t.Errorf("waiting is %t, and %q stands there is %t", waiting, text, !want)
			}
		}
	}
}

// Where the issuer gives no answer any more, whoever has but a browser gives what the learner
// took away to any node on the chain: with the issuer's log, and not without, the copies in it
// stand for the issuer, and for nobody else's check.
func TestVerifyWhenTheIssuerIsGone(t *testing.T) {
	s, chain := anchoredSite(t)
	s.copies("ada")
	packed, files, _ := s.takeAway("ada")
	ledger, err := evm.Dial(t.Context(), chain.URL(), evm.Options{Key: chain.FundedKey(), ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := startOn(t, ledger, did.Outgoing{}, false, registry.VerifySignature) // from there, the site of the issuer can't be reached
	b := elsewhere.browser()
	a := b.upload("/verify", "record.zip", packed)
	wantText(t, a, 200, ">Could not check<", "Does the issuer give no answer any more?", "if the issuer told you that this is its log")
	o, err := s.node.Overview(t.Context(), s.publisher.ID)
	if err != nil {
		t.Fatal(err)
	}
	log := fmt.Sprintf("eip155:%d:%s", testnet.ChainID, o.Anchor.Log)
	again := func(log string) answer {
		hidden := func(name string) string {
			return html.UnescapeString(find(t, a.body, `(?s)<textarea name="`+name+`" hidden>([^<]*)</textarea>`))
		}
		return b.post("/verify", url.Values{"text": {hidden("text")}, "receipt": {hidden("receipt")}, "copies": {hidden("copies")}, "log": {log}})
	}
	found := again(log)
	wantText(t, found, 200, ">Valid<", "as it was on", "Not revoked", "It existed no later than", `name="log" value="`+log+`"`)
	if strings.Contains(found.body, "Does the issuer give no answer") {
		t.Error("it is asked for the log again")
	}
	wantText(t, again(fmt.Sprintf("eip155:%d:0x00000000000000000000000000000000000000ff", testnet.ChainID)), 200, ">Could not check<", "stand for it: The receipt is for the log")
	wantText(t, again("the log"), 422, `href="#log"`)

	// Whoever owns the log could have written there for others, whose records come along.
	signed, err := vc.ParseSigned(files["record.json"])
	if err != nil {
		t.Fatal(err)
	}
	another := bytes.ReplaceAll(files["record.json"], []byte(signed.IssuerID()), []byte("did:web:another.example"))
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	err = w.WriteField("log", log)
	nobodys := []byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"credentialSubject":{"id":"did:web:x.example"}}`)
	for i, content := range [][]byte{files["record.json"], nobodys, another, files["record.issuer.json"]} {
		part, e := w.CreateFormFile("file", fmt.Sprintf("%d.json", i))
		if e == nil {
			_, e = part.Write(content)
		}
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	wantText(t, b.do("POST", "/verify", &form, map[string]string{"Accept": browserAccept, "Content-Type": w.FormDataContentType(), "Sec-Fetch-Site": "same-origin"}),
		422, `href="#log"`, "of several, such as", "Check them apart")
	wantText(t, b.upload("/verify", "record.json", files["record.json"]), 200, ">Could not check<")
}
