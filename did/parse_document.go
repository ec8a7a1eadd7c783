package did

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// maxDocument bounds a DID document, in bytes.
const maxDocument = 1 << 20

// maxEntries bounds each list of a document: nobody publishes more keys than that.
const maxEntries = 1000

// ParseDocument reads a DID document strictly: JSON without duplicate members, of
// at most 1 MiB, whose known members have the types that DID Core 1.0 gives them.
// Unknown members are passed over, as the standard asks. Relative ids ("#key-1")
// become absolute, and a method that a relationship embeds is lifted into
// VerificationMethod. One method id described twice, one key in two forms, one thing
// listed twice, or a private key, is refused.
// Errors wrap [ErrInvalid].
func ParseDocument(raw []byte) (*Document, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrInvalidDocument, maxDocument)
	}
	v, err := jcs.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidDocument, err)
	}
	p := documentParser{seen: map[string]bool{}}
	d, err := p.document(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidDocument, err)
	}
	return d, nil
}

type documentParser struct {
	doc  Document
	seen map[string]bool // ids of methods and services
}

func (p *documentParser) document(v any) (*Document, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it isn't a JSON object")
	}
	id, err := text(m, "id", true)
	if err != nil {
		return nil, err
	}
	if p.doc.ID, err = Parse(id); err != nil {
		return nil, err
	}
	if p.doc.AlsoKnownAs, err = texts(m, "alsoKnownAs"); err != nil {
		return nil, err
	}
	controllers, err := texts(m, "controller")
	if err != nil {
		return nil, err
	}
	for _, s := range controllers {
		c, err := Parse(s)
		if err != nil {
			return nil, fmt.Errorf("controller: %w", err)
		}
		p.doc.Controller = append(p.doc.Controller, c)
	}
	methods, err := list(m, "verificationMethod")
	if err != nil {
		return nil, err
	}
	for i, x := range methods {
		if _, err := p.method(x); err != nil {
			return nil, fmt.Errorf("verificationMethod %d: %w", i, err)
		}
	}
	for _, rel := range relationships {
		if *p.doc.listed(rel), err = p.relationship(m, string(rel)); err != nil {
			return nil, err
		}
	}
	services, err := list(m, "service")
	if err != nil {
		return nil, err
	}
	for i, x := range services {
		if err := p.service(x); err != nil {
			return nil, fmt.Errorf("service %d: %w", i, err)
		}
	}
	return &p.doc, nil
}

