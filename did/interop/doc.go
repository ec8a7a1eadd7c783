// Package interop is tests alone: independent programs (JavaScript, in folder peers)
// resolve the DIDs that this program makes, this program resolves theirs, and both say
// the same of did:ethr identities on the embedded chain, whose history the tests make
// with real transactions.
package interop
