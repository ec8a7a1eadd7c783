package api

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"clrnode/anchor"
	"clrnode/anchor/checker"
	"clrnode/node"
	"clrnode/registry"
)

// A proofFile is one file of what a learner takes away.
type proofFile struct {
	name    string
	content []byte // nil: there is none
	about   string // what it is, in the text that goes with it
}

// downloadProofs gives the learner the record and all that proves it, as one file.
func (s *server) downloadProofs(w http.ResponseWriter, r *http.Request, learner string) error {
	signed, receipt, err := s.node.Export(r.Context(), learner)
	if errors.Is(err, node.ErrRefused) || err == nil && receipt == nil {
		return registry.ErrNotFound
	}
	if err != nil {
		return err
	}
	also, alsoChain, err := s.node.ExportAlso(r.Context(), learner)
	if err != nil {
		return err
	}
	issuer, err := s.node.ExportIssuer(r.Context(), learner)
	if err != nil {
		return err
	}
	ownership, err := s.ownershipOf(r, learner)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	p, err := s.node.Publisher(r.Context(), s.login(r, sessionLearner).Publisher)
	if err != nil {
		return err
	}
	all := []proofFile{
		{"record.json", signed, "the record, as " + p.Name + " signed it."},
		{"record.receipt.json", receipt, "the receipt: since when the record exists as it is."},
		{fmt.Sprintf("record.receipt.%d.json", alsoChain), also, "the receipt of a second chain."},
		{"record.ownership.json", ownership, "that it belonged to the holder of the identifier (DID) in it."},
		{"record.issuer.json", issuer, "copies of what a record is checked with, for the day when " + p.Name + " answers no more."},
		{checker.PageName, checker.Page, "a page that checks these files in any browser."},
		{checker.ScriptName, checker.Script, "the same for Node.js: node " + checker.ScriptName + " record.receipt.json record.json --rpc URL"},
	}
	text, err := s.howToCheck(all, receipt)
	if err != nil {
		return err
	}
	file, err := s.packed(append(all, proofFile{name: "how-to-check.txt", content: []byte(text)}))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="record.zip"`)
	return serveBytes(w, r, "application/zip", "no-store", file)
}

// packed is a zip of those of the files that there are.
func (s *server) packed(all []proofFile) ([]byte, error) {
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for _, f := range all {
		if f.content == nil {
			continue
		}
		out, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: s.now().UTC()})
		if err == nil {
			_, err = out.Write(f.content)
		}
		if err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return file.Bytes(), err
}

// howToCheck is the text that goes with a record's proofs, for whoever gets them.
func (s *server) howToCheck(all []proofFile, receipt []byte) (string, error) {
	r, err := anchor.ParseReceipt(receipt)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("WHAT IS HERE\n\n")
	for _, f := range all {
		if f.content != nil {
			fmt.Fprintf(&b, "%s\n    %s\n", f.name, f.about)
		}
	}
	if r.Phase != anchor.Final {
		fmt.Fprintf(&b, "\nThis was packed on %s, when the anchor wasn't final yet, so the\nreceipt proves little. The learner gets one that does from the same page, later.\n",
			s.now().UTC().Format("2 January 2006, 15:04 UTC"))
	}
	if r.Chain.Local {
		b.WriteString("\nThe record is anchored on the local chain of one site, which proves nothing to others.\n")
	}
	fmt.Fprintf(&b, `
HOW TO CHECK IT

1. While the site is there where it comes from: open
   %s/verify
   and give it this whole file (record.zip), or record.json. That checks who signed the record,
   that nothing was changed, and that it wasn't revoked.

2. When the site is gone: give this whole file to the page Verify of another site with the same
   program and chain. It asks you for the issuer's log, which you have to know from the issuer.
   And open %s in a browser, and drop all of these files on it. It
   needs no site, asks nobody but the chain, says what it has checked and what not, and what to
   do next. If you had the files from somebody else, take that page from a site that you trust,
   at /receipt-checker.html: who forges a record can forge the page.

3. On a command line, all of it, with and without the site:
   clrnode verify record.json --rpc URL --log LOG
   URL is a node of the chain, LOG the issuer's log by the issuer's own word.

Keep the files as they are: a program that opens one and saves it may change it.
`, s.node.PublicURL(), checker.PageName)
	return b.String(), nil
}

// ownershipOf is what shows that a learner's record belongs to the DID that it names, as a file.
func (s *server) ownershipOf(r *http.Request, learner string) ([]byte, error) {
	o, err := s.node.Ownership(r.Context(), learner)
	if err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(o, "", "  ")
	return append(raw, '\n'), err
}
