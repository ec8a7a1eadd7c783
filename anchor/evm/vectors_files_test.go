package evm

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/internal/jcs"
	"clrnode/vc"
)

func (v vector) checkOwnership(ctx context.Context, o anchor.Ownership) (anchor.Finding, error) {
	if v.Record == nil {
		return o.CheckAlone(ctx, v.reader(o.Receipt))
	}
	record, _ := vc.ParseSigned([]byte(*v.Record)) // what can't be read has the digest of no document
	_, logs := record.Elected()
	log := o.Receipt.LogAmong(logs)
	return anchor.CheckOwnership(ctx, o, record.Digest(), record.SubjectID(), log, v.reader(o.Receipt))
}

// checkCopies gives the worst finding first, and that of each copy. Where nobody knows the log,
// each counts for the one that it is in.
func (v vector) checkCopies(ctx context.Context, c anchor.IssuerCopies) (judged, []judged) {
	var all []judged
	check := func(copies []anchor.Copy, leafType byte) {
		for _, one := range copies {
			log := v.Log
			if log == "" {
				log = one.Receipt.LogID()
			}
			f, _ := one.Check(ctx, log, leafType, v.reader(one.Receipt))
			all = append(all, judged{string(f.Outcome), f.Code})
		}
	}
	check(c.Documents, anchor.LeafDocument)
	check(c.StatusLists, anchor.LeafStatusList)
	for _, outcome := range []anchor.Outcome{anchor.Failed, anchor.CouldNotCheck, anchor.Warning, anchor.OK} {
		for _, f := range all {
			if f.Outcome == string(outcome) {
				return f, all
			}
		}
	}
	return judged{string(anchor.CouldNotCheck), "no_copies"}, nil
}

const holder = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

// digestOf is the digest of a JSON text in its canonical form.
func digestOf(t *testing.T, text []byte) [32]byte {
	t.Helper()
	canonical, err := jcs.Transform(text)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(canonical)
}

// An edit changes a text at one place.
type edit struct{ name, from, to string }

func (e edit) of(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, e.from) {
		t.Fatalf("%s: %s isn't in it", e.name, e.from)
	}
	return strings.Replace(text, e.from, e.to, 1)
}

// owned makes the ownership of a record in a log, and of what it is stated.
func owned(t *testing.T, c *Client, log anchor.Address, leafType byte, record [32]byte, proven time.Time) anchor.Ownership {
	t.Helper()
	h := anchor.NewHolding(holder, record, "presentation", anchor.Hash{4}, proven)
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return anchor.NewOwnership(h, landed(t, c, log, leafType, digestOf(t, raw)))
}

// logVectors are of receipts whose record names a log for its anchors, as it says itself or as
// somebody else's receipt would like to have it.
func logVectors(t *testing.T) (all []vector) {
	_, c := start(t)
	_, log := newLog(t, c)
	_, another := newLog(t, c)
	id := c.Chain().ID
	naming := func(logs ...string) string {
		terms := []string{`{"type":"urn:clrnode:verification:hosted"}`}
		for _, l := range logs {
			terms = append(terms, `{"type":"urn:clrnode:verification:blockchain","id":"`+l+`"}`)
		}
		return `{"termsOfUse":[` + strings.Join(terms, ",") + `]}`
	}
	for _, e := range []struct {
		name, record string
		leafType     byte
		outcome      anchor.Outcome
		code         string
	}{
		{"the record names no log", naming(), anchor.LeafCredential, anchor.OK, anchor.CodeAnchored},
		{"the record names the log", naming(anchor.CAIP10(id, log)), anchor.LeafCredential, anchor.OK, anchor.CodeAnchored},
		{"the record names the log on another chain", naming(anchor.CAIP10(1, log)), anchor.LeafCredential, anchor.OK, anchor.CodeAnchored},
		{"the record names the log as its second", naming(anchor.CAIP10(id, another), anchor.CAIP10(id, log)), anchor.LeafCredential, anchor.OK, anchor.CodeAnchored},
		{"the record names another log", naming(anchor.CAIP10(id, another)), anchor.LeafCredential, anchor.Failed, anchor.CodeOtherLog},
		{"the record names nothing as its log", naming(""), anchor.LeafCredential, anchor.Failed, anchor.CodeOtherLog},
		{"the record names its log, and the leaf is another thing", naming(anchor.CAIP10(id, log)), anchor.LeafRevocation, anchor.Failed, anchor.CodeOtherDocument},
	} {
		r := landed(t, c, log, e.leafType, digestOf(t, []byte(e.record)))
		raw, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{Name: e.name, Receipt: string(raw), Record: &e.record, BlockHash: r.Block.Hash.String(), Outcome: string(e.outcome), Code: e.code})
	}
	return all
}

