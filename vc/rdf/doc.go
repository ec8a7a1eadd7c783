// Package rdf turns a JSON-LD document into the bytes that Data Integrity proofs
// sign: canonical N-Quads by RDFC-1.0.
//
// Begin with [Canonize], which takes a decoded document; [Context], which gives a
// context that is bundled with the program; and [CanonizeQuads], which is the
// last step alone. No context is ever fetched, and nothing of a document is
// dropped silently: what no context defines is an [Error], since a signature
// wouldn't cover it.
package rdf
