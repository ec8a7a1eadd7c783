package vc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// spot is one place in a document that can be altered.
type spot struct {
	path   string
	parent any // map[string]any or []any
	key    string
	index  int
}

func (s spot) get() any {
	if o, ok := s.parent.(map[string]any); ok {
		return o[s.key]
	}
	return s.parent.([]any)[s.index]
}

func (s spot) set(v any) {
	if o, ok := s.parent.(map[string]any); ok {
		o[s.key] = v
		return
	}
	s.parent.([]any)[s.index] = v
}

func spots(v any) []spot {
	var all []spot
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) { // so that a failure comes again
				all = append(all, spot{path + "/" + k, v, k, 0})
				walk(path+"/"+k, v[k])
			}
		case []any:
			for i, m := range v {
				all = append(all, spot{fmt.Sprintf("%s/%d", path, i), v, "", i})
				walk(fmt.Sprintf("%s/%d", path, i), m)
			}
		}
	}
	walk("", v)
	return all
}

func deepCopy(v any) any {
	raw, _ := jcs.Marshal(v)
	c, _ := jcs.Parse(raw)
	return c
}

// aliases are other spellings that JSON-LD takes for the same.
var aliases = map[string][]string{
	"id": {"@id"}, "type": {"@type"}, "criteria": {"Criteria", "https://purl.imsglobal.org/spec/vc/ob/vocab.html#Criteria"},
	"name": {"https://schema.org/name", "description"}, "tag": {"https://schema.org/keywords"},
	"issuer":                {"https://www.w3.org/2018/credentials#issuer"},
	"AchievementCredential": {"OpenBadgeCredential", "https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential"},
	"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json": {"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json"},
}