// ownershipVectors are of ownerships, with their record and without.
func ownershipVectors(t *testing.T) (all []vector) {
	_, c := start(t)
	_, log := newLog(t, c)
	_, another := newLog(t, c)
	name := anchor.CAIP10(c.Chain().ID, log)
	recordOf := func(subject string, logs ...string) string {
		terms := []any{map[string]any{"type": []string{"urn:clrnode:verification:hosted"}, "id": name}}
		for _, l := range logs {
			terms = append(terms, map[string]any{"type": "urn:clrnode:verification:blockchain", "id": l})
		}
		raw, err := json.Marshal(map[string]any{"type": []string{"VerifiableCredential"}, "credentialSubject": map[string]any{"id": subject, "name": "Zoë"}, "termsOfUse": terms})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	now := time.Now()
	of := func(record string) anchor.Ownership {
		return owned(t, c, log, anchor.LeafHolder, digestOf(t, []byte(record)), now)
	}
	add := func(name string, file any, record *string, block string, outcome anchor.Outcome, code string) {
		text, ok := file.(string)
		if !ok {
			raw, err := json.MarshalIndent(file, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		all = append(all, vector{Name: "ownership: " + name, Receipt: text, Record: record, BlockHash: block, Outcome: string(outcome), Code: code})
	}
	record := recordOf(holder, name)
	o := of(record)
	block := o.Receipt.Block.Hash.String()
	add("sound", o, &record, block, anchor.OK, anchor.CodeAnchored)
	add("without the record", o, nil, block, anchor.CouldNotCheck, anchor.CodeNoRecord)
	add("no chain", o, &record, "", anchor.CouldNotCheck, anchor.CodeNoChain)
	add("without the record, and no chain", o, nil, "", anchor.CouldNotCheck, anchor.CodeNoChain)
	other, nothing := strings.Replace(record, "Zoë", "Zoe", 1), "{"
	add("another record", o, &other, block, anchor.Failed, anchor.CodeOtherDocument)
	add("a record that is no JSON", o, &nothing, block, anchor.Failed, anchor.CodeOtherDocument)

	// Records that don't fit, of which somebody anchored ownerships nevertheless.
	for _, r := range []struct {
		name, record string
		outcome      anchor.Outcome
		code         string
	}{
		{"a record about another", recordOf("did:key:other", name), anchor.Failed, anchor.CodeOtherDocument},
		{"a record about nobody", recordOf("", name), anchor.Failed, anchor.CodeOtherDocument},
		{"a record about several", strings.Replace(strings.Replace(record, `"credentialSubject":{`, `"credentialSubject":[{`, 1), `},"termsOfUse`, `}],"termsOfUse`, 1), anchor.Failed, anchor.CodeOtherDocument},
		{"a record that names no log", recordOf(holder), anchor.Failed, anchor.CodeOtherLog},
		{"a record that names another log", recordOf(holder, anchor.CAIP10(1, another)), anchor.Failed, anchor.CodeOtherLog},
		{"a record that names the log for another chain", recordOf(holder, anchor.CAIP10(1, log)), anchor.OK, anchor.CodeAnchored},
		{"a record that names it second", recordOf(holder, anchor.CAIP10(1, another), name), anchor.OK, anchor.CodeAnchored},
		{"a record that names it in lower case", recordOf(holder, strings.ToLower(name)), anchor.OK, anchor.CodeAnchored},
		{"a record that names it with a wrong checksum", recordOf(holder, "eip155:1:"+swapCase(log.String())), anchor.Failed, anchor.CodeOtherLog},
		{"a record that names no chain", recordOf(holder, "eip155:01:"+log.String()), anchor.Failed, anchor.CodeOtherLog},
	} {
		o := of(r.record)
		add(r.name, o, &r.record, o.Receipt.Block.Hash.String(), r.outcome, r.code)
	}
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"EdDSA","typ":"vc+jwt"}`)) + "." + part([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],`+record[1:])) + "." + part(make([]byte, 64))
	ofToken := owned(t, c, log, anchor.LeafHolder, sha256.Sum256([]byte(token)), now)
	add("of a token", ofToken, &token, ofToken.Receipt.Block.Hash.String(), anchor.OK, anchor.CodeAnchored)
	elsewhere := owned(t, c, another, anchor.LeafHolder, digestOf(t, []byte(record)), now)
	add("in a log of somebody else", elsewhere, &record, elsewhere.Receipt.Block.Hash.String(), anchor.Failed, anchor.CodeOtherLog)
	add("in a log of somebody else, without the record", elsewhere, nil, elsewhere.Receipt.Block.Hash.String(), anchor.CouldNotCheck, anchor.CodeNoRecord)
	late := owned(t, c, log, anchor.LeafHolder, digestOf(t, []byte(record)), now.Add(time.Hour))
	add("proven after it was anchored", late, &record, late.Receipt.Block.Hash.String(), anchor.Failed, anchor.CodeContradicted)
	add("proven after it was anchored, without the record", late, nil, late.Receipt.Block.Hash.String(), anchor.Failed, anchor.CodeContradicted)
	ahead := owned(t, c, log, anchor.LeafHolder, digestOf(t, []byte(record)), late.Receipt.Block.Time.Add(4*time.Minute))
	add("by a clock that is ahead", ahead, &record, ahead.Receipt.Block.Hash.String(), anchor.OK, anchor.CodeAnchored)
	credential := owned(t, c, log, anchor.LeafCredential, digestOf(t, []byte(record)), now)
	add("a leaf of another type", credential, &record, credential.Receipt.Block.Hash.String(), anchor.Failed, anchor.CodeOtherDocument)

	waiting := o
	waiting.Receipt = anchor.WaitingReceipt(o.Receipt.Chain, o.Receipt.Log, o.Receipt.Leaf(), o.Receipt.Canonicalization)
	add("waits for a batch", waiting, &record, block, anchor.Warning, anchor.CodePending)
	add("waits for a batch, without the record", waiting, nil, block, anchor.Warning, anchor.CodePending)
	raw, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []edit{
		{"another method", `"presentation"`, `"ethereum"`},
		{"an earlier proof", o.Statement.Proven.Format(time.RFC3339), o.Statement.Proven.AddDate(-1, 0, 0).Format(time.RFC3339)},
		{"another proof", `"proof": "0x04`, `"proof": "0x05`},
		{"as bytes", `"jcs"`, `"bytes"`},
	} {
		add(e.name, e.of(t, string(raw)), &record, block, anchor.Failed, anchor.CodeOtherDocument)
	}
	salt := edit{"another salt", `"salt": "0x` + o.Receipt.Salt.String()[2:3], `"salt": "0x` + string("10"[min(1, o.Receipt.Salt[0]>>4)])}
	escaped := edit{"a time with an escape", `"proven": "2`, `"proven": "\u0032`}
	add(escaped.name, escaped.of(t, string(raw)), &record, block, anchor.OK, anchor.CodeAnchored)
	add(salt.name, salt.of(t, string(raw)), &record, block, anchor.Failed, anchor.CodeNotIncluded)
	for _, e := range []edit{
		{"a version of later days", `"version": 1`, `"version": 2`},
		{"a version with a fraction", `"version": 1`, `"version": 1.0`},
		{"an unknown member", `"version": 1`, `"version": 1, "extra": 1`},
		{"an unknown member of the statement", `"did":`, `"extra": 1, "did":`},
		{"a member twice", `"version": 1`, `"version": 1, "version": 1`},
		{"a member misspelt", `"proven"`, `"Proven"`},
		{"a member null", `"presentation"`, `null`},
		{"a member missing", `"method": "presentation",`, ``},
		{"no method", `"presentation"`, `""`},
		{"no DID", `"` + holder + `"`, `"z6Mk"`},
		{"a proof of zeros", `"proof": "` + o.Statement.Proof.String() + `"`, `"proof": "` + anchor.Hash{}.String() + `"`},
		{"a DID too long", holder, holder + strings.Repeat("z", 2048)},
		{"a DID of many commas", holder, "did:web:" + strings.Repeat(",", 20000)},
		{"a method too long", `"presentation"`, `"` + strings.Repeat("p", 65) + `"`},
		{"another statement", `"CLROwnershipStatement"`, `"CLROwnershipstatement"`},
		{"a time with a fraction", o.Statement.Proven.Format("15:04:05Z"), o.Statement.Proven.Format("15:04:05.5Z")},
		{"a time of another zone", o.Statement.Proven.Format("15:04:05Z"), o.Statement.Proven.Format("15:04:05+00:00")},
		{"no time", o.Statement.Proven.Format(time.RFC3339), "0001-01-01T00:00:00Z"},
		{"a receipt that is none", `"leafType": 6`, `"leafType": 7`},
		{"another type", `"CLROwnership"`, `"CLRownership"`},
	} {
		add(e.name, e.of(t, string(raw)), &record, block, anchor.Failed, anchor.CodeNotReceipt)
	}
	return all
}

