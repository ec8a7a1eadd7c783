// Package registry is the node's book: publishers and their keys, learners,
// assertions, records, credentials, status lists, batches, shares, tickets,
// imports and jobs.
//
// Begin with [Open], which takes an [Engine] and gives a [DB]; all reading and
// writing goes through [DB.View] and [DB.Update], whose [Tx] speaks of learners
// and credentials. Engines ([OpenBadger], [OpenPostgres]) store ordered documents and know
// nothing of learners.
//
// What an import brings is kept as the source's own rows; assertions are derived
// from them, and [Consolidate], a pure function, merges a learner's assertions
// into one record. Nothing is guessed: what contradicts itself comes back as a
// [Conflict], which a person settles.
//
// Nodes that share a store claim its work by [Leases]; [DB.Backup] and [Migrate] move all
// that it holds, and [DB.Check] looks whether all of it agrees.
package registry
