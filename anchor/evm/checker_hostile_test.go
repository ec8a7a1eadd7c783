package evm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
)

// What a stranger wrote into a file can't write over the verdict on it: the JavaScript checker
// shows no character that moves the cursor of a terminal or turns the direction of writing.
func TestCheckerShowsNoControls(t *testing.T) {
	t.Parallel()
	needsNode(t)
	const cursor = `\u001b[2K\rSound\u009b1A\u202e\u2028\u2066`
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	h := fmt.Sprintf(`{"type":"CLROwnershipStatement","did":"did:web:%s","record":"%s","method":"ethereum","proof":"%[2]s","proven":"2026-11-27T07:22:01Z"}`, cursor, anchor.Hash{1})
	r := fmt.Sprintf(`{"type":"CLRAnchorReceipt","version":2,"canonicalization":"jcs","digest":"%s","leafType":6,"salt":"%[1]s","index":0,"count":0,"path":[],"root":"%s",
		"chain":{"id":1,"genesis":"%[1]s","registry":"0x00000000000000000000000000000000000000ff","finality":"%s","local":false},"log":"0x00000000000000000000000000000000000000ff","seq":0,"firstLeaf":0,"phase":"pending"}`,
		anchor.Hash{1}, anchor.Hash{}, cursor)
	copied := fmt.Sprintf(`{"content":{"id":"%s"},"receipt":%s}`, cursor, r)
	record := write("record.json", `{"credentialSubject":{"id":"did:web:example.edu"}}`)
	for name, text := range map[string]string{
		"a member's name":           `{"type":"CLRAnchorReceipt","` + cursor + `":1}`,
		"a member's name, twice":    `{"` + cursor + `":1,"` + cursor + `":1}`,
		"the DID of an ownership":   `{"type":"CLROwnership","version":1,"statement":` + h + `,"receipt":` + r + `}`,
		"the name of what is there": `{"type":"CLRIssuerCopies","version":1,"documents":[` + copied + `],"statusLists":[]}`,
	} {
		for _, more := range [][]string{nil, {record}, {"--json"}} {
			args := append([]string{"../checker/clr-receipt-check.js", write("file.json", text)}, more...)
			out, _ := exec.CommandContext(t.Context(), "node", args...).Output() // the exit code isn't 0
			if at := strings.IndexFunc(string(out), func(c rune) bool {
				return c != '\n' && unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
			}); at >= 0 || len(out) == 0 {
				t.Errorf("%s %s: it writes %+q", name, more, out)
			}
		}
	}
}

// A record may have megabytes of white space. The JavaScript checker reads them once: at one time
// it would have taken hours.
func TestCheckerReadsWhiteSpaceOnce(t *testing.T) {
	t.Parallel()
	needsNode(t)
	const much = 4 << 20
	r, _ := anchoredRecord(t, `{"a":"ä","b":1}`)
	record := filepath.Join(t.TempDir(), "record.json")
	text := strings.Repeat(" \n", much/8) + `{"a":"ä",` + strings.Repeat(" ", much) + `"b":1}` + strings.Repeat("\t", much/4)
	if err := os.WriteFile(record, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if js, exit := checkedByScript(t, r, record, "--block-hash", r.Block.Hash.String()); js.Code != anchor.CodeAnchored || exit != 0 {
		t.Errorf("the JavaScript checker says %+v, and ends with %d", js, exit)
	}
}

// A chain's node that tells of a time that no calendar has gives no answer, for this program and
// for the JavaScript checker.
func TestCheckerOfTimesWithoutEnd(t *testing.T) {
	t.Parallel()
	needsNode(t)
	b := newBench(t)
	r, _, _ := b.receipt()
	const never = `"timestamp":"0xffffffffffffffff"`
	block := question{"eth_getBlockByNumber", hexNumber(r.Block.Number)}
	ours := dial(t, b.line.URL, Options{Finality: "depth:0", Local: true})
	for name, fault := range map[string]anchortest.Fault{
		"of a block": saying(block, fmt.Sprintf(`{"number":"%s","hash":"%s",%s}`, hexNumber(r.Block.Number), r.Block.Hash, never)),
		"of taking it back": saying(question{"eth_call", ""},
			fmt.Sprintf(`"0x%064x%064x%064x%064x%064x"`, r.Block.Number, r.Seq, r.FirstLeaf, r.Count, uint64(1<<63))),
	} {
		b.line.Set(fault)
		f, _ := anchor.CheckReceipt(t.Context(), r, r.Digest, ours)
		js, exit := checkedByScript(t, r, "--rpc", b.line.URL, "--finality", "depth:0")
		if f.Code != anchor.CodeNoAnswer || js.Code != f.Code || js.Outcome != string(f.Outcome) || exit != 2 {
			t.Errorf("%s: this program says %+v, the JavaScript checker %+v, and ends with %d", name, f, js, exit)
		}
	}
}
