package jcs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A Kind is what a [Value] is.
type Kind uint8

// The kinds of JSON values (RFC 8259, 3).
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// A Value is a JSON value in a tree that [Read] made. Whoever has one may read it and
// share it, and changes nothing in it: to say something else, [Value.With] and
// [Value.Without] make a new one around the same members. All methods take nil for a
// value that isn't there.
type Value struct {
	Name   string // of the member, where it is one of an object
	Text   string // a String's characters, a Number as it was spelled, "true" or "false"
	list   *Value // the first of as many as length
	length uint32
	Kind   Kind
}

// List is an Array's elements, or an Object's members in canonical order, each name
// once.
func (v *Value) List() []Value {
	if v == nil {
		return nil
	}
	return unsafe.Slice(v.list, v.length)
}

// setList puts a list into a new value. A Value holds it without its capacity: half of
// all that a document takes in memory is lists.
func (v *Value) setList(list []Value) {
	v.list, v.length = unsafe.SliceData(list), uint32(len(list))
}

// Is says whether v is there and of a kind.
func (v *Value) Is(k Kind) bool { return v != nil && v.Kind == k }

// Get returns the member of an object with a name, or nil.
func (v *Value) Get(name string) *Value {
	if v == nil || v.Kind != Object {
		return nil
	}
	if len(v.List()) <= 16 {
		for i := range v.List() {
			if v.List()[i].Name == name {
				return &v.List()[i]
			}
		}
		return nil
	}
	i, found := v.find(name)
	if !found {
		return nil
	}
	return &v.List()[i]
}

func (v *Value) find(name string) (int, bool) {
	return slices.BinarySearchFunc(v.List(), name, func(m Value, name string) int { return compareUTF16(m.Name, name) })
}

// Has says whether an object has a member.
func (v *Value) Has(name string) bool { return v.Get(name) != nil }

// Str returns the characters of a member that is a string, else "".
func (v *Value) Str(name string) string { return v.Get(name).String() }

// String returns the characters of a string; "" for everything else. (It isn't the
// JSON text; see [Value.Append].)
func (v *Value) String() string {
	if v == nil || v.Kind != String {
		return ""
	}
	return v.Text
}

// True says whether v is true.
func (v *Value) True() bool { return v != nil && v.Kind == Bool && v.Text == "true" }

// Items reads one value or an array of values as an array; nothing as an empty one.
// (JSON-LD writes a set of one in either way.)
func (v *Value) Items() []Value {
	switch {
	case v == nil:
		return nil
	case v.Kind == Array:
		return v.List()
	}
	return unsafe.Slice(v, 1)
}

// Strings reads a string or an array as a list of strings, leaving out what is none.
func (v *Value) Strings() []string {
	items := v.Items()
	list := make([]string, 0, len(items))
	for i := range items {
		if items[i].Kind == String {
			list = append(list, items[i].Text)
		}
	}
	return list
}

// HasString says whether v is the string s, or an array that has it.
func (v *Value) HasString(s string) bool {
	items := v.Items()
	for i := range items {
		if items[i].Kind == String && items[i].Text == s {
			return true
		}
	}
	return false
}

// Without returns an object without some of its members.
func (v *Value) Without(names ...string) *Value { return v.changed("", nil, names) }

// With returns an object with one member more, or another one in its place, and without
// some others.
func (v *Value) With(name string, member *Value, without ...string) *Value {
	return v.changed(name, member, without)
}

func (v *Value) changed(name string, member *Value, without []string) *Value {
	members, replaced := v.List(), member != nil
	out := &Value{Name: v.Name, Kind: Object}
	list := make([]Value, 0, len(members)+1)
	for i := range members {
		m := &members[i]
		if member != nil && compareUTF16(m.Name, name) >= 0 {
			list, member = appendMember(list, name, member), nil
		}
		if (!replaced || m.Name != name) && !slices.Contains(without, m.Name) {
			list = append(list, *m)
		}
	}
	if member != nil {
		list = appendMember(list, name, member)
	}
	out.setList(list)
	return out
}

func appendMember(list []Value, name string, member *Value) []Value {
	m := *member
	m.Name = name
	return append(list, m)
}

// NewString returns a string as a Value. It must be valid UTF-8.
func NewString(s string) *Value { return &Value{Kind: String, Text: s} }

