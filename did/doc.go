// Package did knows decentralized identifiers: what they look like, which keys
// stand behind them, and how to get from one to the other.
//
// Begin with [Parse], after which an identifier is a [DID] and no longer a
// string; [NewResolver], which finds the [Document] of a did:key, did:jwk, did:pkh,
// did:web, did:webvh or did:ethr, and of the last two every earlier version;
// [NewUniversal], which asks others for DIDs of further methods; and
// [Generate], which makes a [Signer]. A [PublicKey] is read by [ParseMultibase] or
// [ParseJWK] and knows what it verifies; an [Account] is what an Ethereum wallet has
// instead. [NewClient] is the one HTTP client through which this program opens
// connections to addresses that strangers wrote: it reaches no private network, follows
// few redirects and reads bounded bodies.
//
// A did:webvh is published with [CreateWebVH], and resolved from files by [ResolveWebVH].
//
// The specifications are DID Core 1.0, the did:key, did:jwk, did:pkh, did:ethr, did:web and
// did:webvh 1.0 method specifications, ERC-1056, CAIP-10, EIP-55, Multikey (Controlled
// Identifiers 1.0), JSON Web Key (RFC 7517) and DID Resolution.
// The package knows no database and no server, and of a chain only what a [Chain] answers.
package did