// copiesVectors are of an issuer's copies, of a DID document and a status list.
func copiesVectors(t *testing.T) (all []vector) {
	_, c := start(t)
	_, log := newLog(t, c)
	_, another := newLog(t, c)
	copied := func(content string, leafType byte) anchor.Copy {
		return anchor.Copy{Content: json.RawMessage(content), Receipt: landed(t, c, log, leafType, digestOf(t, []byte(content)))}
	}
	document := copied(`{"id":"did:web:example.edu","alsoKnownAs":["https://example.edu/é"],"n":1.50}`, anchor.LeafDocument)
	list := copied(`{"id":"https://example.edu/status/1","credentialSubject":{"encodedList":"uH4sI"}}`, anchor.LeafStatusList)
	blocks := document.Receipt.Block.Hash.String() + "," + list.Receipt.Block.Hash.String()
	const anchored, otherLog = "ok " + anchor.CodeAnchored, "failed " + anchor.CodeOtherLog
	noChain, of := "could not check "+anchor.CodeNoChain, "failed "+anchor.CodeOtherDocument
	// wants are what is said of each copy, the outcome and behind it the code; first of all of them.
	add := func(name, text, blocks, log string, wants ...string) {
		v := vector{Name: "copies: " + name, Receipt: text, BlockHash: blocks, Log: log}
		for i, want := range wants {
			at := strings.LastIndex(want, " ")
			j := judged{want[:at], want[at+1:]}
			if i == 0 {
				v.Outcome, v.Code = j.Outcome, j.Code
			} else {
				v.Parts = append(v.Parts, j)
			}
		}
		all = append(all, v)
	}
	textOf := func(documents, lists []anchor.Copy) string {
		raw, err := json.MarshalIndent(anchor.NewIssuerCopies(documents, lists), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	both := textOf([]anchor.Copy{document}, []anchor.Copy{list})
	name := document.Receipt.LogID()
	add("sound", both, blocks, name, anchored, anchored, anchored)
	add("sound, in a log that nobody knows", both, blocks, "", anchored, anchored, anchored)
	add("the log by its name on another chain", both, blocks, strings.ToLower(anchor.CAIP10(1, log)), anchored, anchored, anchored)
	add("a log of somebody else", both, blocks, anchor.CAIP10(1, another), otherLog, otherLog, otherLog)
	add("a log that is none", both, blocks, "eip155:0:"+log.String(), otherLog, otherLog, otherLog)
	add("no chain", both, "", name, noChain, noChain, noChain)
	add("the block of one alone", both, document.Receipt.Block.Hash.String(), name, noChain, anchored, noChain)
	add("no document", textOf(nil, []anchor.Copy{list, list}), blocks, name, anchored, anchored, anchored)
	add("nothing", textOf(nil, nil), blocks, name, "could not check no_copies")
	add("one for the other", textOf([]anchor.Copy{list}, []anchor.Copy{document}), blocks, name, of, of, of)
	add("the receipt of another copy", textOf([]anchor.Copy{{Content: document.Content, Receipt: list.Receipt}}, nil), blocks, name, of, of)
	waiting := list
	waiting.Receipt = anchor.WaitingReceipt(list.Receipt.Chain, list.Receipt.Log, list.Receipt.Leaf(), list.Receipt.Canonicalization)
	pending := "warning " + anchor.CodePending
	add("one waits for a batch", textOf([]anchor.Copy{document}, []anchor.Copy{waiting}), blocks, name, pending, anchored, pending)
	add("one waits, of the other the block isn't known", textOf([]anchor.Copy{document}, []anchor.Copy{waiting}), "", name, noChain, noChain, pending)
	for _, e := range []struct {
		edit
		wants []string
	}{
		{edit{"a document that was changed", "did:web:example.edu", "did:web:example.com"}, []string{of, of, anchored}},
		{edit{"a list that was changed", "uH4sI", "uH4sJ"}, []string{of, anchored, of}},
		{edit{"a number written in another way", "1.50", "15e-1"}, []string{anchored, anchored, anchored}},
		{edit{"a registry of somebody else", document.Receipt.Chain.Registry.String(), "0x00000000000000000000000000000000000000ff"},
			[]string{"failed " + anchor.CodeOtherRegistry, "failed " + anchor.CodeOtherRegistry, anchored}},
		{edit{"a number of leaves", fmt.Sprintf(`"firstLeaf": %d`, document.Receipt.FirstLeaf), fmt.Sprintf(`"firstLeaf": %d`, document.Receipt.FirstLeaf+1)},
			[]string{"failed " + anchor.CodeContradicted, "failed " + anchor.CodeContradicted, anchored}},
	} {
		add(e.name, e.of(t, both), blocks, name, e.wants...)
	}
	for _, e := range []edit{
		{"a version of later days", `"version": 1`, `"version": 2`},
		{"an unknown member", `"version": 1`, `"version": 1, "extra": []`},
		{"an unknown member of a copy", `"content"`, `"extra": 1, "content"`},
		{"no list of status lists", `"statusLists"`, `"StatusLists"`},
		{"a copy that is null", `"documents": [`, `"documents": [null,`},
		{"a content that is a text", `"content": {`, `"content": "", "was": {`},
		{"a content with a null", "1.50", "null"},
		{"a content with a null in a list", `"https://example.edu/é"`, `{"a":[null]}`},
		{"a content of more values than its length allows", "1.50", "[" + strings.Repeat("1,", 20000) + "1]"},
		{"a content with a member twice", `"n":`, `"id": 1, "n":`},
		{"a receipt that is none", `"leafType": 4`, `"leafType": 0`},
		{"another type", `"CLRIssuerCopies"`, `"CLRIssuercopies"`},
	} {
		add(e.name, e.of(t, both), blocks, name, "failed "+anchor.CodeNotReceipt)
	}
	return all
}
