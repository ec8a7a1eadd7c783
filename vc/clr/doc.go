// Package clr is what 1EdTech's Comprehensive Learner Record 2.0 and Open Badges
// 3.0 say: the shape of a record, how it is written as a credential, and the strict
// rules that a record or a badge must obey. It signs nothing, reads no clock and
// opens no connection.
//
// Begin with [Record], a learner's achievements as plain data; [Credential], which
// writes a record as a ClrCredential ready to be signed; and [Check], which says
// what is wrong with a record or badge, ours or anybody's.
//
// The rules of [Check] are stricter than the published schemas for one reason. Data
// Integrity proofs sign an RDF graph, not the JSON: an added null, a repeated member
// of a set, an alias of a term, or a second description of one id can leave the
// graph as it was. What Check passes has one way only of being written, up to the
// order of sets and arrays of one member; see [Normal].
package clr
