// Package jose reads and writes the one form of JSON Web Signature that credentials
// use: the compact serialization (RFC 7515, 7.1) around a JSON object, signed by an
// asymmetric key. That is a JWT (RFC 7519) as VC-JWT, W3C's VC-JOSE-COSE and Open Badges
// 3.0, 8.2.4, have it.
//
// Begin with [Parse], which judges the form and looks at no key; [Token.Verify], which
// checks the signature with a key that the caller found and trusts; and [Sign]. What the
// claims mean is the caller's business.
package jose
