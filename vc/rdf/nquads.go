package rdf

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a subject, object or graph name: either text, in canonical N-Quads
// form, or a blank node, or nothing (the default graph).
type node struct {
	text  string // "<iri>" or a literal; "" otherwise
	blank int32  // number of the blank node plus one; 0 otherwise
}

func blankNode(b int32) node { return node{blank: b + 1} }

// blankOr returns the number of the blank node that n is, or other.
func (n node) blankOr(other int32) int32 {
	if n.blank > 0 {
		return n.blank - 1
	}
	return other
}

func (n node) none() bool { return n.text == "" && n.blank == 0 }

// quad is a statement. Its predicate is in canonical N-Quads form.
type quad struct {
	subject   node
	predicate string
	object    node
	graph     node
}

// append writes the quad as a line of N-Quads, and blank nodes as name does.
func (q *quad) append(to []byte, name func([]byte, int32) []byte) []byte {
	put := func(n node) {
		if n.blank > 0 {
			to = name(to, n.blank-1)
		} else {
			to = append(to, n.text...)
		}
		to = append(to, ' ')
	}
	put(q.subject)
	to = append(append(to, q.predicate...), ' ')
	put(q.object)
	if !q.graph.none() {
		put(q.graph)
	}
	return append(to, '.', '\n')
}

const xsdString = "http://www.w3.org/2001/XMLSchema#string"

// literal writes a literal in the form of Canonical N-Quads (RDFC-1.0, 5): of the
// characters only those are escaped that must be, each in one way.
func literal(value, datatype, language string) string {
	b := make([]byte, 0, len(value)+len(datatype)+8)
	b = append(b, '"')
	start := 0
	for i := 0; i < len(value); i++ {
		ch := value[i]
		if ch >= 0x20 && ch != '"' && ch != '\\' && ch != 0x7f {
			continue
		}
		b = append(b, value[start:i]...)
		start = i + 1
		if k := strings.IndexByte("\"\\\n\r\t\b\f", ch); k >= 0 {
			b = append(b, '\\', `"\nrtbf`[k])
		} else {
			b = fmt.Appendf(b, `\u%04X`, ch)
		}
	}
	b = append(append(b, value[start:]...), '"')
	switch {
	case language != "":
		b = append(append(b, '@'), language...)
	case datatype != "" && datatype != xsdString:
		b = append(append(append(b, "^^<"...), datatype...), '>')
	}
	return string(b)
}

// validIRI says whether an absolute IRI can stand between < and > (RDF 1.1
// N-Quads, IRIREF), so that no text can end one statement and begin another.
func validIRI(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !isAlpha(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isAlpha(c) && !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	for i := range len(s) {
		if s[i] <= ' ' || strings.IndexByte("<>\"{}|^`\\", s[i]) >= 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if part == "" {
			return false
		}
		for k := range len(part) {
			if !isAlpha(part[k]) && !(i > 0 && '0' <= part[k] && part[k] <= '9') {
				return false
			}
		}
	}
	return true
}

// CanonizeQuads brings a dataset in N-Quads (RDF 1.1) into the canonical form of
// RDFC-1.0 with SHA-256. Its work is bounded: a dataset whose blank nodes can't
// be told apart in reasonable time is an error.
func CanonizeQuads(nquads []byte) ([]byte, error) {
	quads, labels, err := parseQuads(nquads)
	if err != nil {
		return nil, err
	}
	out, _, err := canonicalize(quads, len(labels), sha256.New)
	if err != nil {
		return nil, &Error{Reason: err.Error(), cause: err}
	}
	return out, nil
}

// parseQuads reads N-Quads. Label i belongs to blank node i.
func parseQuads(raw []byte) (quads []quad, labels []string, err error) {
	p := quadParser{blanks: map[string]int32{}}
	for number, line := range strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' || r == '\r' }) {
		p.s, p.i = line, 0
		q, some, err := p.line()
		if err != nil {
			return nil, nil, &Error{Reason: fmt.Sprintf("N-Quads, statement %d: %v", number+1, err)}
		}
		if some {
			quads = append(quads, q)
		}
	}
	return quads, p.labels, nil
}

type quadParser struct {
	s      string
	i      int
	blanks map[string]int32
	labels []string
}

