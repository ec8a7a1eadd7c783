// Package testnet has what a node needs to work on its own, without a network
// and without a university: an Ethereum-compatible chain inside the process,
// and the roster and the achievements of a university that doesn't exist.
//
// The names to begin with: [StartChain], [Chain], and [WriteDemo].
//
// The chain is go-ethereum's, as it is; only when a block is made is decided
// here. It keeps what it was told through kill -9 and power cuts, but it
// proves nothing to outsiders, since whoever owns the folder owns the chain.
package testnet
