package did

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

// signed is a log whose second entry's proof is changed, and signed again.
func signed(change func(p m)) func(*logWriter, bool) {
	return edited(func(w *logWriter) { w.proof(1, change) })
}

// proofMember is one whose proof has another member.
func proofMember(name string, value any) func(*logWriter, bool) {
	return signed(func(p m) { p[name] = value })
}

func keys(n ...byte) []any   { return anys(n, func(k byte) any { return multikey(k) }) }
func hashes(n ...byte) []any { return anys(n, func(k byte) any { return keyHash(k) }) }

func TestWebVHRulesOfKeys(t *testing.T) {
	p256 := mustDo(Generate("P-256"))
	checkWebVHRules(t, []webvhRule{
		{"Authorized Keys", "the first entry's keys sign it", func(w *logWriter, broken bool) { w.seal(ifBroken[byte](broken, 2, 1), w.entry(m{})) }, "updateKeys doesn't have it"},
		{"Authorized Keys", "the keys before sign an entry", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(ifBroken[byte](broken, 2, 1), m{})
		}, "updateKeys doesn't have it"},
		{"No Key Prerotation", "new keys don't sign the entry that names them", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(ifBroken[byte](broken, 2, 1), m{"updateKeys": keys(2)})
		}, "entry 2: proof 1: the key"},
		{"No Key Prerotation", "old keys don't sign after that", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"updateKeys": keys(2)})
			w.next(ifBroken[byte](broken, 1, 2), m{})
		}, "entry 3: proof 1: the key"},
		{"No Key Prerotation", "one of several keys signs", func(w *logWriter, broken bool) {
			w.first(m{"updateKeys": keys(1, 2)})
			w.next(ifBroken[byte](broken, 3, 2), m{})
		}, "updateKeys doesn't have it"},
		{"Parameters, updateKeys", "without keys nobody signs", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"updateKeys": ifBroken(broken, []any{}, keys(1))})
			w.next(1, m{})
		}, "entry 3: proof 1: the key"},
		{"Pre-Rotation", "updateKeys is given", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(1)})
			w.next(1, ifBroken(broken, m{"nextKeyHashes": hashes(2)}, m{"nextKeyHashes": hashes(2), "updateKeys": keys(1)}))
		}, "updateKeys and nextKeyHashes must both"},
		{"Pre-Rotation, 4", "nextKeyHashes is given", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			w.next(2, ifBroken(broken, m{"updateKeys": keys(2)}, m{"nextKeyHashes": hashes(3), "updateKeys": keys(2)}))
		}, "updateKeys and nextKeyHashes must both"},
		{"Pre-Rotation, 3", "the new key was announced", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			k := ifBroken[byte](broken, 3, 2)
			w.next(k, m{"nextKeyHashes": hashes(4), "updateKeys": keys(k)})
		}, "isn't one that nextKeyHashes"},
		{"Pre-Rotation, 3", "every new key was announced", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2, 3)})
			w.next(2, m{"nextKeyHashes": hashes(4), "updateKeys": ifBroken(broken, keys(2, 5), keys(2, 3))})
		}, "isn't one that nextKeyHashes"},
		{"Pre-Rotation, 3", "a key stays only if announced again", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			w.next(2, m{"nextKeyHashes": ifBroken(broken, hashes(3), hashes(2)), "updateKeys": keys(2)})
			w.next(2, m{"nextKeyHashes": hashes(4), "updateKeys": keys(2)})
		}, "entry 3: parameter updateKeys: the key"},
		{"Parameters, nextKeyHashes", "one announced key is used", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			w.next(2, m{"nextKeyHashes": []any{}, "updateKeys": ifBroken(broken, []any{}, keys(2))})
		}, "one key at least"},
		{"Authorized Keys, Pre-rotation", "the keys of the entry itself sign it", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			w.next(ifBroken[byte](broken, 1, 2), m{"nextKeyHashes": hashes(3), "updateKeys": keys(2)})
		}, "updateKeys doesn't have it"},
		{"Pre-Rotation", "the entry that ends it still keeps it", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			k := ifBroken[byte](broken, 3, 2)
			w.next(k, m{"nextKeyHashes": []any{}, "updateKeys": keys(k)})
		}, "isn't one that nextKeyHashes"},
		{"Pre-Rotation", "after its end the keys before sign", func(w *logWriter, broken bool) {
			w.first(m{"nextKeyHashes": hashes(2)})
			w.next(2, m{"nextKeyHashes": []any{}, "updateKeys": keys(2)})
			w.next(ifBroken[byte](broken, 3, 2), m{"updateKeys": keys(3)})
		}, "entry 3: proof 1: the key"},
		{"Pre-Rotation", "the entry that begins it is signed as before", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(ifBroken[byte](broken, 2, 1), m{"nextKeyHashes": hashes(3), "updateKeys": keys(2)})
		}, "entry 2: proof 1: the key"},
		{"Pre-Rotation", "from the entry after its begin on it holds", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"nextKeyHashes": hashes(2)})
			k := ifBroken[byte](broken, 1, 2)
			w.next(k, m{"nextKeyHashes": hashes(3), "updateKeys": keys(k)})
		}, "entry 3: parameter updateKeys: the key"},
		{"Authorized Keys", "there is a proof", edited(func(w *logWriter) { w.edit(func(e m) { e["proof"] = []any{} }) }), "1 to 8 proofs"},
		{"Authorized Keys", "each proof is an authorized key's", edited(func(w *logWriter) { addProof(w, 2) }), "proof 2: the key"},
		{"Authorized Keys", "each proof is valid", edited(func(w *logWriter) {
			addProof(w, 1)
			w.edit(func(e m) { e["proof"].([]any)[1].(m)["created"] = "2026-01-02T00:00:01Z" })
		}), "proof 2: the signature"},
		{"Authorized Keys", "a proof is an object", edited(func(w *logWriter) { w.edit(func(e m) { e["proof"] = []any{"x"} }) }), "verificationMethod"},
		{"Data Integrity", "the type", proofMember("type", "Ed25519Signature2020"), "the proof's type isn't DataIntegrityProof"},
		{"Parameters, method", "the cryptosuite is eddsa-jcs-2022", proofMember("cryptosuite", "eddsa-rdfc-2022"), "the proof's cryptosuite"},
		{"Authorized Keys", "the purpose is assertionMethod", proofMember("proofPurpose", "authentication"), "the proof's proofPurpose"},
		{"Data Integrity", "the key is a did:key", proofMember("verificationMethod", "did:web:example.edu#"+multikey(1)), "isn't a did:key"},
		{"Data Integrity", "the did:key has a fragment", proofMember("verificationMethod", "did:key:"+multikey(1)), "isn't a did:key with the key as its fragment"},
		{"Data Integrity", "the fragment is the key", proofMember("verificationMethod", "did:key:"+multikey(1)+"#"+multikey(2)), "with the key as its fragment"},
		{"Data Integrity", "the key is the fragment", proofMember("verificationMethod", "did:key:"+multikey(2)+"#"+multikey(1)), "with the key as its fragment"},
		{"Data Integrity", "created is a time", proofMember("created", "yesterday"), "the proof's created"},
		{"Data Integrity", "expires is a time", proofMember("expires", "2027"), "the proof's expires"},
		{"Data Integrity", "the proof hasn't expired", proofMember("expires", "2026-01-31T00:00:00Z"), "has expired"},
		{"eddsa-jcs-2022, 3.3.2", "a context would be the document's", proofMember("@context", "https://www.w3.org/ns/credentials/v2"), "has a @context"},
		{"Data Integrity", "a chain of proofs isn't read as one proof", proofMember("previousProof", "urn:x"), "has a previousProof"},
		{"eddsa-jcs-2022", "proofValue is base58", edited(func(w *logWriter) {
			w.edit(func(e m) { e["proof"].([]any)[0].(m)["proofValue"] = "uAAAA" })
		}), "proofValue"},
		{"eddsa-jcs-2022", "the signature is the key's", edited(func(w *logWriter) {
			w.edit(func(e m) { e["proof"].([]any)[0].(m)["created"] = "2026-01-02T00:00:01Z" })
		}), "the signature doesn't match"},
		{"eddsa-jcs-2022", "the signature is over this entry", func(w *logWriter, broken bool) {
			w.first(m{})
			var other m
			if err := json.Unmarshal(w.lines[0], &other); err != nil {
				panic(err)
			}
			w.next(1, m{})
			if broken {
				w.edit(func(e m) { e["proof"] = other["proof"] })
			}
		}, "the signature doesn't match"},
		{"Parameters, method", "only Ed25519 signs", func(w *logWriter, broken bool) {
			w.first(m{"updateKeys": []any{multikey(1), p256.Public().Multibase()}})
			w.next(1, m{})
			if !broken {
				return
			}
			w.edit(func(e m) {
				_, method := KeyDID(p256.Public())
				p := m{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod", "verificationMethod": method}
				message := proofMessage(mustDo(jcs.From(p)), newEntryText(mustDo(jcs.From(e)).Without("proof")).digest(w.last.versionID))
				p["proofValue"] = EncodeMultibase(mustDo(p256.Sign(context.Background(), message)))
				e["proof"] = []any{p}
			})
		}, "isn't an Ed25519 key"},
	})
}

