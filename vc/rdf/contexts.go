package rdf

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/piprate/json-gold/ld"
)

//go:generate go run contexts_generate.go

// The contexts, and the table of where they are from. CLR's, and the one that
// has nothing but @vocab, are this project's own writing of the published facts:
// terms, IRIs, types and containers.
//
//go:embed contexts
var contextFiles embed.FS

// contextTable reads contexts/contexts.tsv: the file of each URL.
var contextTable = sync.OnceValue(func() map[string]string {
	raw, err := contextFiles.ReadFile("contexts/contexts.tsv")
	if err != nil {
		panic(err) // the file is part of the program
	}
	files := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Split(strings.TrimRight(line, "\n"), "\t"); len(fields) == 6 && !strings.HasPrefix(line, "#") {
			files[fields[0]] = fields[1]
		}
	}
	return files
})

// Context returns the bundled JSON-LD context that is published at url. The
// caller must not change it.
func Context(url string) ([]byte, bool) {
	file, ok := contextTable()[url]
	if !ok {
		return nil, false
	}
	raw, err := contextFiles.ReadFile("contexts/" + file)
	return raw, err == nil
}

// decoded holds every bundled context once it was used, decoded.
var decoded sync.Map // URL -> *ld.RemoteDocument

// loader gives json-gold the bundled contexts, and nothing from the network. It
// remembers the URL that it didn't have.
type loader struct{ missing string }

func (l *loader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	if doc, ok := decoded.Load(url); ok {
		return doc.(*ld.RemoteDocument), nil
	}
	raw, ok := Context(url)
	if !ok {
		if l.missing == "" {
			l.missing = url
		}
		return nil, fmt.Errorf("the context %q isn't bundled", url)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("read the bundled context %q: %w", url, err)
	}
	doc := &ld.RemoteDocument{DocumentURL: url, Document: v}
	decoded.Store(url, doc)
	return doc, nil
}
