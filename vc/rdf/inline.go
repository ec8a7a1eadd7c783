package rdf

// maxInlineWork is how many terms of the document's own contexts, times the objects
// that such a context may be copied for, are expanded. The bundled contexts have no
// part in it: their terms are few and known.
const maxInlineWork = 4_000_000

// tooManyTerms refuses a document whose own contexts would keep the full processor
// busy: it copies the terms in force wherever a context changes, so that the work is
// the product of the two, and no deadline would end it.
func tooManyTerms(doc any) error {
	var terms, objects int
	count(doc, false, &terms, &objects)
	if terms*objects <= maxInlineWork {
		return nil
	}
	return &Error{Reason: "its own contexts define more terms, for more objects, than are expanded in reasonable time; use the bundled contexts", cause: ErrTooMuchWork}
}

// count adds up the members of inline contexts, those of contexts in them too, and
// the objects of the document.
func count(v any, inContext bool, terms, objects *int) {
	switch v := v.(type) {
	case map[string]any:
		if inContext {
			*terms += len(v)
		} else {
			*objects++
		}
		for name, member := range v {
			count(member, inContext || name == "@context", terms, objects)
		}
	case []any:
		for _, member := range v {
			count(member, inContext, terms, objects)
		}
	}
}
