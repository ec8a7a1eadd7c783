package rdf

import (
	"slices"
	"strings"
	"sync"
)

// bundledIRIs are the IRIs of the terms of bundled contexts, each with a number for as
// long as the program runs. They are nearly all predicates and classes of a record, so
// that these are compared as numbers.
var bundledIRIs struct {
	sync.Mutex
	numbers map[string]node
	order   *iriOrder
}

// iriOrder is how bundled IRIs sort. It doesn't change; where there are more IRIs, there
// is another one.
type iriOrder struct {
	texts []string // by number from firstBundled on, with < and > around them
	ranks []int32  // the place of each among all, by code point
}

// bundledIRI is the node of an IRI that a bundled context defines, in < and >.
func bundledIRI(text string) node {
	all := &bundledIRIs
	all.Lock()
	defer all.Unlock()
	n, ok := all.numbers[text]
	if !ok {
		if all.numbers == nil {
			all.numbers = map[string]node{}
		}
		n = firstBundled + node(len(all.numbers))
		all.numbers[text] = n
	}
	return n
}

// bundledOrder is the order of all that are known.
func bundledOrder() *iriOrder {
	all := &bundledIRIs
	all.Lock()
	defer all.Unlock()
	if n := len(all.numbers); all.order == nil || len(all.order.texts) < n {
		order := &iriOrder{make([]string, n), make([]int32, n)}
		sorted := make([]node, 0, n)
		for text, number := range all.numbers {
			order.texts[number-firstBundled] = text
			sorted = append(sorted, number-firstBundled)
		}
		slices.SortFunc(sorted, func(a, b node) int { return strings.Compare(order.texts[a], order.texts[b]) })
		for rank, number := range sorted {
			order.ranks[number] = int32(rank)
		}
		all.order = order
	}
	return all.order
}

const (
	rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsd = "http://www.w3.org/2001/XMLSchema#"
)

var (
	rdfType  = bundledIRI("<" + rdf + "type>")
	rdfFirst = bundledIRI("<" + rdf + "first>")
	rdfRest  = bundledIRI("<" + rdf + "rest>")
	rdfNil   = bundledIRI("<" + rdf + "nil>")

	verifiableCredentialNode = bundledIRI("<" + verifiableCredential + ">")
)
