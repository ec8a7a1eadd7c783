package did_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"clrnode/did"
)

// Whoever acts for a subject is found through those who control it, and a ring ends in an
// error, not in a ring of requests.
func TestControllers(t *testing.T) {
	controllers := map[string][]string{
		"alone": nil, "self": {"self"}, "child": {"mother", "father"}, "mother": {"mother"}, "father": {"grandmother"}, "grandmother": nil, "cousin": {"father", "uncle"}, "uncle": {"grandmother"},
		"a": {"b"}, "b": {"c"}, "c": {"a"}, "outside": {"a"}, "orphan": {"nobody"}, "both": {"both", "alone"},
	}
	for i := range 30 {
		controllers[fmt.Sprint("line", i)] = []string{fmt.Sprint("line", i+1)}
	}
	for i := range 20 {
		name := fmt.Sprint("of", i)
		controllers["crowd"], controllers[name] = append(controllers["crowd"], name), nil
	}
	asked := new(atomic.Int32)
	var id func(string) did.DID
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/p/"), "/did.json")
		list, ok := controllers[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		doc := map[string]any{"id": id(name)}
		ids := []did.DID{}
		for _, c := range list {
			ids = append(ids, id(c))
		}
		if len(ids) > 0 {
			doc["controller"] = ids
		}
		json.NewEncoder(w).Encode(doc)
	}))
	defer server.Close()
	id = func(name string) did.DID { return must(did.Web(onLocalhost(server), "p", name)) }
	resolver := did.NewResolver(loopbackClient())
	for name, want := range map[string]string{"alone": "", "self": "", "child": "mother father grandmother", "both": "alone", "cousin": "father grandmother uncle", "line15": "!", "line20": "!", "orphan": "!", "a": "!", "outside": "!", "crowd": "!", "uncle": "grandmother"} {
		start, err := resolver.Resolve(t.Context(), id(name), did.Options{})
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		found, err := did.Controllers(t.Context(), resolver, start.Document)
		var names []string
		for _, d := range found {
			names = append(names, d.ID.String()[strings.LastIndex(d.ID.String(), ":")+1:])
		}
		if got := strings.Join(names, " "); want == "!" != (err != nil) || err == nil && got != want || asked.Load() > 17 {
			t.Errorf("%s: %s, %v, after %d requests; want %s", name, got, err, asked.Load(), want)
		}
		switch name {
		case "a", "outside":
			if !errors.Is(err, did.ErrInvalidDocument) || !strings.Contains(err.Error(), "ring") {
				t.Errorf("%s: %v", name, err)
			}
		case "crowd":
			if !errors.Is(err, did.ErrInvalidDocument) {
				t.Errorf("%s: %v", name, err)
			}
		case "orphan", "line20":
			if !errors.Is(err, did.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
