package did

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ResourceURL returns where the resource lies that a did:webvh URL with a path means
// (did:webvh 1.0, "DID URL Resolution"): for /whois what the document's #whois service
// says, for other paths the path below its #files service. The document is that of a
// [Resolution], in which every did:webvh has both. It opens nothing. Errors wrap
// [ErrInvalidURL].
func ResourceURL(d *Document, u URL) (string, error) {
	if u.DID != d.ID || u.DID.Method() != "webvh" || u.Path == "" {
		return "", fmt.Errorf("%w %q: it isn't a path below %s", ErrInvalidURL, u, d.ID)
	}
	if slices.ContainsFunc(strings.Split(u.Path, "/"), func(part string) bool { return !inPath(part) }) {
		return "", fmt.Errorf("%w %q: its path leads elsewhere than it seems to", ErrInvalidURL, u)
	}
	service := "#files"
	if u.Path == "/whois" {
		service = "#whois"
	}
	i := slices.IndexFunc(d.Service, func(s Service) bool { return s.ID == d.ID.s+service })
	if i < 0 {
		return "", fmt.Errorf("%w %q: the document has no service %s", ErrInvalidURL, u, service)
	}
	var endpoint string
	if err := json.Unmarshal(d.Service[i].Endpoint, &endpoint); err != nil {
		return "", fmt.Errorf("%w %q: the service %s isn't at one URL", ErrInvalidURL, u, service)
	}
	where, err := url.Parse(endpoint)
	if err != nil || where.Host == "" || where.Scheme != "https" && !(where.Scheme == "http" && isLoopbackHost(where.Hostname())) {
		return "", fmt.Errorf("%w %q: the service %s isn't at an https URL", ErrInvalidURL, u, service)
	}
	if service == "#whois" {
		return endpoint, nil
	}
	if where.RawQuery != "" || where.Fragment != "" {
		return "", fmt.Errorf("%w %q: nothing can lie below the service %s, whose URL has a query or a fragment", ErrInvalidURL, u, service)
	}
	return strings.TrimSuffix(endpoint, "/") + u.Path, nil
}
