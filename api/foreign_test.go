package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

// A page of another site may fetch what knows no session, also with headers for which its
// browser asks first, and nothing else.
func TestPagesOfOtherSites(t *testing.T) {
	s := newSite(t)
	open := []string{"/1.0/identifiers/{did:.*}", "/v1/verify", "/vc-api/exchanges/{challenge}"}
	var asked, posted int
	err := Handler(s.node, Options{}).(front).Router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			return err
		}
		path := regexp.MustCompile(`\{n:[^}]*\}`).ReplaceAllString(template, "1")
		path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "nothing")
		switch {
		case slices.Contains(methods, "OPTIONS"):
			asked++
			a := program(s.browser(), "OPTIONS", path, "", "Origin", "https://wallet.example", "Sec-Fetch-Site", "cross-site",
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
			if h := a.header; a.status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" ||
				!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Content-Type") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
				t.Errorf("OPTIONS %s = %d %v", path, a.status, h)
			}
		case slices.Contains(methods, "POST"):
			posted++
			a := program(s.browser(), "POST", path, "{}", "Content-Type", "application/json", "Origin", "https://wallet.example", "Sec-Fetch-Site", "cross-site")
			if may := slices.Contains(open, template); may == (a.status == http.StatusForbidden) {
				t.Errorf("POST %s from another site = %d", path, a.status)
			}
		}
		return nil
	})
	if err != nil || asked < len(open) || posted <= len(open) {
		t.Fatalf("%d and %d routes were asked: %v", asked, posted, err)
	}
	for _, path := range open {
		path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "nothing")
		if a := program(s.browser(), "OPTIONS", path, ""); a.status != http.StatusNoContent {
			t.Errorf("OPTIONS %s = %d", path, a.status)
		}
	}
	for _, path := range []string{"/me", "/v1/me/identifiers", "/vc-api/credentials/status"} {
		if a := program(s.browser(), "OPTIONS", path, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("OPTIONS %s = %d %v", path, a.status, a.header)
		}
	}
	a := program(s.browser(), "POST", identifiersPath+"did:key:"+aKey, "{}", "Accept", "*/*", "Sec-Fetch-Site", "cross-site", "Origin", "https://wallet.example")
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a resolution asked for by another site's page: %d %v", a.status, a.header)
	}
}