// addProof gives the newest entry a second proof.
func addProof(w *logWriter, signer byte) {
	w.edit(func(e m) {
		_, method := KeyDID(testKey(signer).Public())
		p := m{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod", "verificationMethod": method}
		p["proofValue"] = sign(signer, p, newEntryText(mustDo(jcs.From(e)).Without("proof")).digest(w.last.versionID))
		e["proof"] = append(e["proof"].([]any), p)
	})
}

func TestWebVHEntriesMayHaveSeveralProofs(t *testing.T) {
	w := new(logWriter)
	w.first(m{"updateKeys": keys(1, 2)})
	w.next(1, m{})
	addProof(w, 2)
	if _, err := w.resolve(Options{}); err != nil {
		t.Error(err)
	}
}

// move gives an entry the DID at another host, and resolves that one.
func (w *logWriter) move(e m, to string) {
	w.asked = mustDo(Parse("did:webvh:" + w.scid + ":" + to))
	e["state"] = m{"id": w.asked.s, "alsoKnownAs": []any{w.did().s}}
}

// moved is a log whose second entry has the DID at another host.
func moved(to string, change func(w *logWriter, e m)) func(*logWriter, bool) {
	return func(w *logWriter, broken bool) {
		w.first(m{"portable": true})
		e := w.entry(m{})
		w.move(e, to)
		if broken {
			change(w, e)
		}
		w.seal(1, e)
	}
}

func TestWebVHRulesOfIdentity(t *testing.T) {
	checkWebVHRules(t, []webvhRule{
		{"Verify SCID, 8", "the SCID is the hash of the first entry", func(w *logWriter, broken bool) {
			if !broken {
				w.first(m{})
				return
			}
			// A whole first entry, but for one member that the SCID doesn't know of.
			v := mustDo(jcs.From(w.entry(m{})))
			scid := multihash(v.With("versionId", jcs.NewString(placeholder)).Append(nil))
			text := strings.ReplaceAll(string(v.Append(nil)), placeholder, scid)
			v = mustDo(jcs.ReadString(strings.Replace(text, `"https://example.edu"`, `"https://other.example"`, 1)))
			w.append(mustDo(sealEntry(context.Background(), testKey(1), &webvhEntry{number: 0, versionID: scid}, v)))
		}, "the SCID isn't the hash"},
		{"Verify SCID, 3", "the SCID is a SHA-256 multihash", func(w *logWriter, broken bool) {
			w.first(m{})
			if broken {
				w.edit(func(e m) { e["parameters"].(m)["scid"] = otherHash()[2:] })
			}
		}, "isn't a SHA-256 multihash"},
		{"Create, 5.2", "no placeholder is left", func(w *logWriter, broken bool) {
			e := w.entry(m{})
			e["state"].(m)["alsoKnownAs"] = []any{"https://example.edu/" + placeholder}
			if !broken {
				w.seal(1, e)
				return
			}
			v := mustDo(jcs.From(e))
			scid := multihash(v.With("versionId", jcs.NewString(placeholder)).Append(nil))
			text := strings.ReplaceAll(string(v.Append(nil)), placeholder, scid)
			v = mustDo(jcs.ReadString(strings.Replace(text, "edu/"+scid, "edu/"+placeholder, 1)))
			w.append(mustDo(sealEntry(context.Background(), testKey(1), &webvhEntry{number: 0, versionID: scid}, v)))
		}, "placeholder"},
		{"Create, 3", "the document has an id", changed(func(_ *logWriter, e m) { delete(e["state"].(m), "id") }), "the id of its document"},
		{"Update, 1", "the id is a did:webvh", changed(func(_ *logWriter, e m) { e["state"].(m)["id"] = "did:web:example.edu" }), "isn't a did:webvh"},
		{"Method-Specific Identifier", "the id is one that resolves", changed(func(w *logWriter, e m) { e["state"].(m)["id"] = "did:webvh:" + w.scid + ":127.0.0.1" }), "IP address"},
		{"Create, 1", "the first document has the log's SCID", func(w *logWriter, broken bool) {
			e := w.entry(m{})
			if broken {
				e["state"].(m)["id"] = "did:webvh:" + multihash([]byte("another")) + ":example.edu"
			}
			w.seal(1, e)
		}, "another SCID"},
		{"DID Portability", "the SCID stays the same", func(w *logWriter, broken bool) {
			w.first(m{"portable": true})
			e := w.entry(m{})
			e["state"] = m{"id": "did:webvh:" + ifBroken(broken, multihash([]byte("another")), w.scid) + ":example.edu", "alsoKnownAs": []any{w.did().s}}
			w.seal(1, e)
		}, "entry 2: the id of its document has another SCID"},
		{"DID Portability", "portable is true", func(w *logWriter, broken bool) {
			w.first(m{"portable": !broken})
			e := w.entry(m{})
			w.move(e, "example.org")
			w.seal(1, e)
		}, "isn't portable"},
		{"DID Portability", "portable isn't given up in the same entry", moved("example.org", func(_ *logWriter, e m) { e["parameters"] = m{"portable": false} }), "isn't portable"},
		{"DID Portability", "the path counts too", func(w *logWriter, broken bool) {
			w.first(m{})
			e := w.entry(m{})
			if broken {
				e["state"] = m{"id": w.did().s + ":p", "alsoKnownAs": []any{w.did().s}}
			}
			w.seal(1, e)
		}, "isn't portable"},
		{"DID Portability", "the prior DID is in alsoKnownAs", moved("example.org", func(_ *logWriter, e m) { delete(e["state"].(m), "alsoKnownAs") }), "under alsoKnownAs"},
		{"DID Portability", "alsoKnownAs is an array", moved("example.org", func(w *logWriter, e m) { e["state"].(m)["alsoKnownAs"] = w.did().s }), "under alsoKnownAs"},
		{"Deactivate", "nothing follows", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"deactivated": broken})
			w.next(1, m{})
		}, "entry 3: the DID was deactivated"},
		{"Deactivate", "nothing undoes it", func(w *logWriter, broken bool) {
			w.first(m{})
			w.next(1, m{"deactivated": broken})
			w.next(1, m{"deactivated": false})
		}, "entry 3: the DID was deactivated"},
		{"Read, 6.1", "the DID is the id of a version", func(w *logWriter, broken bool) {
			e := w.entry(m{})
			if broken {
				e["state"].(m)["id"] = "did:webvh:{SCID}:example.org"
			}
			w.seal(1, e)
		}, "it is the log of did:webvh:"},
	})
}
