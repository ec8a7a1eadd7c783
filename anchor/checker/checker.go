// Package checker has a checker of anchor receipts for those who have neither this program
// nor a library: one JavaScript file for Node.js, and one page for browsers, which works
// from a disk.
package checker

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

// Script is the checker. Its verdict on each of the vectors in anchor/testdata is that of
// package anchor.
//
//go:embed clr-receipt-check.js
var Script []byte

//go:embed page.html
var page []byte

// PageName is what the page is called where it lies beside receipts.
const PageName = "clr-receipt-check.html"

// Page is the checker as a page, with all that it needs in it.
var Page = bytes.Replace(page, []byte("/*CHECKER*/"), Script, 1)

// Policy is the Content-Security-Policy of the page where it is served: its own script and
// style, and the node of a chain that its user names.
var Policy = "default-src 'none'; script-src " + sourceOf("script") + "; style-src " + sourceOf("style") +
	"; connect-src https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// sourceOf is the source expression of the page's only element of this name.
func sourceOf(element string) string {
	_, rest, _ := bytes.Cut(Page, []byte("<"+element+">"))
	content, _, _ := bytes.Cut(rest, []byte("</"+element+">"))
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
