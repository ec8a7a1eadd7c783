// Package vc issues and verifies W3C Verifiable Credentials (data models 2.0 and 1.1),
// above all learner records and badges.
//
// Begin with [Issue], which turns what an issuer means to say into [Signed], the very
// bytes that were signed; [Verify], which turns anybody's bytes and a [Policy] into
// *[Verified] and a [Report]; and [Policy], which says whom to trust and whom to ask.
// The state of a credential is its type:
//
//	Credential  --Issue-->  Signed  --Verify-->  *Verified
//
// [Present] and [VerifyPresentation] do the same for presentations.
//
// # Forms
//
//	eddsa-rdfc-2022, eddsa-jcs-2022        issued and verified (Ed25519)
//	ecdsa-rdfc-2019, ecdsa-jcs-2019        issued and verified (P-256; P-384 with SHA-384 throughout)
//	JSON Web Tokens of data models 2.0, 1.1   issued and verified (EdDSA, ES256, ES384, RS256)
//	Ed25519Signature2020                   verified
//
// A document may have several proofs (a set), and some may come after others (a chain,
// previousProof); each is a check. The algorithm is the key's, never the document's. A
// proof must have been made for the purpose that the controller's document lists its key
// for, and the controller must be the issuer, or of a presentation the holder.
//
// # What a proof binds
//
// A proof over N-Quads, such as those of suite eddsa-rdfc-2022, signs an RDF graph, and
// different JSON can have one graph (an older context, "OpenBadgeCredential" for
// "AchievementCredential", a number in quotes). Package clr refuses most of that by
// rule. For records and badges that we issue, Issue also closes the rest: the proof's
// nonce, which is signed, holds the SHA-256 of the normal form of credential and proof
// ([clr.Normal]; see [NoncePrefix]). Other verifiers treat it as the nonce it is; this
// one demands that it fits, and that no other proof stands beside it. So what verifies
// is what was signed, up to the order of sets and arrays of one member. Of other
// people's records the report says what their outer proof leaves open.
//
// # Whose a credential is
//
// Anybody may put another's credential into a record of their own, with a proof that is
// good. So each credential inside that has another issuer than the credential right
// around it must show that it is about the same learner: by the same subject id, or by
// an e-mail address or national number which one of them has in clear, or both hash
// with one salt. Different ids, or identifiers of one kind that can be compared and
// none of which fits, are somebody else: failed. Hashes with different salts can't be
// compared, names are shared by many, and the numbers of one school's systems say
// nothing at another: where nothing else is there, it could not be checked. What the
// same issuer issued needs no link; the issuer vouches for it. Endorsements of an
// achievement or an issuer are about that, and need none either. All this says whom
// the credentials name, not who presents them.
//
// # What lies elsewhere
//
// A credential can name things that lie elsewhere. What is done with them is the
// policy's to say ([Linked]): by the zero Policy nothing is fetched, and the report says
// what wasn't looked at. 1EdTech's own schemas are never fetched for records and badges,
// whose rules here are no weaker. A related resource that is a bundled context is looked
// at in the bundle; with the digest of a form that isn't known here, it is asked for like
// any other. One call of [Verify] asks for 32 linked things, 8 MiB
// together, each once. A schema may not refer to others, and what it takes to judge by
// it is counted before.
//
// # Keys of earlier days
//
// A key is judged by the document of its issuer's DID as it is now. If that doesn't list
// it, and the DID method has a history (did:webvh, did:ethr), the version counts that was
// in force when the proof says that it was made; the check says which one answered, and
// that the date is the proof's own word. What has no date has the present document alone.
//
// A thief dates what he signs as he likes. So for a key that is marked as revoked, or a
// DID that was given up, no date counts: from that time on only what provably existed
// before is good, by an anchor that [Policy].Anchored found in a final block
// ([Check].Existed). That of a record proves it for all that is inside. Without Anchored
// nothing is proven. Who issues should therefore leave a key that was stolen in the
// document, listed and with the time of the theft in "revoked", and take out only keys
// that nobody else ever had. A presentation is made now, by a key of now.
//
// # Codes
//
// Every check of a report has a code that stays the same:
//
//	structure.ok           the rules of the standard are kept
//	structure.json         not strict JSON: a member twice, bad UTF-8, too deep
//	structure.version      a form that this version doesn't read (SD-JWT): could not check
//	structure.token        a JSON Web Token that breaks the rules of its form
//	claims.disagree        a token's claims contradict the credential in it
//	structure.context      a context that isn't bundled: could not check
//	structure.term         a term that no context defines, or what JSON-LD can't say
//	structure.name         what a program reads stands under another name or in another place
//	structure.size         too many credentials inside, or too many inside each other
//	structure.work         its anonymous objects can't be told apart in reasonable time: could not check
//	structure.CODE         a rule is broken; CODE is that of [clr.Problem] (shape.null, member.missing, id.twice, ...)
//	proof.ok, proof.bad    unchanged and signed, or not
//	proof.missing          there is no proof
//	proof.many             there are more proofs than are judged (8)
//	proof.chain            a proof that another one comes after isn't there
//	proof.early, proof.expired     the proof says that it doesn't hold yet, or holds no longer
//	proof.unsupported      a suite that this version doesn't know: a warning beside a good proof, else could not check
//	proof.unchecked        the key could not be had: could not check
//	proof.presented        what the holder says of itself has the presentation's proof
//	proof.loose            the outer proof of a foreign record binds the parts less than their own proofs do: a warning
//	key.ok                 the issuer's DID document lists the key for signing
//	key.rotated            an earlier version lists it, which was in force when the proof says that it was made
//	key.anchored           it was revoked, or the DID given up, after this provably existed: by its anchor
//	key.unresolved         the DID document could not be had, or the file names more issuers than are
//	                       asked for at once (32): could not check
//	key.unlisted           the DID document doesn't list the key for signing
//	key.foreign            the key is somebody else's than the issuer's
//	key.unbound            the issuer's id is no DID and no web address, so that no key can be shown to be its: could not check
//	key.expired            the key was past its time when it signed, by the proof's own word; where somebody
//	                       presents, when it was presented
//	key.revoked            the key was revoked, and nothing proves that this existed before; could not check where
//	                       the chain or the receipt that would prove it could not be had
//	trust.ok, trust.unlisted       the issuer is on a list, or on none (a warning when any issuer is accepted)
//	trust.stale            it is on a list that could not be read again since a time: a warning
//	trust.unchecked        it is on no list at hand, and one that counts could not be had: could not check
//	domain.ok              a web site that the issuer's DID document names as its own names the DID, too
//	domain.bad             it doesn't: a warning
//	domain.unchecked       it could not be asked: a warning
//	dates.ok, dates.early, dates.expired
//	status.ok, status.revoked, status.suspended
//	status.unchecked       the list could not be had, isn't good, or is one too many (32 in a file, 8 in a
//	                       credential, 32 MiB together): could not check
//	status.unsupported     a kind of status that this version doesn't know: could not check
//	status.unsigned        not revoked, by a list of ids that nobody signed and that lies elsewhere than at the
//	                       issuer's own site: a warning
//	status.refresh         the issuer's list says that there is a newer version: a warning
//	status.message         the issuer's list has a message, or is of another purpose, which says nothing about
//	                       validity: a warning
//	schema.ok              the JSON Schema that it names is kept
//	schema.violated        it isn't; the check is about the place
//	schema.digest          the schema isn't the one whose digest was signed
//	schema.unchecked       the schema could not be had or used, or isn't asked for: a warning, since the rules decide
//	schema.unsupported     a kind of schema that this version doesn't know: a warning
//	resource.ok, resource.digest   a related resource has the digest that was signed, or another
//	resource.unchecked     it could not be had, or isn't asked for: could not check
//	linked.refused         it depends on a schema or resource that lies elsewhere, which the policy refuses
//	refresh.ok             the issuer's service has no newer version
//	refresh.newer          it has one, with a good proof of the issuer's: a warning
//	refresh.revoked, refresh.expired   it has one that is revoked or suspended, or over: failed
//	refresh.gone           it answers that the credential was taken back (410): a warning
//	refresh.unchecked      it could not be asked, or has something else: a warning, since the credential stands for itself
//	terms.foreign          terms of use apply, which nobody evaluated: a warning
//	hosted.ok              the issuer's site has the same bytes
//	hosted.superseded      the site has a later version, with a good proof of the issuer's: a warning
//	hosted.revoked         the site answers 410, with a reason
//	hosted.bad             the site has none, or something else
//	hosted.unchecked       the site could not be reached: could not check
//	hosted.away            the site could not be reached, and what was anchored there stands for it (warning)
//	subject.ok             another issuer's credential inside is about the learner of the record around it
//	subject.other          it is about somebody else
//	subject.unknown        nothing shows whose it is: could not check
//	subject.endorsement    it endorses something else than the learner: a warning
//	holder.unsigned        nobody signed the presentation: failed where it was asked for, else a warning
//	anchor.CODE            as the policy's [AnchorFunc] says; CODE is that of package anchor (anchored, not_in_log, ...)
//	anchor.no_receipt      nobody has a receipt, so that nothing is proven: could not check
//	anchor.unasked         the record elects a chain and nobody was given to ask, or more than four: could not check
package vc
