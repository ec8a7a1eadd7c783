package rdf

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// writer turns expanded JSON-LD into quads. It accepts nothing that it can't
// write, and drops nothing.
type writer struct {
	*dataset
	nulls   int // nulls that JSON literals hold
	inexact int // numbers with many digits that JSON literals hold
}

// document writes the result of expansion. An object that is nothing but a @graph
// is the default graph.
func (w *writer) document(expanded any) error {
	items, ok := expanded.([]any)
	if !ok {
		items = []any{expanded}
	}
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return &Error{Reason: "the document says nothing"}
		}
		if content, has := object["@graph"]; has && len(object) == 1 {
			if err := w.members(object, content, 0); err != nil {
				return err
			}
			continue
		}
		if _, err := w.object(object, 0); err != nil {
			return err
		}
	}
	return nil
}

// members writes the objects of a @graph or @included.
func (w *writer) members(of map[string]any, content any, graph node) error {
	for _, item := range asArray(content) {
		object, ok := item.(map[string]any)
		if !ok {
			return &objectError{of, "", "", "only objects may stand in a graph"}
		}
		if _, isValue := object["@value"]; isValue {
			return &objectError{of, "", "", "only objects may stand in a graph"}
		}
		if _, named := object["@id"]; named && len(object) == 1 {
			return &objectError{of, "", "", fmt.Sprintf("an object of which nothing is said but its id, %v, is dropped", object["@id"])}
		}
		if _, err := w.object(object, graph); err != nil {
			return err
		}
	}
	return nil
}

// object writes a node object's statements into graph and returns its node.
func (w *writer) object(object map[string]any, graph node) (node, error) {
	self, err := w.identity(object)
	if err != nil {
		return 0, err
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch v := object[k]; k {
		case "@id":
		case "@type":
			for _, t := range asArray(v) {
				name, _ := t.(string)
				iri, err := w.reference(object, "type", name)
				if err != nil {
					return 0, err
				}
				w.emit(self, rdfType, iri, graph)
			}
		case "@graph":
			err = w.members(object, v, self)
		case "@included":
			err = w.members(object, v, graph)
		case "@reverse":
			err = w.reverse(object, v, self, graph)
		default:
			err = w.property(object, k, v, self, graph)
		}
		if err != nil {
			return 0, err
		}
	}
	return self, nil
}

func (w *writer) identity(object map[string]any) (node, error) {
	id, has := object["@id"]
	if !has {
		return w.fresh(), nil
	}
	s, _ := id.(string)
	return w.reference(object, "", s)
}

// reference is the node of an absolute IRI, or of a blank node's label.
func (w *writer) reference(object map[string]any, what, s string) (node, error) {
	if isLabel(s) {
		return w.label(s), nil
	}
	return w.absolute(object, what, s)
}

func isLabel(s string) bool { return len(s) > 2 && s[0] == '_' && s[1] == ':' }

