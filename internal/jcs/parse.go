package jcs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is the number of arrays and objects that may lie inside each other.
// Deeper JSON is refused, because everything that walks it is recursive.
const MaxDepth = 128

// Error says which part of a JSON text isn't acceptable, and why.
type Error struct {
	Pointer string // JSON Pointer (RFC 6901) of the offending value; "" is the whole text
	Reason  string // a sentence without its full stop
}

// Error is the sentence, with as much of the pointer as a person reads: names may be
// megabytes long.
func (e *Error) Error() string {
	if e.Pointer == "" {
		return "JSON: " + e.Reason
	}
	return fmt.Sprintf("JSON at %.300s: %s", e.Pointer, e.Reason)
}

// Read reads one JSON text (RFC 8259) in the strict sense of I-JSON (RFC 7493): it
// refuses duplicate members, invalid UTF-8, lone surrogates, numbers beyond the range
// of a double, nesting deeper than [MaxDepth] and anything after the value, because
// each of these is read differently by different programs; and a long text that is
// nothing but values of a few bytes, because it would be a hundred times as large in
// memory. Errors are of type [*Error].
func Read(raw []byte) (*Value, error) { return ReadString(string(raw)) }

// ReadCanonical is [Read] for whoever wants the canonical form too: that of [Value.Append],
// which is text itself where text is canonical already.
func ReadCanonical(text string) (v *Value, canonical string, err error) {
	v, is, err := read(text, 0)
	switch {
	case err != nil:
		return nil, "", err
	case is:
		return v, text, nil
	}
	b := v.Append(make([]byte, 0, len(text)))
	return v, unsafe.String(unsafe.SliceData(b), len(b)), nil
}

// ReadString is [Read] for text; the strings of the value point into it.
func ReadString(text string) (*Value, error) {
	v, _, err := read(text, 0)
	return v, err
}

// Parse is [Read] for whoever wants Go's own types: map[string]any, []any, string,
// json.Number, bool and nil. A json.Number holds the number as it was spelled. Arrays
// and objects are never nil.
func Parse(raw []byte) (any, error) {
	v, err := Read(raw)
	if err != nil {
		return nil, err
	}
	return v.Any(), nil
}

// fewValues is how many values may stand in a text of any length.
const fewValues = 16 << 10

// tooMany says whether s has more values than text of strangers needs. A value in the
// tree is dozens of bytes long: a megabyte of nothing but [1,1,1 would be a hundred. It
// counts what begins or parts values, in strings too; nobody's credential comes near.
func tooMany(s string) bool {
	most := fewValues + len(s)/12
	return len(s) > most && strings.Count(s, ",")+strings.Count(s, "[")+strings.Count(s, "{") > most
}

// read also says whether s is in canonical form.
func read(s string, depth int) (*Value, bool, error) {
	if !utf8.ValidString(s) {
		i := 0
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		return nil, false, &Error{Reason: fmt.Sprintf("byte %d isn't valid UTF-8", i)}
	}
	if tooMany(s) {
		return nil, false, &Error{Reason: "it has more values than a text of its length may have, one for 12 bytes"}
	}
	p := parser{s: s, stack: make([]Value, 0, 64), chunk: min(max(len(s)/48, 4), 256)}
	v, err := p.value(depth)
	if err != nil {
		return nil, false, err
	}
	p.space()
	if p.i < len(p.s) {
		return nil, false, p.fail("there is more after the end of the value")
	}
	return &v, !p.loose, nil
}

type parser struct {
	s     string
	i     int
	stack []Value // of the lists that are being read
	free  []Value // where finished lists go
	chunk int     // how many values are made ready at once
	loose bool    // something was written otherwise than canonically
}

// list moves the values on the stack from a place on to where they stay.
func (p *parser) list(from int) []Value {
	n := len(p.stack) - from
	if n > len(p.free) {
		p.free = make([]Value, max(n, p.chunk))
	}
	out := p.free[:n:n]
	p.free = p.free[n:]
	copy(out, p.stack[from:])
	p.stack = p.stack[:from]
	return out
}

func (p *parser) fail(reason string) *Error {
	return &Error{Reason: fmt.Sprintf("%s (byte %d)", reason, p.i)}
}

// within puts the member name or array index k in front of err's pointer.
func within(err *Error, k string) *Error {
	err.Pointer = "/" + pointerEscape.Replace(k) + err.Pointer
	return err
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
			p.loose = true
		default:
			return
		}
	}
}

func (p *parser) value(depth int) (v Value, err *Error) {
	p.space()
	if p.i == len(p.s) {
		return v, p.fail("the text ends where a value should begin")
	}
	switch c := p.s[p.i]; {
	case c == '{':
		v.Kind = Object
		list, err := p.object(depth + 1)
		v.setList(list)
		return v, err
	case c == '[':
		v.Kind = Array
		list, err := p.array(depth + 1)
		v.setList(list)
		return v, err
	case c == '"':
		v.Kind = String
		v.Text, err = p.str()
		return v, err
	case c == '-' || '0' <= c && c <= '9':
		start := p.i
		err := p.number()
		v.Kind, v.Text = Number, p.s[start:p.i]
		if err == nil && !plainNumber(v.Text) {
			var b [32]byte
			p.loose = p.loose || string(appendNumber(b[:0], v.Text)) != v.Text
		}
		return v, err
	case strings.HasPrefix(p.s[p.i:], "true"):
		p.i += 4
		v.Kind, v.Text = Bool, "true"
		return v, nil
	case strings.HasPrefix(p.s[p.i:], "false"):
		p.i += 5
		v.Kind, v.Text = Bool, "false"
		return v, nil
	case strings.HasPrefix(p.s[p.i:], "null"):
		p.i += 4
		return v, nil
	}
	return v, p.fail("no JSON value begins like this")
}

