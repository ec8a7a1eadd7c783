package clr

import (
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// A walk goes through the objects of a document. It keeps where it is, and writes that
// out as a JSON Pointer only when it is asked to, since the pointers of all values of a
// document can be far longer together than the document.
type walk struct {
	path []step
	see  func(w *walk, key string, n *jcs.Value, depth int) bool
}

// A step leads to a member, or, without a name, to an element.
type step struct {
	name  string
	index int
}

// walkNodes calls see for o, if it is an object, and all objects in it, but not for
// contexts and what lies in proofs, which are graphs of their own, until see returns
// false. key is the member that holds the object, depth how many objects lie around it.
func walkNodes(o *jcs.Value, see func(w *walk, key string, n *jcs.Value, depth int) bool) {
	if o.Is(jcs.Object) {
		w := walk{see: see}
		w.object("", o, 0)
	}
}

func (w *walk) object(key string, o *jcs.Value, depth int) bool {
	if !w.see(w, key, o, depth) {
		return false
	}
	for i := range o.List() {
		m := &o.List()[i]
		if m.Kind < jcs.Array || m.Name == "@context" || m.Name == "proof" {
			continue
		}
		w.path = append(w.path, step{name: m.Name, index: -1})
		if !w.in(m.Name, m, depth+1) {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
	return true
}

// in goes through an array or object.
func (w *walk) in(key string, v *jcs.Value, depth int) bool {
	if v.Kind == jcs.Object {
		return w.object(key, v, depth)
	}
	for i := range v.List() {
		if v.List()[i].Kind < jcs.Array {
			continue
		}
		w.path = append(w.path, step{index: i})
		if !w.in(key, &v.List()[i], depth) {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
	return true
}

// pointer is the JSON Pointer (RFC 6901) of the object that is being seen. Names that
// are no terms, since they are longer than any, are cut off in it: thousands of
// pointers could have them.
func (w *walk) pointer() string {
	var b []byte
	for _, s := range w.path {
		if b = append(b, '/'); s.index >= 0 {
			b = strconv.AppendInt(b, int64(s.index), 10)
		} else {
			b = append(b, escaped(short(s.name))...)
		}
	}
	return string(b)
}

// escaped is a member name as it stands in a pointer.
func escaped(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return pointerEscape.Replace(name)
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// pointerTo finds the place of a value in a document. It looks at each value at most
// once; whoever asks it asks a bounded number of times.
func pointerTo(root, v *jcs.Value) string {
	p, _ := find(root, v)
	return p
}

func find(in, v *jcs.Value) (string, bool) {
	if in == v {
		return "", true
	}
	for i := range in.List() {
		m := &in.List()[i]
		p, found := find(m, v)
		if !found {
			continue
		}
		if in.Kind == jcs.Object {
			return "/" + escaped(m.Name) + p, true
		}
		return "/" + strconv.Itoa(i) + p, true
	}
	return "", false
}
