// Package checker has a checker of anchor receipts for those who have neither this program
// nor a library: one JavaScript file, for Node.js and for browsers.
package checker

import _ "embed"

// Script is the checker. Its verdict on each of the vectors in anchor/testdata is that of
// package anchor.
//
//go:embed clr-receipt-check.js
var Script []byte
