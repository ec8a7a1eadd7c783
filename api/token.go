package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"clrnode/api/web"
	"clrnode/registry"
)

// byToken is how the audit trail names a program.
func byToken(t registry.Token) string { return "token " + t.ID }

// token serves programs that send a publisher's bearer token with the scope
// (RFC 6750). Where the path names a publisher, it must be the token's.
func (s *server) token(scope string, h func(http.ResponseWriter, *http.Request, registry.Token) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		t, err := s.bearer(w, r, scope)
		if err == nil {
			err = h(w, r, t)
		}
		if err != nil {
			s.explain(w, r, err, false, web.Who{})
		}
	})
}

func (s *server) bearer(w http.ResponseWriter, r *http.Request, scope string) (registry.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return registry.Token{}, problem{http.StatusUnauthorized, "No token", "Send Authorization: Bearer TOKEN. A token is made with clrnode token create --scope " + scope + "."}
	}
	t, err := s.node.Token(r.Context(), strings.TrimSpace(secret))
	if errors.Is(err, registry.ErrNotFound) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return t, problem{http.StatusUnauthorized, "Unknown token", "This token is unknown or has expired. Make a new one with clrnode token create."}
	}
	if err != nil {
		return t, err
	}
	if named := part(r, "publisher"); named != "" && named != t.Publisher {
		return t, registry.ErrNotFound
	}
	if !slices.Contains(t.Scopes, scope) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`)
		return t, problem{http.StatusForbidden, "Not allowed", "This token lacks the scope " + scope + "."}
	}
	return t, nil
}