// absolute is the node of an absolute IRI.
func (w *writer) absolute(object map[string]any, what, s string) (node, error) {
	if n, ok := w.checkedIRI(s); ok {
		return n, nil
	}
	term, ok := strings.CutPrefix(s, undefined)
	switch {
	case !ok:
		return 0, &objectError{object, "", s, fmt.Sprintf("%q isn't an absolute IRI, which the %s should be", s, orElse(what, "id"))}
	case what == "property":
		return 0, &objectError{object, term, "", fmt.Sprintf("no context defines the term %q", term)}
	}
	return 0, &objectError{object, "", term, fmt.Sprintf("no context defines the %s %q", orElse(what, "term"), term)}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (w *writer) property(object map[string]any, k string, v any, self, graph node) error {
	if strings.HasPrefix(k, "@") {
		return &objectError{object, "", "", k + " is dropped, and no signature would cover it"}
	}
	predicate, err := w.absolute(object, "property", k)
	if err != nil {
		return err
	}
	for _, item := range asArray(v) {
		if embedded, ok := item.(map[string]any); ok && k == verifiableCredential && embedded["@graph"] == nil {
			item = map[string]any{"@graph": []any{embedded}}
		}
		target, err := w.target(object, item, graph)
		if err != nil {
			return err
		}
		w.emit(self, predicate, target, graph)
	}
	return nil
}

// verifiableCredential is the term of presentations whose values are graphs. In
// credentials/v2 it removes all contexts from its values, and json-gold then looks
// for its container where it isn't defined any more (the W3C's test tpr43).
const verifiableCredential = "https://www.w3.org/2018/credentials#verifiableCredential"

func (w *writer) reverse(object map[string]any, v any, self, graph node) error {
	properties, ok := v.(map[string]any)
	if !ok {
		return &objectError{object, "", "", "@reverse should be an object"}
	}
	for k, items := range properties {
		predicate, err := w.absolute(object, "property", k)
		if err != nil {
			return err
		}
		for _, item := range asArray(items) {
			other, ok := item.(map[string]any)
			if !ok {
				return &objectError{object, "", "", "the value of a reversed property should be an object"}
			}
			source, err := w.object(other, graph)
			if err != nil {
				return err
			}
			w.emit(source, predicate, self, graph)
		}
	}
	return nil
}

// target writes the value of a property, which object has.
func (w *writer) target(object map[string]any, v any, graph node) (node, error) {
	item, ok := v.(map[string]any)
	if !ok {
		return 0, &objectError{object, "", "", fmt.Sprintf("%v can't be a value here", v)}
	}
	if _, ok := item["@value"]; ok {
		return w.literalOf(object, item)
	}
	if list, ok := item["@list"]; ok {
		if len(item) > 1 {
			return 0, &objectError{object, "", "", "beside a @list nothing is kept"}
		}
		return w.list(object, asArray(list), graph)
	}
	return w.object(item, graph)
}

func (w *writer) list(object map[string]any, items []any, graph node) (node, error) {
	head := rdfNil
	for i := len(items) - 1; i >= 0; i-- {
		value, err := w.target(object, items[i], graph)
		if err != nil {
			return 0, err
		}
		cell := w.fresh()
		w.emit(cell, rdfFirst, value, graph)
		w.emit(cell, rdfRest, head, graph)
		head = cell
	}
	return head, nil
}

// literalOf writes a value object (JSON-LD 1.1 API, 8.2: Object to RDF Conversion).
func (w *writer) literalOf(object, item map[string]any) (node, error) {
	for k := range item {
		switch k {
		case "@value", "@type", "@language", "@direction":
		default:
			return 0, &objectError{object, "", "", k + " in a value is dropped, and no signature would cover it"}
		}
	}
	datatype, isText := item["@type"].(string)
	if _, has := item["@type"]; has && !isText {
		return 0, &objectError{object, "", "", "the @type of a value should be one IRI"}
	}
	if datatype == "@json" {
		w.countInJSON(item["@value"])
		raw, err := jcs.Marshal(item["@value"])
		if err != nil {
			return 0, &objectError{object, "", "", err.Error()}
		}
		return w.literal(string(raw), jsonSuffix), nil
	}
	if datatype != "" {
		if _, err := w.absolute(object, "datatype", datatype); err != nil {
			return 0, err
		}
	}
	if direction, has := item["@direction"]; has {
		return w.directed(object, item, direction)
	}
	if language, has := item["@language"].(string); has {
		s, ok := item["@value"].(string)
		if !ok || !validLanguage(language) {
			return 0, &objectError{object, "", language, fmt.Sprintf("%q isn't a language tag for a text", language)}
		}
		return w.literal(s, suffix("", language)), nil
	}
	if number, ok := item["@value"].(json.Number); ok && !exact(string(number)) {
		return 0, nil // expandToQuads counts these, and says where the number is
	}
	n, err := w.scalar(item["@value"], datatype)
	if err != nil {
		return 0, &objectError{object, "", "", err.Error()}
	}
	return n, nil
}

// directed writes a text with its direction: the two, and the language if there is one,
// are its datatype (JSON-LD 1.1 API, 8.2.2, with rdfDirection i18n-datatype, as the
// implementations of Data Integrity have it).
func (w *writer) directed(object, item map[string]any, direction any) (node, error) {
	s, isText := item["@value"].(string)
	language, hasLanguage := item["@language"].(string)
	_, typed := item["@type"]
	if !isText || typed || direction != "ltr" && direction != "rtl" || hasLanguage && !validLanguage(language) {
		return 0, &objectError{object, "", "", "@direction is ltr or rtl, of a text that may have a @language and has no @type"}
	}
	return w.literal(s, suffix(fmt.Sprintf("https://www.w3.org/ns/i18n#%s_%s", strings.ToLower(language), direction), "")), nil
}

// scalar is the literal of a JSON text, number or boolean.
func (d *dataset) scalar(v any, datatype string) (node, error) {
	switch v := v.(type) {
	case string:
		return d.literal(v, suffix(datatype, "")), nil
	case bool:
		return d.literal(strconv.FormatBool(v), suffix(orElse(datatype, xsd+"boolean"), "")), nil
	case json.Number:
		if n, ok := d.number(string(v), datatype, suffix(datatype, "")); ok {
			return n, nil
		}
		return 0, errors.New(tooManyDigits)
	}
	return 0, fmt.Errorf("%v can't be a value here", v)
}

// number is the literal of a JSON number as it is spelled, with the suffix of its
// datatype, if it has one. It isn't ok if the literal would be another number.
func (d *dataset) number(spelled, datatype, suffix string) (n node, ok bool) {
	var buf [40]byte
	text, isInteger, ok := numberText(buf[:0], spelled, datatype)
	switch {
	case !ok:
		return 0, false
	case datatype != "":
	case isInteger:
		suffix = integerSuffix
	default:
		suffix = doubleSuffix
	}
	return d.literal(string(text), suffix), true
}

// countInJSON adds up what a JSON literal keeps, but other values don't.
func (w *writer) countInJSON(v any) {
	switch v := v.(type) {
	case nil:
		w.nulls++
	case json.Number:
		if !exact(string(v)) {
			w.inexact++
		}
	case []any:
		for _, x := range v {
			w.countInJSON(x)
		}
	case map[string]any:
		for _, x := range v {
			w.countInJSON(x)
		}
	}
}

func asArray(v any) []any {
	if a, ok := v.([]any); ok {
		return a
	}
	return []any{v}
}
