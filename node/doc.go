// Package node is the application: one type, [Node], whose methods are the
// product. The browser, the command line, programs and jobs all come through
// them, so that each rule is checked in one place. Begin with [New],
// [Node.StageImport] and [Node.StartIssue].
//
// # The house
//
//	did            identifiers, keys, resolution, the guarded HTTP client
//	did/pkcs11     keys in hardware: PKCS#11 tokens
//	vc             credentials: issue, verify, status lists, the report
//	vc/clr         CLR 2.0 and Open Badges 3.0: model and strict rules
//	vc/rdf         JSON-LD to canonical N-Quads; bundled contexts
//	anchor         digests to Merkle batches to a ledger to receipts; pure
//	anchor/checker  the check of a receipt as one JavaScript file, for those who have no node
//	anchor/evm     the ledger on an EVM contract
//	registry       everything stored; two engines; consolidation; importers (one folder a source)
//	node           this package; node/cli is flags, commands and wiring
//	api            a Node over HTTP; api/web its pages
//	contracts      Solidity, its compiled form and its Go calls
//	testnet        the embedded chain and the generator of demo rosters
//	testnet/network  chain, nodes and proxy as processes, for tests and demos
//	testnet/wallet  wallets of learners, for tests
//	testnet/measure  a program that measures a node with many learners
//	internal/jcs   strict JSON and its canonical form
//
// A third party builds a verifier from did, vc and anchor alone: they know no
// database, no server and no go-ethereum.
//
// # The way of one credential
//
// A source's file is staged, validated whole, and applied in bounded steps
// ([registry.Stage], [registry.Apply]); its rows become assertions, and
// [registry.Consolidate], a pure function, makes one record per learner of them.
// What contradicts itself is a conflict, settled by a person ([Node.Settle]).
//
// Issuing plans in a transaction, signs outside it and finishes in another
// ([Node.StartIssue]), group by group: while one is signed the next is planned and the
// one before is finished, in their order. What was signed is stored as the very bytes
// and never marshalled again. Every embedded credential has its own proof, status place and
// salt; one that says what it said is taken over as it was signed.
//
// Anchoring finds what is in no batch by a query: it seals a batch, stores the
// signed transaction before it sends it, and follows it until it is final
// ([Node.AnchorNow] waits for no age); a batch that a dead process left takes the same path. Receipts
// lie beside the record, never in it.
//
// A share is a ticket that is read, not taken; every opening is counted.
// Verifying ([Node.Verify]) takes bytes and a policy and gives a report: each
// check is ok, failed, a warning, or could not be checked, which is never valid
// and never invalid.
//
// # Several nodes on one store
//
// Every node serves every request: sessions, tickets, tokens, jobs, imports and why
// anchoring stands still are in the store, and whoever takes a ticket takes it in a
// transaction. What runs in the background is claimed under a lease
// ([registry.Leases]): each import, a publisher's issue jobs, status lists, and anchoring
// for all publishers together, as one account pays for them and numbers its
// transactions. Its writes go through [registry.Lease.DB], so that a node which was
// paused writes nothing once another has taken over. A node looks every second (lookEvery)
// for work that nobody does; a nudge reaches only itself. A lease is taken over when its
// holder gave no sign of life for [Options.LeaseTime].
//
// What a node keeps to itself is right at any age: hosted copies that were asked for lately
// (whether the credential still stands so is looked up each time), others' status lists
// for as long as they say, and how many requests each client made, which each node limits
// for itself. Signing a status list needs no lease: an older version never takes the place
// of a newer one.
//
// # Moving and checking
//
// A backup ([Node.Backup]) is one snapshot, row by row, each table with its sum, and the
// embedded chain's blocks after it: a chain that is ahead of the store does no harm.
// [registry.Migrate] and [registry.Backup.Restore] bring a store to hold exactly the rows
// they are given, comparing what is there already: that is how they go on after a kill,
// without a cursor. Until their last step the store is marked, and doesn't open.
// [registry.DB.Check] says what holds between any two transactions; the crash matrix asks
// it after each kill (node/cli), and clrnode doctor asks it of a store in use.
//
// # Decisions beyond the design
//
//   - A proof of ours carries a signed nonce, the SHA-256 of the normal form of the
//     whole JSON (sets sorted, arrays of one unwrapped): no shape rule catches
//     another context's URL or an alias of a type, the nonce does. Verifiers that
//     don't know it lose nothing.
//   - Achievement ids are content-addressed (urn:uuid of the hash), so that one id
//     is always described in one way, and a corrected title is another achievement.
//   - A credential has one place in a status list for all its versions: revoking
//     it revokes each of them. A revoked record is issued again, under another id,
//     only when it says something else or somebody names the learner.
//   - The embedded credentials' bytes are kept in the record that holds them, not
//     a second time.
//   - A revoked credential answers 410 with the reason at its id, hosted or not:
//     whoever has it may know why.
//   - Credentials wait for each other by age (--anchor-every): a batch is sealed
//     when the oldest is old enough or somebody asks, and holds [registry.MaxBatch] at most.
//   - A receipt that says "pending" counts only from the issuer itself. Another
//     chain than the verifier's is "could not check", as every embedded chain has
//     the same id and its own genesis.
//   - A receipt's state proof is of its own block, asked for as soon as there is one, since
//     a chain's nodes forget states; it is kept once for each batch, and not waited for.
//   - A log's key says in the DID document whose log it is ([anchor.Statement]): the chain
//     knows no DIDs, and a document alone could name a stranger's log.
//   - A publisher's DID document and status lists are anchored beside its records, as leaves
//     of their own types, whenever they change: the newest of each that waits. Their copies
//     stand for an issuer that gives no answer, as of then, in a log that the verifier knows
//     to be the issuer's ([WithCopies]): the record alone could name any.
//   - On a second chain a batch stands as a copy of its own ([registry.Tx.BatchAlso]), which
//     work of its own moves, in the batches' order: neither chain waits for the other. A
//     record names its log on the first one; a log is whoever's key its address is, so the
//     log of that address on another chain that the verifier asks is the same. The
//     identifiers name it once for each chain id, also where the node has left the chain.
//     Which chain the second one is, the store notes.
//   - A large batch grows in bounded transactions and is unseen until the last; a kill leaves
//     one that the next turn goes on with. Other publishers have their turn in between.
//   - That a record belonged to a DID is a leaf of its own, whose digest is that of a JSON
//     statement ([anchor.Holding]) and not of concatenated hashes: the receipt is like every
//     other, and the checker of receipts checks it with the statement in the record's place.
//   - More than half of the chain's nodes that are named have to say the same: of numbers,
//     the greatest that so many reach. That something isn't anchored is said only after
//     another look at which chain answers.
//   - A nonce is the chain's next one, or the one after what this process sent; after a
//     restart what is stored is sent again, and a nonce that went to another transaction
//     makes a batch be prepared anew: the contract takes each root once. So does a nonce
//     behind one that nobody used, and that another chain, contract or paying account is at
//     hand than the transaction was signed for.
//   - The store notes the first block of its chain. A node that is given none doesn't begin
//     an embedded one beside it, on which all would be anchored anew; one that is named is
//     believed, unless the data folder knows another one at that URL.
//   - What was final is looked at again, each minute on a local chain and every ten elsewhere,
//     and when the node starts, before anything newer of the publisher's is anchored; back to
//     what the last look found final, which the store notes, as newer batches may stand in a
//     lost one's place. The contract's state is asked, and no events: many of a chain's nodes
//     have those of newer blocks alone.
//   - A signed transaction is sent before any node is asked whether it knows it: one that
//     says so, untruly, would keep it from the others.
//   - A transaction that waits too long is replaced, by an eighth more each time, and never
//     by more than --max-fee: beyond that the batch waits, and says so.
//   - The registry contract became cheaper before it was on any public chain, and so has
//     another address. A batch that stands in a contract of another address is anchored again
//     in today's.
//   - Documents are read into a tree of [jcs.Value], whose objects keep canonical order:
//     one reader and one writer of JSON, and no maps on the way from bytes to a proof.
//     What is canonical already is its own canonical form.
//   - Proofs over JSON and tokens bind every byte; that every term means something is
//     checked all the same, so that all forms refuse the same documents.
//   - A text's @direction is signed, as rdfDirection i18n-datatype has it: that is what
//     the implementations of Data Integrity agree on.
//   - A publisher's DID documents follow from what is stored of it, so that all nodes say
//     the same. A key that signed before stays listed for signing, a compromised one too,
//     with its time: what was anchored before that has to verify.
//   - A change of a key and the entry in the did:webvh's log that says so are one
//     transaction; what was signed is stored only if no key of its publisher was found to
//     be compromised meanwhile.
//   - A credential of which the registry doesn't say which key signed it was signed by its
//     publisher's first.
//   - Which key signed a version of a record stands in that, and in an index by key. Of what
//     an earlier program stored, the node that serves reads it from the bytes ([registry.DB.NoteSigned]).
//   - What was to begin at most ten seconds from now has begun: clocks differ.
//   - A key in a PKCS#11 token is known to the store by its URI alone, which is sealed as
//     private keys are: the URI names a library that the node loads, and whoever can write
//     the store mustn't choose that. A key that is replaced stays in its token.
//   - Work that needs a token which isn't there waits at that node; another one may do it.
//   - A signature that this program computed in memory isn't verified once more; one that
//     a device made is.
//   - An issuer known by a web address is its key's owner if the document at that address
//     lists the key, if the key's document at the same site names it, or if the site's
//     key set has it; else "could not check".
//   - DID documents of others are kept for as long as their owners say, ten minutes at most:
//     so long a key that was taken out may go on verifying. What is kept of a did:webvh or
//     did:ethr is its history, which answers for every version.
//   - Over HTTP, a DID that couldn't be asked for is 502, where DID Resolution's table, which
//     knows no such thing, has 500; and a browser isn't redirected to what a stranger's
//     document names.
//   - Verified status lists of others are kept for as long as they say ([vc.ListCache]);
//     one's own are read from the registry each time.
//   - Profiles of the VC-API: a publisher's id is its profile; those for test suites are
//     there with --dev alone, each a did:key sealed in the registry.
//   - A changed policy makes the next import of a source concern all of its people.
//   - The embedded store refuses writes while its disk has little room: Badger maps its
//     files, and a full disk would end the process on the spot.
//   - A backup holds no sealing key unless asked for: whoever finds one can't sign.
//   - Updates of the embedded store run one after another, serializable without
//     retries, and are written to the disk together: each group while the next gathers.
//     One that is more than a transaction of Badger's holds, such as that of a learner with
//     thousands of achievements, goes through a journal: a record is never half written,
//     and nobody above the engine splits one.
//   - A node that serves starts without its chain. It knows from its data folder which
//     chain that is, so that it signs; what asks the chain waits.
//   - On PostgreSQL documents are jsonb in one table each, beside views for analysts.
//     An Update runs again when it is refused, or when its connection broke before the
//     commit; one whose commit broke is asked after, by a note written with it.
//   - JSON documents keep their meaning in a store, not their bytes. U+0000, which jsonb
//     refuses, is kept under another name. Signed bytes are kept as they are.
//   - What is about to be read is said ahead ([registry.Docs]): importing and issuing ask a
//     database a few times a step, however many learners it has.
//   - A node's issue jobs plan and finish in turns, and sign at once: next to each other, a
//     database refused every other one.
//   - A learner's record is issued again by itself when it is to name another DID, and then
//     only if nothing else in it waits: what a publisher hasn't issued, no learner publishes.
//   - A challenge to prove control of a DID is taken in the transaction that links it, so
//     that a mistyped proof costs none; what a wallet answers by itself is linked when the
//     learner says so in their session, as others may have seen its code.
//   - A publisher claims a domain of its own on a page only if the domain's front says that it
//     leads here for that publisher ([PublisherHeader]), where there are several, and never
//     the node's own name; its operator is believed.
//   - The log of a did:webvh, which only grows, takes plain changes to its half; the rest is
//     for keys that are compromised.
//   - What was overwritten in the embedded store lies in its files until it is written anew
//     ([registry.RewriteBadger]), which the change of the sealing key does.
//   - The owner of a did:ethr is the one that its contract and its history agree on: the
//     contract alone names the first one again after the identity was given up.
//   - The embedded store packs each document by itself, with a dictionary of what
//     documents have in common; signed bytes come back as they were.
package node