// NewArray returns an array of values.
func NewArray(items ...*Value) *Value {
	list := make([]Value, len(items))
	for i, v := range items {
		list[i] = *v
		list[i].Name = ""
	}
	out := &Value{Kind: Array}
	out.setList(list)
	return out
}

// Any returns v as [Parse] gives it: map[string]any, []any, string, json.Number, bool
// and nil.
func (v *Value) Any() any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case Bool:
		return v.Text == "true"
	case Number:
		return json.Number(v.Text)
	case String:
		return v.Text
	case Array:
		a := make([]any, len(v.List()))
		for i := range v.List() {
			a[i] = v.List()[i].Any()
		}
		return a
	case Object:
		m := make(map[string]any, len(v.List()))
		for i := range v.List() {
			m[v.List()[i].Name] = v.List()[i].Any()
		}
		return m
	}
	return nil
}

// From makes a Value of the types that [Parse] gives, of Go's numbers, and of anything
// that encoding/json can marshal.
//
// A Go integer that no double holds exactly, a number that is not finite, and a
// string that is not UTF-8 are errors; errors are of type [*Error] or come from
// encoding/json.
func From(v any) (*Value, error) {
	out, err := from(v, 0)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func from(v any, depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case bool:
		return Value{Kind: Bool, Text: strconv.FormatBool(v)}, nil
	case string:
		if !utf8.ValidString(v) {
			return Value{}, &Error{Reason: "the string isn't valid UTF-8"}
		}
		return Value{Kind: String, Text: v}, nil
	case json.Number:
		return fromNumber(string(v))
	case float64:
		b, err := appendFloat(nil, v)
		return Value{Kind: Number, Text: string(b)}, err
	case int:
		return fromInt(int64(v))
	case int64:
		return fromInt(v)
	case []any:
		if v == nil {
			return Value{}, nil
		}
		list := make([]Value, len(v))
		for i, x := range v {
			var err error
			if list[i], err = from(x, depth+1); err != nil {
				return Value{}, inside(err, strconv.Itoa(i))
			}
		}
		out := Value{Kind: Array}
		out.setList(list)
		return out, nil
	case map[string]any:
		if v == nil {
			return Value{}, nil
		}
		list := make([]Value, 0, len(v))
		for k, x := range v {
			if !utf8.ValidString(k) {
				return Value{}, inside(&Error{Reason: "the string isn't valid UTF-8"}, strings.ToValidUTF8(k, "\uFFFD"))
			}
			m, err := from(x, depth+1)
			if err != nil {
				return Value{}, inside(err, k)
			}
			m.Name = k
			list = append(list, m)
		}
		putInOrder(list)
		out := Value{Kind: Object}
		out.setList(list)
		return out, nil
	case *Value:
		return *v, nil
	case json.RawMessage:
		parsed, _, err := read(string(v), depth)
		if err != nil {
			return Value{}, err
		}
		return *parsed, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return Value{}, err
	}
	return from(json.RawMessage(raw), depth)
}

func fromNumber(s string) (Value, error) {
	p := parser{s: s}
	if err := p.number(); err != nil {
		return Value{}, &Error{Reason: strconv.Quote(s) + " isn't a JSON number that a double can hold"}
	}
	if p.i != len(s) {
		return Value{}, &Error{Reason: strconv.Quote(s) + " isn't a JSON number"}
	}
	return Value{Kind: Number, Text: s}, nil
}

func fromInt(n int64) (Value, error) {
	if f := float64(n); f >= 1<<63 || int64(f) != n {
		return Value{}, &Error{Reason: fmt.Sprintf("no double holds the integer %d exactly; write it as a string", n)}
	}
	return Value{Kind: Number, Text: strconv.FormatInt(n, 10)}, nil
}

func inside(err error, k string) error {
	if e, ok := err.(*Error); ok {
		return within(e, k)
	}
	return err
}

// putInOrder brings an object's members into canonical order, and says whether they
// weren't.
func putInOrder(list []Value) bool {
	for i := 1; i < len(list); i++ {
		if compareUTF16(list[i-1].Name, list[i].Name) > 0 {
			slices.SortFunc(list, func(a, b Value) int { return compareUTF16(a.Name, b.Name) })
			return true
		}
	}
	return false
}