// alter changes one thing in doc at random, and says what. other is another record,
// whose parts may be carried over.
func alter(r *rand.Rand, doc, other map[string]any) string {
	all := spots(doc)
	s := all[r.IntN(len(all))]
	o, inObject := s.parent.(map[string]any)
	pick := func(list []spot) spot { return list[r.IntN(len(list))] }
	switch r.IntN(14) {
	case 0: // another value
		switch v := s.get().(type) {
		case string:
			if a := aliases[v]; a != nil && r.IntN(2) == 0 {
				s.set(a[r.IntN(len(a))])
			} else {
				b := []byte(v)
				if len(b) == 0 {
					b = []byte("x")
				} else {
					b[r.IntN(len(b))] ^= 1
				}
				s.set(strings.ToValidUTF8(string(b), "?"))
			}
		case json.Number:
			s.set([]any{string(v), json.Number("8"), "7.5E0", map[string]any{"@value": v}}[r.IntN(4)])
		case bool:
			s.set([]any{!v, fmt.Sprint(v)}[r.IntN(2)])
		default:
			s.set("changed")
		}
		return "value " + s.path
	case 1: // another name
		if !inObject {
			return ""
		}
		to := s.key + "s"
		if a := aliases[s.key]; a != nil {
			to = a[r.IntN(len(a))]
		}
		o[to] = o[s.key]
		delete(o, s.key)
		return "rename " + s.path + " to " + to
	case 2:
		if inObject {
			delete(o, s.key)
			return "drop " + s.path
		}
		return ""
	case 3, 4: // one more member, of what stands elsewhere
		if !inObject {
			return ""
		}
		from := pick(all)
		if r.IntN(2) == 0 {
			from = pick(spots(other))
		}
		if from.key == "" || o[from.key] != nil {
			return ""
		}
		o[from.key] = deepCopy(from.get())
		return "add " + from.path + " beside " + s.path
	case 5:
		if !inObject {
			return ""
		}
		name := []string{"image", "endorsement", "description", "nickname", "@type", "@context", "version", "narrative"}[r.IntN(8)]
		if o[name] != nil {
			return ""
		}
		o[name] = []any{nil, []any{}, "x", map[string]any{}, []any{nil}}[r.IntN(5)]
		return "add " + name + " beside " + s.path
	case 6: // double a member of a set
		if list, ok := s.get().([]any); ok {
			s.set(append(list[:len(list):len(list)], deepCopy(list[r.IntN(len(list))])))
			return "double in " + s.path
		}
		s.set([]any{s.get(), deepCopy(s.get())})
		return "double " + s.path
	case 7: // drop a member of a set
		if list, ok := s.get().([]any); ok && len(list) > 0 {
			i := r.IntN(len(list))
			s.set(append(append([]any{}, list[:i]...), list[i+1:]...))
			return "shorten " + s.path
		}
		return ""
	case 8: // an object by its name alone
		if v, ok := s.get().(map[string]any); ok && v["id"] != nil {
			s.set([]any{v["id"], map[string]any{"id": v["id"]}, map[string]any{"id": v["id"], "type": v["type"]}}[r.IntN(3)])
			return "refer " + s.path
		}
		if v, ok := s.get().(string); ok {
			s.set(map[string]any{"id": v})
			return "object " + s.path
		}
		return ""
	case 9: // two of the same name change places
		var same []spot
		for _, t := range all {
			if t.key == s.key && t.path != s.path && t.key != "" {
				same = append(same, t)
			}
		}
		if len(same) == 0 {
			return ""
		}
		t := pick(same)
		if strings.HasPrefix(t.path, s.path+"/") || strings.HasPrefix(s.path, t.path+"/") {
			return ""
		}
		a, b := s.get(), t.get()
		s.set(b)
		t.set(a)
		return "swap " + s.path + " and " + t.path
	case 10: // a part of another record
		for _, t := range spots(other) {
			if t.path == s.path {
				s.set(deepCopy(t.get()))
				return "foreign " + s.path
			}
		}
		return ""
	case 11: // a badge of another record, in place of one or beside
		mine := doc["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)
		theirs := other["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)
		mine[r.IntN(len(mine))] = deepCopy(theirs[r.IntN(len(theirs))])
		return "foreign badge"
	case 12: // only what may change
		if list, ok := s.get().([]any); ok {
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			return "shuffle " + s.path
		}
		return ""
	default:
		if list, ok := s.get().([]any); ok && len(list) == 1 {
			s.set(list[0])
		} else {
			s.set([]any{s.get()})
		}
		return "wrap " + s.path
	}
}

// keyed makes u sign with a did:key, so that nothing has to be fetched.
func keyed(t testing.TB) *university {
	u := newUniversity(t)
	u.did, u.key.Method = did.KeyDID(u.signer.Public())
	return u
}

const learner = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"

// The law of design: what verifies equals what was signed, up to the order of sets
// and arrays of one member.
func TestWhatVerifiesIsWhatWasSigned(t *testing.T) {
	u := keyed(t)
	u.bits.Set(2) // a revoked one is still the issuer's
	u.publishList()
	for _, subject := range []string{"", learner} {
		record := u.record(3, subject, HostedTerm())
		other := u.record(4, subject)
		altered(t, 150, u.policy(), record, other, func(string) bool { return false })
	}
	badge := u.record(1, learner)
	altered(t, 150, u.policy(), badge, u.record(2, learner, HostedTerm()), func(string) bool { return false })
}

// altered makes many alterations of record and reports those that verify and may not,
// save where excused says that it is known.
func altered(t *testing.T, tries int, p Policy, record, other Signed, excused func(what string) bool) {
	t.Helper()
	p.Fetch = nil
	p.Trust = TrustAnyIssuerUnsafe()
	if v, err := Verify(context.Background(), record.Bytes(), p); v == nil {
		t.Fatal(reportOf(v, err).Text())
	}
	want := clr.Normal(nil, record.doc)
	r := rand.New(rand.NewPCG(uint64(len(record.raw)), 17))
	tried, kept := 0, 0
	for tried < tries {
		doc := members(record)
		what := alter(r, doc, members(other))
		if what == "" {
			continue
		}
		tried++
		raw, err := jcs.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		got := clr.Normal(nil, tree(doc))
		v, verr := Verify(context.Background(), raw, p)
		if v != nil {
			kept++
			if !bytes.Equal(got, want) && !excused(what) {
				t.Errorf("verifies in spite of: %s", what)
			}
		}
		if verr == nil {
			t.Errorf("valid without a connection: %s", what)
		}
	}
	if kept == 0 {
		t.Error("not even the order of a set may change")
	}
}

// plain signs c as foreign issuers do, without a nonce that binds the JSON.
func (u *university) plain(c Credential) Signed {
	u.t.Helper()
	if p := rules(tree(c)); len(p) > 0 {
		u.t.Fatal(p)
	}
	s, err := signedWith(c, u.key.Method, u.signer)
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

// foreign is a record like ours, by an issuer who signs the graph alone.
func (u *university) foreign(s Signed) Signed {
	u.t.Helper()
	doc := members(s)
	list := doc["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)
	for i, e := range list {
		list[i] = members(u.plain(without(e.(map[string]any), "proof")))
	}
	return u.plain(without(doc, "proof"))
}

// The strict rules alone leave open what no rule can tell from the outside: another
// context with the same terms, and the second name of the badge's type.
func TestTheRulesAloneBindForeignRecords(t *testing.T) {
	u := keyed(t)
	for _, subject := range []string{"", learner} {
		record, other := u.foreign(u.record(3, subject, HostedTerm())), u.foreign(u.record(4, subject))
		altered(t, 80, u.policy(), record, other, func(what string) bool {
			return strings.Contains(what, "@context") || strings.HasPrefix(what, "value ") && strings.Contains(what, "/type")
		})
	}
}
