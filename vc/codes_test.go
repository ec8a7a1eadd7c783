package vc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"clrnode/anchor"
)

// Programs keep the codes of checks: each that this package gives is explained in its
// documentation, and the schema of reports allows it.
func TestCodesAreDocumented(t *testing.T) {
	documentation, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"((?:structure|claims|proof|key|trust|domain|dates|status|schema|resource|linked|refresh|terms|hosted|subject|holder|anchor)\.[a-z_]+)"`)
	given := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllSubmatch(source, -1) {
			given[string(m[1])] = true
		}
	}
	delete(given, "dates.order") // a rule's, which stands behind "structure."
	if len(given) < 40 {
		t.Errorf("only %d codes were found in the source", len(given))
	}
	for code := range given {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(code) + `\b`).Match(documentation) {
			t.Errorf("the package documentation doesn't explain the code %s", code)
		}
	}
	for _, code := range []string{anchor.CodeAnchored, anchor.CodeNotFinal, anchor.CodeNoChain, anchor.CodeContradicted} {
		given["anchor."+code] = true
	}
	for code := range given {
		r := &Report{What: "Credential", Envelope: newPart(nil, "")}
		r.Envelope.add(Check{Code: code, Group: GroupNow, Outcome: OK, Sentence: "Good."})
		r.finish()
		matchesSchema(t, r)
	}
}
