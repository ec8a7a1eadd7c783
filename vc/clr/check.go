package clr

import (
	"fmt"
	"sync"

	"clrnode/internal/jcs"
)

// A Problem is one thing that is wrong with a record or badge.
type Problem struct {
	Code     string // for programs: shape.null, member.missing, id.twice, ...
	Pointer  string // JSON Pointer (RFC 6901) of the place
	Sentence string // for people: what is wrong, and what to do
	Section  string // of the standard
}

// maxProblems is how many problems Check tells at most. More help nobody.
const maxProblems = 12

// Check says what is wrong with a ClrCredential, a badge (AchievementCredential or
// OpenBadgeCredential) or an EndorsementCredential, signed or not yet; nothing when
// all is well. Credentials of other kinds may use JSON-LD freely: of them it says
// nothing, unless they name a context of CLR or Open Badges. Its work is in proportion
// to the document.
//
// The rules come in three rounds, and a later round is only asked when the earlier
// ones found nothing, so that one cause isn't told as fifty consequences:
//
//  1. shape: no null, no empty array, no array in an array, no repeated member of a
//     set, no member name that begins with @ but the @context of a credential, no IRI
//     for a name;
//  2. the model: contexts in order, types, required members, what each member holds,
//     and that each embedded credential has a proof of its own;
//  3. one id is described in one way, the learner's apart.
func Check(doc *jcs.Value) []Problem {
	problems, _ := check(doc)
	return problems
}

// check is [Check], and says how much work it was: values looked at, and bytes of those
// that were compared.
func check(doc *jcs.Value) (problems []Problem, work int) {
	if !doc.Is(jcs.Object) {
		return []Problem{{"shape.object", "", "A credential is a JSON object; this is something else.", classes["VerifiableCredential"].section}}, 1
	}
	if classOf(doc.Get("type")) == "VerifiableCredential" && !usesOurContexts(doc) {
		return nil, 1
	}
	c := checkers.Get().(*checker)
	defer c.release()
	c.root, c.same.work = doc, &c.work
	if c.shape("", doc, true); len(c.problems) > 0 {
		return c.problems, c.work
	}
	if c.credential(doc, nil); len(c.problems) > 0 {
		return c.problems, c.work
	}
	c.ids()
	return c.problems, c.work
}

// usesOurContexts says whether a credential names a context of CLR or Open Badges,
// with which it could be a record under another spelling of its type.
func usesOurContexts(o *jcs.Value) bool {
	list := o.Get("@context").Items()
	for i := range list {
		if s := list[i].String(); isCLRContext(s) || isOBContext(s) {
			return true
		}
	}
	return false
}

// A checker collects what is wrong with one document.
type checker struct {
	root     *jcs.Value
	problems []Problem
	first    map[string]description
	issuers  map[string]*jcs.Value
	same     same
	work     int
}

// checkers are kept for the next document, with the room that their maps have.
var checkers = sync.Pool{New: func() any {
	return &checker{first: map[string]description{}, issuers: map[string]*jcs.Value{}, same: newSame()}
}}

// release gives c back, without anything of the document. What a huge document left
// isn't worth keeping: emptying it would cost every small one.
func (c *checker) release() {
	const most = 8192 // entries of a map
	if max(len(c.first), len(c.issuers), c.same.size()) > most {
		return
	}
	clear(c.first)
	clear(c.issuers)
	c.same.clear()
	c.root, c.problems, c.work = nil, nil, 0
	checkers.Put(c)
}

func (c *checker) full() bool { return len(c.problems) >= maxProblems }

// add tells a problem with a value of the document, or with the member of it that is
// named, which need not be there.
func (c *checker) add(code string, at *jcs.Value, member, section, format string, args ...any) {
	if c.full() {
		return
	}
	pointer := pointerTo(c.root, at)
	if member != "" {
		pointer += "/" + escaped(member)
	}
	c.problems = append(c.problems, Problem{code, pointer, fmt.Sprintf(format, args...), section})
}
