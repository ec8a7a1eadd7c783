package did

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"clrnode/internal/jcs"
)

// lists are the members of a document in which things with an id stand.
var lists = func() []string {
	all := []string{"verificationMethod", "service"}
	for _, rel := range relationships {
		all = append(all, string(rel))
	}
	return all
}()

// Find returns what in the document has the id u, a verification method or a service, in
// canonical JSON, with its own id in the absolute form and the document's JSON-LD context
// (DID Resolution v1, 5.4.2). Errors wrap [ErrNotFound].
func (r Resolution) Find(u URL) ([]byte, error) {
	doc := read(r.JSON())
	for _, name := range lists {
		items := doc.Get(name).Items()
		for i := range items {
			if id := items[i].Str("id"); id == "" || r.absolute(id) != u.String() {
				continue
			}
			found := items[i].With("id", jcs.NewString(u.String()))
			if context := doc.Get("@context"); context != nil && !found.Has("@context") {
				found = found.With("@context", context)
			}
			return found.Append(nil), nil
		}
	}
	return nil, fmt.Errorf("%w: the document has nothing with the id %s", ErrNotFound, u)
}

// absolute is an id with the document's own before it, where it is relative.
func (r Resolution) absolute(id string) string {
	if strings.HasPrefix(id, "#") {
		return r.Document.ID.s + id
	}
	return id
}

// Expanded is the resolution with every id in its document in the absolute form (the
// option expandRelativeUrls of DID Resolution v1, 4.1).
func (r Resolution) Expanded() Resolution {
	doc := read(r.JSON())
	for _, name := range lists {
		list := doc.Get(name)
		if list == nil {
			continue
		}
		var items []*jcs.Value
		for i := range list.Items() {
			item := &list.Items()[i]
			switch {
			case item.Is(jcs.String):
				item = jcs.NewString(r.absolute(item.Text))
			case item.Has("id"):
				item = item.With("id", jcs.NewString(r.absolute(item.Str("id"))))
			}
			items = append(items, item)
		}
		doc = doc.With(name, jcs.NewArray(items...))
	}
	r.Published = doc.Append(nil)
	return r
}

// Select is the resolution with those services of the document alone that a DID URL's
// parameters pick: service is an id, relative or absolute and with or without its '#', and
// typ one of the service's types (DID Resolution v1, 5.4.1). "" picks all.
func (r Resolution) Select(service, typ string) Resolution {
	if service != "" && (service[0] == '#' || !strings.Contains(service, ":")) {
		service = r.Document.ID.s + "#" + strings.TrimPrefix(service, "#")
	}
	picked := func(s Service) bool { return (service == "" || s.ID == service) && (typ == "" || s.Is(typ)) }
	some := *r.Document
	some.Service = nil
	all := read(r.JSON())
	var items []*jcs.Value
	for i, s := range r.Document.Service {
		if picked(s) {
			some.Service = append(some.Service, s)
			items = append(items, &all.Get("service").Items()[i])
		}
	}
	all = all.Without("service")
	if len(items) > 0 {
		all = all.With("service", jcs.NewArray(items...))
	}
	r.Document, r.Published = &some, all.Append(nil)
	return r
}

// Endpoints are the URLs of the document's services, with the reference and the fragment
// of a DID URL put to each ("" for none; DID Resolution v1, 5.4.1 and 5.4.2). A service
// whose endpoint isn't a URL has none. Only web addresses count: whoever is sent to one
// opens it. A reference never leads to another host. Errors wrap [ErrInvalidURL], or
// [ErrNotFound] where there is no URL.
func (d *Document) Endpoints(relativeRef, fragment string) ([]string, error) {
	ref, err := url.Parse(relativeRef)
	if err != nil || ref.Scheme != "" || ref.Host != "" || ref.User != nil || ref.Fragment != "" || strings.HasPrefix(relativeRef, "//") {
		return nil, fmt.Errorf("%w: the relativeRef %.80q should be a path, with a query or without", ErrInvalidURL, relativeRef)
	}
	var found []string
	for _, s := range d.Service {
		for _, endpoint := range endpointURLs(s.Endpoint) {
			base, err := url.Parse(endpoint)
			if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil {
				continue
			}
			if relativeRef != "" {
				base = base.ResolveReference(ref)
			}
			if fragment != "" {
				if base.Fragment != "" {
					return nil, fmt.Errorf("%w: the service %s has a fragment of its own", ErrInvalidURL, s.ID)
				}
				if base, err = base.Parse("#" + fragment); err != nil {
					return nil, fmt.Errorf("%w: its fragment: %v", ErrInvalidURL, err)
				}
			}
			found = append(found, base.String())
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s has no such service at a web address", ErrNotFound, d.ID)
	}
	return found, nil
}

// endpointURLs are the URIs of a service's endpoint.
func endpointURLs(endpoint json.RawMessage) []string {
	var one string
	if json.Unmarshal(endpoint, &one) == nil {
		return []string{one}
	}
	var several []any
	json.Unmarshal(endpoint, &several) // an object has none
	var all []string
	for _, e := range several {
		if s, ok := e.(string); ok && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