func (p *parser) object(depth int) ([]Value, *Error) {
	if depth > MaxDepth {
		return nil, p.fail(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	p.i++
	from := len(p.stack)
	for first := true; ; first = false {
		p.space()
		if first && p.at('}') {
			break
		}
		if p.i == len(p.s) || p.s[p.i] != '"' {
			return nil, p.fail("a member name in quotes should stand here")
		}
		k, err := p.str()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.at(':') {
			return nil, within(p.fail("a colon should follow the member name"), k)
		}
		m, err := p.value(depth)
		if err != nil {
			return nil, within(err, k)
		}
		m.Name = k
		p.stack = append(p.stack, m)
		p.space()
		if p.at('}') {
			break
		}
		if !p.at(',') {
			return nil, p.fail("a comma or the end of the object should stand here")
		}
	}
	list := p.list(from)
	if putInOrder(list) {
		p.loose = true
	}
	for i := 1; i < len(list); i++ {
		if k := list[i].Name; list[i-1].Name == k {
			return nil, within(&Error{Reason: fmt.Sprintf("the member occurs twice in the object that ends at byte %d", p.i)}, k)
		}
	}
	return list, nil
}

func (p *parser) array(depth int) ([]Value, *Error) {
	if depth > MaxDepth {
		return nil, p.fail(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	p.i++
	from := len(p.stack)
	for first := true; ; first = false {
		p.space()
		if first && p.at(']') {
			break
		}
		e, err := p.value(depth)
		if err != nil {
			return nil, within(err, strconv.Itoa(len(p.stack)-from))
		}
		p.stack = append(p.stack, e)
		p.space()
		if p.at(']') {
			break
		}
		if !p.at(',') {
			return nil, p.fail("a comma or the end of the array should stand here")
		}
	}
	return p.list(from), nil
}

// at steps over c if it stands here.
func (p *parser) at(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) str() (string, *Error) {
	p.i++
	start := p.i
	var b []byte // used once the string has an escape
	for p.i = special(p.s, p.i); p.i < len(p.s); p.i = special(p.s, p.i) {
		switch p.s[p.i] {
		case '"':
			s := p.s[start:p.i]
			p.i++
			if b != nil {
				s = string(append(b, s...))
			}
			return s, nil
		case '\\':
			b = append(b, p.s[start:p.i]...)
			escape := p.i
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			if !p.loose {
				var c [8]byte
				p.loose = string(appendEscaped(c[:0], r)) != p.s[escape:p.i]
			}
			b = utf8.AppendRune(b, r)
			start = p.i
		default:
			return "", p.fail("a control character in a string must be escaped")
		}
	}
	return "", p.fail("the text ends inside a string")
}

// escape reads one escape sequence, or two that are a surrogate pair.
func (p *parser) escape() (rune, *Error) {
	if p.i+1 >= len(p.s) {
		return 0, p.fail("the text ends inside a string")
	}
	c := p.s[p.i+1]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, p.fail("unknown escape sequence in a string")
		}
		p.i += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := hex4(p.s[p.i+2:])
	if !ok {
		return 0, p.fail(`\u needs four hexadecimal digits`)
	}
	if !utf16.IsSurrogate(r) {
		p.i += 6
		return r, nil
	}
	if rest := p.s[p.i+6:]; strings.HasPrefix(rest, `\u`) {
		if low, ok := hex4(rest[2:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				p.i += 12
				return pair, nil
			}
		}
	}
	return 0, p.fail("a lone surrogate is not a character")
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func (p *parser) number() *Error {
	start := p.i
	p.at('-')
	if !p.at('0') && p.digits() == 0 {
		return p.fail("a digit should stand here")
	}
	if p.at('.') && p.digits() == 0 {
		return p.fail("a digit should follow the decimal point")
	}
	if p.at('e') || p.at('E') {
		if !p.at('+') {
			p.at('-')
		}
		if p.digits() == 0 {
			return p.fail("the exponent has no digits")
		}
	}
	s := p.s[start:p.i]
	if len(s) < 300 && strings.IndexByte(s, 'e') < 0 && strings.IndexByte(s, 'E') < 0 {
		return nil // below 1e300
	}
	if f, _ := strconv.ParseFloat(s, 64); math.IsInf(f, 0) {
		return p.fail("the number is beyond the range of a double; write it as a string")
	}
	return nil
}

func (p *parser) digits() int {
	start := p.i
	for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		p.i++
	}
	return p.i - start
}
