// Package jcs reads JSON strictly and writes it in its one canonical form, the
// JSON Canonicalization Scheme of RFC 8785.
//
// Whatever this node hashes, stores as "the very bytes" or compares is in this
// form, so that a wallet that re-indents a credential changes nothing. Begin with
// [Parse], which reads bytes from strangers, [Transform], which brings such bytes
// into canonical form, and [Marshal], which writes a Go value canonically.
package jcs