func (p *quadParser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *quadParser) line() (q quad, some bool, err error) {
	p.space()
	if p.i == len(p.s) || p.s[p.i] == '#' {
		return q, false, nil
	}
	if q.subject, err = p.term(false); err != nil {
		return q, false, fmt.Errorf("subject: %w", err)
	}
	predicate, err := p.term(false)
	if err != nil || predicate.blank > 0 {
		return q, false, fmt.Errorf("the predicate should be an IRI")
	}
	q.predicate = predicate.text
	if q.object, err = p.term(true); err != nil {
		return q, false, fmt.Errorf("object: %w", err)
	}
	p.space()
	if p.i < len(p.s) && p.s[p.i] != '.' {
		if q.graph, err = p.term(false); err != nil {
			return q, false, fmt.Errorf("graph: %w", err)
		}
		p.space()
	}
	if p.i == len(p.s) || p.s[p.i] != '.' {
		return q, false, fmt.Errorf("it should end with a full stop")
	}
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] != '#' {
		return q, false, fmt.Errorf("there is more after the full stop")
	}
	return q, true, nil
}

func (p *quadParser) term(literals bool) (node, error) {
	p.space()
	rest := p.s[p.i:]
	switch {
	case strings.HasPrefix(rest, "<"):
		iri, err := p.iri()
		return node{text: "<" + iri + ">"}, err
	case strings.HasPrefix(rest, "_:"):
		end := strings.IndexAny(rest, " \t<\"")
		if end < 0 {
			end = len(rest)
		}
		label := strings.TrimRight(rest[:end], ".")
		if len(label) < 3 {
			return node{}, fmt.Errorf("the blank node has no label")
		}
		p.i += len(label)
		b, ok := p.blanks[label]
		if !ok {
			b = int32(len(p.labels))
			p.blanks[label] = b
			p.labels = append(p.labels, label[2:])
		}
		return blankNode(b), nil
	case literals && strings.HasPrefix(rest, `"`):
		return p.literal()
	}
	return node{}, fmt.Errorf("an IRI or a blank node should stand here")
}

func (p *quadParser) iri() (string, error) {
	end := strings.IndexByte(p.s[p.i:], '>')
	if end < 0 {
		return "", fmt.Errorf("the IRI doesn't end")
	}
	iri, err := unescape(p.s[p.i+1:p.i+end], false)
	if err != nil {
		return "", err
	}
	if !validIRI(iri) {
		return "", fmt.Errorf("%q isn't an absolute IRI", iri)
	}
	p.i += end + 1
	return iri, nil
}

func (p *quadParser) literal() (node, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != '"' {
		if p.s[p.i] == '\\' {
			p.i++
		}
		p.i++
	}
	if p.i >= len(p.s) {
		return node{}, fmt.Errorf("the literal doesn't end")
	}
	value, err := unescape(p.s[start:p.i], true)
	if err != nil {
		return node{}, err
	}
	p.i++
	var datatype, language string
	switch rest := p.s[p.i:]; {
	case strings.HasPrefix(rest, "^^<"):
		p.i += 2
		if datatype, err = p.iri(); err != nil {
			return node{}, err
		}
	case strings.HasPrefix(rest, "@"):
		end := strings.IndexAny(rest, " \t.<_")
		if end < 0 {
			end = len(rest)
		}
		if language = rest[1:end]; !validLanguage(language) {
			return node{}, fmt.Errorf("%q isn't a language tag", language)
		}
		p.i += end
	}
	return node{text: literal(value, datatype, language)}, nil
}

// unescape reads the escapes of N-Quads; ECHAR (\n, \") only in literals.
func unescape(s string, chars bool) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("it isn't valid UTF-8")
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf("an escape sequence doesn't end")
		}
		digits := map[byte]int{'u': 4, 'U': 8}[s[i]]
		if digits > 0 {
			if i+digits >= len(s) {
				return "", fmt.Errorf("an escape sequence doesn't end")
			}
			r, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(r)) || r > utf8.MaxRune {
				return "", fmt.Errorf("%q isn't the escape of a character", s[i-1:i+1+digits])
			}
			b.WriteRune(rune(r))
			i += digits
			continue
		}
		k := strings.IndexByte(`"'\nrtbf`, s[i])
		if !chars || k < 0 {
			return "", fmt.Errorf("unknown escape sequence %q", s[i-1:i+1])
		}
		b.WriteByte("\"'\\\n\r\t\b\f"[k])
	}
	return b.String(), nil
}
