package did

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxControllers bounds how many documents are read on the way from a document to those
// who control it.
const maxControllers = 16

// Controllers returns the documents of those who may act for the subject of doc, nearest
// first (DID Core 1.0, 5.1.2): the ones that doc names as its controllers, and theirs. A
// document that names itself, or nobody, is its own controller and ends its line.
//
// A ring of controllers, in which nobody has the last word, is [ErrInvalidDocument], as is
// one of more than 16 documents; a controller that can't be resolved is the error that r
// gives.
func Controllers(ctx context.Context, r Resolver, doc *Document) ([]*Document, error) {
	var found []*Document
	var follow func(doc *Document, way []string) error
	follow = func(doc *Document, way []string) error {
		way = append(way, doc.ID.String())
		for _, c := range doc.Controller {
			if c == doc.ID {
				continue
			}
			if slices.Contains(way, c.String()) {
				return fmt.Errorf("%w: a ring of controllers: %s -> %s", ErrInvalidDocument, strings.Join(way, " -> "), c)
			}
			if slices.ContainsFunc(found, func(d *Document) bool { return d.ID == c }) {
				continue // by another way, on which it was followed to its end
			}
			if len(found) == maxControllers {
				return fmt.Errorf("%w: more than %d controllers stand behind %s", ErrInvalidDocument, maxControllers, way[0])
			}
			next, err := r.Resolve(ctx, c, Options{})
			if err != nil {
				return fmt.Errorf("the controller %s of %s: %w", c, doc.ID, err)
			}
			found = append(found, next.Document)
			if err := follow(next.Document, slices.Clone(way)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := follow(doc, nil); err != nil {
		return nil, err
	}
	return found, nil
}