// relationship reads a list of references to methods and of embedded methods.
func (p *documentParser) relationship(m map[string]any, name string) ([]string, error) {
	items, err := list(m, name)
	if err != nil {
		return nil, err
	}
	var ids []string
	for i, x := range items {
		var id string
		if s, ok := x.(string); ok {
			id, err = p.absolute(s)
		} else {
			id, err = p.method(x)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", name, i, err)
		}
		if slices.Contains(ids, id) {
			return nil, fmt.Errorf("%s lists %s twice", name, id)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// method reads one verification method, adds it to the document, and returns its id.
func (p *documentParser) method(v any) (string, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return "", fmt.Errorf("it isn't an object")
	}
	var vm VerificationMethod
	var err error
	id, err := text(m, "id", true)
	if err != nil {
		return "", err
	}
	if vm.ID, err = p.absolute(id); err != nil {
		return "", err
	}
	if p.seen[vm.ID] {
		return "", fmt.Errorf("the id %s occurs twice", vm.ID)
	}
	p.seen[vm.ID] = true
	if vm.Type, err = text(m, "type", true); err != nil {
		return "", err
	}
	// One without a controller, as some libraries make them, is read and gives no key.
	if vm.Controller, err = text(m, "controller", false); err != nil {
		return "", err
	}
	if _, err := Parse(vm.Controller); err != nil && vm.Controller != "" {
		return "", fmt.Errorf("controller: %w", err)
	}
	for _, name := range privateForms {
		if _, has := m[name]; has {
			return "", fmt.Errorf("%s holds a private key; it must be replaced, since everybody can read it", name)
		}
	}
	forms := 0
	for _, form := range vm.texts() {
		if *form.text, err = text(m, form.name, false); err != nil {
			return "", err
		}
		if *form.text != "" {
			forms++
		}
	}
	if jwk, has := m["publicKeyJwk"]; has {
		members, ok := jwk.(map[string]any)
		if !ok {
			return "", fmt.Errorf("publicKeyJwk should be an object")
		}
		if slices.ContainsFunc(privateMembers, func(name string) bool { _, has := members[name]; return has }) {
			return "", fmt.Errorf("publicKeyJwk holds a private key; it must be replaced, since everybody can read it")
		}
		if vm.PublicKeyJWK, err = jcs.Marshal(jwk); err != nil {
			return "", err
		}
		forms++
	}
	if forms > 1 {
		return "", fmt.Errorf("the key of %s stands there in %d forms; one is enough, and two could differ", vm.ID, forms)
	}
	if vm.Expires, err = moment(m, "expires"); err != nil {
		return "", err
	}
	if vm.Revoked, err = moment(m, "revoked"); err != nil {
		return "", err
	}
	p.doc.VerificationMethod = append(p.doc.VerificationMethod, vm)
	return vm.ID, nil
}

func (p *documentParser) service(v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("it isn't an object")
	}
	var s Service
	id, err := text(m, "id", true)
	if err != nil {
		return err
	}
	if s.ID = id; strings.HasPrefix(id, "#") {
		s.ID = p.doc.ID.String() + id
	}
	if u, err := url.Parse(s.ID); err != nil || u.Scheme == "" {
		return fmt.Errorf("the id %.200q isn't a URI", id)
	}
	if p.seen[s.ID] {
		return fmt.Errorf("the id %.200s occurs twice", s.ID)
	}
	p.seen[s.ID] = true
	if s.Type, err = texts(m, "type"); err != nil {
		return err
	}
	if len(s.Type) == 0 {
		return fmt.Errorf("type should be text")
	}
	if err := checkEndpoint(m["serviceEndpoint"]); err != nil {
		return err
	}
	if s.Endpoint, err = jcs.Marshal(m["serviceEndpoint"]); err != nil {
		return err
	}
	p.doc.Service = append(p.doc.Service, s)
	return nil
}

// checkEndpoint accepts what a service's endpoint can be (DID Core 1.0, 5.4): a URI, an
// object, or an array of these, which isn't empty.
func checkEndpoint(v any) error {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, e := range list {
		switch e := e.(type) {
		case map[string]any:
			continue
		case string:
			if u, err := url.Parse(e); err == nil && u.Scheme != "" {
				continue
			}
		}
		return fmt.Errorf("serviceEndpoint should be a URI, an object, or an array of these")
	}
	if len(list) == 0 || len(list) > maxEntries {
		return fmt.Errorf("serviceEndpoint should have 1 to %d entries", maxEntries)
	}
	return nil
}

// absolute resolves the relative form "#fragment" against the document's id
// (DID Core 1.0, section 3.2.2) and checks that the result is a DID URL.
func (p *documentParser) absolute(id string) (string, error) {
	if strings.HasPrefix(id, "#") {
		id = p.doc.ID.String() + id
	}
	u, err := ParseURL(id)
	if err != nil {
		return "", err
	}
	if u.Path == "" && u.Query == "" && u.Fragment == "" {
		return "", fmt.Errorf("the id %q names the whole document; a key's id has a fragment", id)
	}
	return id, nil
}

func text(m map[string]any, k string, required bool) (string, error) {
	v, has := m[k]
	s, ok := v.(string)
	if has && (!ok || s == "") || required && !has {
		return "", fmt.Errorf("%s should be text", k)
	}
	return s, nil
}

// texts reads a member that is a string or an array of strings.
func texts(m map[string]any, k string) ([]string, error) {
	v, has := m[k]
	if !has {
		return nil, nil
	}
	if s, ok := v.(string); ok {
		v = []any{s}
	}
	items, ok := v.([]any)
	if !ok || len(items) > maxEntries {
		return nil, fmt.Errorf("%s should be text or an array of text", k)
	}
	var out []string
	for _, x := range items {
		s, ok := x.(string)
		if !ok || s == "" {
			return nil, fmt.Errorf("%s should be text or an array of text", k)
		}
		if slices.Contains(out, s) {
			return nil, fmt.Errorf("%s has %.200q twice", k, s)
		}
		out = append(out, s)
	}
	return out, nil
}

// list reads a member that is an array; one thing alone is an array of one, as
// JSON-LD compacts it.
func list(m map[string]any, k string) ([]any, error) {
	switch v := m[k].(type) {
	case nil:
		if _, has := m[k]; has {
			return nil, fmt.Errorf("%s is null; leave it out instead", k)
		}
		return nil, nil
	case []any:
		if len(v) > maxEntries {
			return nil, fmt.Errorf("%s has more than %d entries", k, maxEntries)
		}
		return v, nil
	case map[string]any, string:
		return []any{v}, nil
	}
	return nil, fmt.Errorf("%s should be an array", k)
}

func moment(m map[string]any, k string) (time.Time, error) {
	s, err := text(m, k, false)
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := parseTime(s)
	if t = t.UTC(); err != nil || t.Year() < 1000 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%s should be a date and time with a zone, such as 2026-01-31T12:00:00Z", k)
	}
	return t, nil
}

// parseTime reads a date and time with a zone, as RFC 3339, 5.6, has it. The library's
// reader also takes an hour of one digit, and a comma before the fraction.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err == nil && (s[:19] != t.Format("2006-01-02T15:04:05") || s[19] == ',') {
		err = errors.New("it isn't a time by RFC 3339")
	}
	return t, err
}
