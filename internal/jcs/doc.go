// Package jcs reads JSON strictly and writes it in its one canonical form, the
// JSON Canonicalization Scheme of RFC 8785.
//
// Whatever this node hashes, stores as "the very bytes" or compares is in this
// form, so that a wallet that re-indents a credential changes nothing. Begin with
// [Read], which reads bytes from strangers into a tree of [Value], [Value.Append],
// which writes that canonically, and [Marshal], which does so for Go's own types.
package jcs
