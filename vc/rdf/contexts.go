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

// loader gives json-gold the bundled contexts, and nothing from the network.
type loader struct{}

// decoded holds every bundled context that was used, decoded.
var decoded sync.Map // URL -> *ld.RemoteDocument

func (loader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	if doc, ok := decoded.Load(url); ok {
		return doc.(*ld.RemoteDocument), nil
	}
	raw, ok := Context(url)
	if !ok {
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

var contextOptions = &ld.JsonLdOptions{ProcessingMode: ld.JsonLd_1_1, DocumentLoader: loader{}, SafeMode: true, CompactArrays: true}

// emptyContext is what every document begins with.
var emptyContext = sync.OnceValues(func() (*ld.Context, error) {
	return ld.NewContext(nil, contextOptions).Parse(map[string]any{"@vocab": undefined})
})

// started holds the active contexts that documents begin with, by their URLs in
// order. Reading a few hundred terms anew for each document would take half of the
// time of a badge. Expansion copies a context before it changes it.
var started struct {
	sync.Mutex
	contexts map[string]*ld.Context
}

// maxStarted bounds the cache: whoever sends documents with other lists of
// contexts can't make it grow.
const maxStarted = 64

// startContext returns the active context of doc's own @context and the rest of
// doc, if @context has nothing but URLs; otherwise the empty context and doc.
func startContext(doc map[string]any) (*ld.Context, map[string]any, error) {
	empty, err := emptyContext()
	if err != nil {
		return nil, nil, err
	}
	urls, ok := doc["@context"].([]any)
	if url, one := doc["@context"].(string); one {
		urls, ok = []any{url}, true
	}
	var key strings.Builder
	for _, u := range urls {
		url, isText := u.(string)
		ok = ok && isText
		key.WriteString(url + "\n")
	}
	if !ok {
		return empty, doc, nil
	}
	rest := make(map[string]any, len(doc))
	for k, v := range doc {
		if k != "@context" {
			rest[k] = v
		}
	}
	started.Lock()
	defer started.Unlock()
	if c, ok := started.contexts[key.String()]; ok {
		return c, rest, nil
	}
	c, err := empty.Parse(urls)
	if err != nil {
		return nil, nil, err
	}
	if started.contexts == nil || len(started.contexts) >= maxStarted {
		started.contexts = map[string]*ld.Context{}
	}
	started.contexts[key.String()] = c
	return c, rest, nil
}
