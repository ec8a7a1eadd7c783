// Package anchor makes it provable, without trusting a node, that a
// credential existed no later than a certain time.
//
// The digests of many credentials become salted leaves of a Merkle tree
// (RFC 9162). The tree's root, and nothing else, is appended to a log in a
// public registry. Each credential gets a [Receipt]: its salt, its path to the
// root, and where the root stands. Nothing on the chain says anything about a
// person, and a leaf whose salt is destroyed can't be linked to anyone again.
//
// The three names to begin with:
//
//   - [Leaf] and [Tree]: from a digest to a root and back.
//   - [Ledger]: the public place where roots are written once. clrnode/anchor/evm
//     has the one on an Ethereum-compatible chain.
//   - [CheckReceipt]: from a receipt and a [Reader] to a [Finding].
//
// The package is pure: no network, no store, no chain library. A verifier can
// be built from it and the packages did and vc alone.
package anchor
