package vc

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"clrnode/internal/jcs"
)

// What identifies a person wherever it is written, so that it can show across issuers
// whose a credential is. Names are shared by many, and the numbers of one school's
// systems say nothing at another.
var worldwide = map[string]bool{"emailAddress": true, "nationalIdentityNumber": true}

const (
	maxIdentifiers     = 16  // of one subject are looked at
	maxIdentifierBytes = 320 // the longest e-mail address; of values and salts
)

// An identifier is an IdentityObject of Open Badges 3.0, of a type that is worldwide.
type identifier struct {
	kind   string
	hashed bool
	value  string // in clear, or the SHA-256 in hex
	salt   string
}

// A learner is whom a credential is about, as far as it says.
type learnerOf struct {
	id          string
	identifiers []identifier
}

func readLearner(doc *jcs.Value) (learnerOf, bool) {
	subjects := doc.Get("credentialSubject").Items()
	if len(subjects) != 1 {
		return learnerOf{}, false // it speaks of several
	}
	subject := &subjects[0]
	l := learnerOf{id: subject.Str("id")}
	objects := subject.Get("identifier").Items()
	for k := range objects {
		o := &objects[k]
		i := identifier{kind: o.Str("identityType"), value: o.Str("identityHash"), salt: o.Str("salt")}
		i.hashed = o.Get("hashed").True()
		if i.hashed {
			var known bool
			if i.value, known = strings.CutPrefix(i.value, "sha256$"); !known {
				i.value = "" // a hash that can't be compared
			}
			i.value = strings.ToLower(i.value)
		}
		if worldwide[i.kind] && len(i.value) <= maxIdentifierBytes && len(i.salt) <= maxIdentifierBytes {
			l.identifiers = append(l.identifiers, i)
		}
		if len(l.identifiers) == maxIdentifiers {
			break
		}
	}
	return l, true
}

// same says whether two identifiers of one kind are the same, and whether that can be
// known: of two hashes with different salts nobody can tell who hasn't the value.
func (i identifier) same(j identifier) (same, known bool) {
	switch {
	case i.value == "" || j.value == "":
		return false, false
	case !i.hashed && !j.hashed:
		return strings.EqualFold(i.value, j.value), true
	case i.hashed && j.hashed:
		return i.value == j.value, i.salt == j.salt
	case i.hashed:
		return j.same(i)
	}
	for _, value := range []string{i.value, strings.ToLower(i.value)} {
		sum := sha256.Sum256([]byte(value + j.salt))
		if hex.EncodeToString(sum[:]) == j.value {
			return true, true
		}
	}
	return false, true
}

// shared compares the identifiers of two learners. kind is that of one which both have;
// apart says that they have some of one kind and that none of those can be the same.
func (l learnerOf) shared(m learnerOf) (kind string, apart bool) {
	compared, open := map[string]bool{}, map[string]bool{}
	for _, i := range l.identifiers {
		for _, j := range m.identifiers {
			if i.kind != j.kind {
				continue
			}
			same, known := i.same(j)
			if same && known {
				return i.kind, false
			}
			compared[i.kind] = true
			open[i.kind] = open[i.kind] || !known
		}
	}
	for kind := range compared {
		apart = apart || !open[kind]
	}
	return "", apart
}

// subject judges whether a credential that somebody else issued is about the learner of
// the record around it; without that, anybody could put another's achievements into a
// record of their own. For what the record's issuer issued itself, it vouches.
func (v *verifier) subject(doc, within *jcs.Value, pointer string) Check {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check("subject."+code, GroupHolder, o, sentence, "CLR 2.0, ClrSubject; Open Badges 3.0, IdentityObject", pointer)
	}
	here, one := readLearner(doc)
	there, oneToo := readLearner(within)
	if one && oneToo && here.id != "" && here.id == there.id {
		return check("ok", OK, "It is about the learner of the record around it, "+here.id+".")
	}
	if kindOf(doc) == kindEndorsement {
		return check("endorsement", Warning, "It endorses "+here.id+", which isn't the learner's id; judge for yourself what that has to do with this record.")
	}
	if !one || !oneToo {
		return check("unknown", Unchecked, "Could not check whose it is: another issuer than the record's wrote it, and it speaks of several.")
	}
	kind, apart := here.shared(there)
	differ := here.id != "" && there.id != ""
	switch {
	case kind != "" && differ:
		return check("unknown", Unchecked, "Could not check whose it is: it has the "+kind+" of the record around it, but is about "+here.id+" and the record about "+there.id+".")
	case kind != "":
		return check("ok", OK, "It is about the learner of the record around it, by the "+kind+" in both.")
	case differ:
		return check("other", Failed, "It was issued to somebody else: it is about "+here.id+", and the record around it about "+there.id+".")
	case apart:
		return check("other", Failed, "It was issued to somebody else than the record around it: what identifies the learner there isn't the same.")
	}
	return check("unknown", Unchecked, "Could not check whose it is: another issuer than the record's wrote it, and nothing in it shows that it is about the same learner.")
}
