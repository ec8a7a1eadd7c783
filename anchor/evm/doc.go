// Package evm is the [anchor.Ledger] and the [anchor.Reader] on an
// Ethereum-compatible chain, spoken to by JSON-RPC.
//
// The names to begin with: [Dial], [Client.Enroll] and [Client.Deploy]. A
// [Client] without a key reads; with a key, the poster's, it also writes.
//
// Three accounts take part. The log's key names the log and stays cold: it
// signs one transaction, which lets the poster append until a time. The poster
// is the node's hot key; it pays for everything. The registry belongs to
// nobody.
//
// Chains whose contracts see another block number than eth_blockNumber tells
// (Arbitrum's see Ethereum's) are not supported.
package evm
