// Package checker has a checker of anchor receipts, ownerships and issuers' copies for those who
// have neither this program nor a library: one JavaScript file for Node.js, and one page for
// browsers, which works from a disk.
package checker

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strings"
)

// Script is the checker. Its verdict on each of the vectors in anchor/testdata is that of
// package anchor.
//
//go:embed clr-receipt-check.js
var Script []byte

// Picture is the script that draws in a page what Script found.
//
//go:embed clr-receipt-picture.js
var Picture []byte

// Form is the script that takes the files in a page and has them checked and drawn.
//
//go:embed clr-receipt-form.js
var Form []byte

// Style is the style of what Picture draws.
//
//go:embed clr-receipt-steps.css
var Style []byte

//go:embed page.html
var page string

// What the page and the script are called where they lie beside receipts.
const (
	PageName   = "clr-receipt-check.html"
	ScriptName = "clr-receipt-check.js"
)

// Page is the checker as a page, with all that it needs in it.
var Page = []byte(whole)

var whole = strings.NewReplacer("/*CHECKER*/", string(Script), "/*PICTURE*/", string(Picture),
	"/*FORM*/", string(Form), "/*STEPS*/", string(Style)).Replace(page)

// Policy is the Content-Security-Policy of the page where it is served: its own script and
// style, and the node of a chain that its user names.
var Policy = "default-src 'none'; script-src " + sourceOf("script") + "; style-src " + sourceOf("style") +
	"; connect-src https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// sourceOf is the source expression of the page's only element of this name.
func sourceOf(element string) string {
	_, rest, _ := strings.Cut(whole, "<"+element+">")
	content, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
