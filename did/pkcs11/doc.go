// Package pkcs11 signs with keys that live in a PKCS#11 token: a hardware security
// module, a smart card, or a program that acts like one. Begin with [ParseURI], which
// reads where a key is, and [Open]. A program that is built without cgo reads URIs, and
// says that it can't sign with them.
package pkcs11
