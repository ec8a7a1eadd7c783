package rdf

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CanonizeQuads brings a dataset in N-Quads (RDF 1.1) into the canonical form of
// RDFC-1.0 with the hash h, as [Canonize] does. Its work is bounded: a dataset whose
// blank nodes can't be told apart in reasonable time is [ErrTooMuchWork]. The error of
// what is no N-Quads names the line, from 1.
func CanonizeQuads(ctx context.Context, nquads []byte, h crypto.Hash) ([]byte, error) {
	c := newCanonicalizer()
	defer c.release()
	if _, err := parseQuads(&c.dataset, nquads); err != nil {
		return nil, err
	}
	out, err := c.lines(ctx, h)
	if errors.Is(err, ErrTooMuchWork) {
		return nil, fmt.Errorf("N-Quads: %w", ErrTooMuchWork)
	}
	return out, err
}

// parseQuads reads N-Quads. Label i belongs to blank node i.
func parseQuads(d *dataset, raw []byte) (labels []string, err error) {
	p := quadParser{dataset: d}
	text := strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\r", "\n")
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		p.s, p.i = line, 0
		q, some, err := p.line()
		if err != nil {
			return nil, fmt.Errorf("N-Quads, line %d: %w", number, err)
		}
		if some {
			p.quads = append(p.quads, q)
		}
	}
	return p.labels, nil
}

type quadParser struct {
	*dataset
	s      string
	i      int
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
	if err != nil || predicate < 0 {
		return q, false, fmt.Errorf("the predicate should be an IRI")
	}
	q.predicate = predicate
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
		if err != nil {
			return 0, err
		}
		return p.dataset.iri(iri), nil
	case strings.HasPrefix(rest, "_:"):
		end := strings.IndexAny(rest, " \t<\"")
		if end < 0 {
			end = len(rest)
		}
		label := strings.TrimRight(rest[:end], ".")
		if len(label) < 3 {
			return 0, fmt.Errorf("the blank node has no label")
		}
		p.i += len(label)
		b := p.label(label)
		if int(b.blankOr(0)) == len(p.labels) {
			p.labels = append(p.labels, label[2:])
		}
		return b, nil
	case literals && strings.HasPrefix(rest, `"`):
		return p.literal()
	}
	return 0, fmt.Errorf("an IRI or a blank node should stand here")
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
		return 0, fmt.Errorf("the literal doesn't end")
	}
	value, err := unescape(p.s[start:p.i], true)
	if err != nil {
		return 0, err
	}
	p.i++
	var datatype, language string
	switch rest := p.s[p.i:]; {
	case strings.HasPrefix(rest, "^^<"):
		p.i += 2
		if datatype, err = p.iri(); err != nil {
			return 0, err
		}
	case strings.HasPrefix(rest, "@"):
		end := strings.IndexAny(rest, " \t.<_")
		if end < 0 {
			end = len(rest)
		}
		if language = rest[1:end]; !validLanguage(language) {
			return 0, fmt.Errorf("%q isn't a language tag", language)
		}
		p.i += end
	}
	return p.dataset.literal(value, suffix(datatype, language)), nil
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
