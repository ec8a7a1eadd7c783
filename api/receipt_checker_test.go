package api

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"clrnode/anchor"
	"clrnode/anchor/checker"
)

// The checker of receipts works as a page of the node, on a phone, and from a disk: a record's
// receipt is sound by its block's hash alone, another record's is not.
func TestReceiptChecker(t *testing.T) {
	s := newSite(t)
	a := program(s.browser(), "GET", "/receipt-checker.js", "")
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") || a.body != string(checker.Script) {
		t.Errorf("the script: %d, %v", a.status, a.header)
	}
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, err := os.ReadFile("../anchor/testdata/receipts.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct{ Name, Receipt, Record, BlockHash string }
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil || vectors[0].Name != "sound" {
		t.Fatalf("the first vector isn't the sound one: %v", err)
	}
	sound := vectors[0]
	receipt, err := anchor.ParseReceipt([]byte(sound.Receipt))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"#receipt": put("ada.receipt.json", []byte(sound.Receipt)), "#record": put("ada.json", []byte(sound.Record))}
	forged := put("forged.json", []byte(strings.Replace(sound.Record, "1", "2", 1)))

	b := newTab(t, s, newBrowser(t))
	check := func(record string) {
		t.Helper()
		b.do(chromedp.SetUploadFiles("#receipt", []string{files["#receipt"]}), chromedp.SetValue("#block", sound.BlockHash))
		if record != "" {
			b.do(chromedp.SetUploadFiles("#record", []string{record}))
		}
		b.script(`document.querySelector("form").requestSubmit(), ""`)
	}
	b.width(320)
	b.open("/receipt-checker.html")
	check(files["#record"])
	b.waitFor("Sound: It existed no later than")
	b.wants("proves nothing to others", "That is the root in the receipt.", receipt.Root.String(), receipt.Path[0].String())
	b.look("receipt-checker-320")
	check(forged)
	b.waitFor("NOT SOUND: The receipt belongs to another document")
	b.look("receipt-checker-forged")

	// From a disk, where no server says what it may do.
	disk := newTab(t, s, newBrowser(t))
	b = disk
	b.do(chromedp.Navigate("file://"+put(checker.PageName, checker.Page)), chromedp.WaitReady("main"))
	check(files["#record"])
	b.waitFor("Sound: It existed no later than")
	b.mu.Lock()
	b.wrong = nil // the page itself, which is of no site
	b.mu.Unlock()
	for _, c := range []struct{ name, verdict, says string }{
		{"ownership: sound", "Sound: When this was anchored", anchor.NoProofOfOwnership},
		{"ownership: without the record", "Could not check: The log eip155:", "only the record tells"},
		{"ownership: of a token", "Sound: When this was anchored", "The record is about whoever holds"},
		{"copies: sound", "Sound: The DID document is as of", "What was changed since, it can’t tell."},
		{"copies: a list that was changed", "NOT SOUND: Status list:", "or the copy was changed"},
	} {
		i := slices.IndexFunc(vectors, func(v vector) bool { return v.Name == c.name })
		if i < 0 {
			t.Fatalf("there is no vector %q", c.name)
		}
		v := vectors[i]
		files["#receipt"] = put("file.json", []byte(v.Receipt))
		sound.BlockHash = v.BlockHash
		b.script(`document.getElementById("record").value = ""`)
		record := ""
		if v.Record != "" {
			record = put("record.json", []byte(v.Record))
		}
		check(record)
		b.waitFor(c.verdict)
		b.wants(c.says)
		for _, width := range []int64{320, 1280} {
			b.width(width)
			b.look(fmt.Sprint("disk-", strings.ReplaceAll(strings.ReplaceAll(c.name, ": ", "-"), " ", "-"), "-", width))
		}
	}
}
