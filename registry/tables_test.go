package registry

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every table that this package's source declares is in Tables, in the order of
// the names, once.
func TestTables(t *testing.T) {
	declared := map[string]Table{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isTable(lit.Type) {
				return true
			}
			var table Table
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					t.Fatalf("a table is declared without the names of its fields: %v", lit.Elts)
				}
				switch v := kv.Value.(type) {
				case *ast.BasicLit:
					if table.Name, err = strconv.Unquote(v.Value); err != nil {
						t.Fatal(err)
					}
				case *ast.Ident:
					table.Opaque = v.Name == "true"
				}
			}
			declared[table.Name] = table
			return true
		})
	}
	if len(declared) < 50 {
		t.Fatalf("only %d tables were found in the source: the test looks for them in the wrong way", len(declared))
	}
	want := slices.Collect(maps.Values(declared))
	slices.SortFunc(want, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	if got := Tables(); !slices.Equal(got, want) {
		t.Errorf("Tables() = %v\nwant %v", got, want)
	}
}

func isTable(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "Table"
}
