package clr

import "clrnode/internal/jcs"

const resultSection = "Open Badges 3.0, Result"

// results judges the results of a badge's subject against what its achievement says of
// them: a result names a description of this achievement and a level of that, and has a
// status where the description says so.
func (c *checker) results(subject *jcs.Value) {
	results := subject.Get("result").Items()
	if len(results) == 0 {
		return
	}
	descriptions := newFinder(subject.Get("achievement").Get("resultDescription"))
	levels := map[*jcs.Value]finder{}
	for i := range results {
		r := &results[i]
		name := r.Get("resultDescription")
		if name == nil || c.full() {
			continue
		}
		c.work += 1 + len(name.Text)
		d := descriptions.find(name.Text)
		if d == nil {
			c.add("result.unknown", name, "", resultSection,
				"The result is of %s, which its achievement doesn't describe; name one of the achievement's own result descriptions.", quoted(name.Text))
			continue
		}
		if d.Str("resultType") == "Status" && !r.Has("status") {
			c.add("result.status", r, "", resultSection, "The result description says that this result is a status, and there is none; add it.")
		}
		level := r.Get("achievedLevel")
		if level == nil || !d.Has("rubricCriterionLevel") {
			continue
		}
		in, ok := levels[d]
		if !ok {
			in = newFinder(d.Get("rubricCriterionLevel"))
			levels[d] = in
		}
		if in.find(level.Text) == nil {
			c.add("result.unknown", level, "", resultSection,
				"The level is %s, which the result description doesn't have; name one of its rubricCriterionLevel.", quoted(level.Text))
		}
	}
}

// A finder finds an object of a set by its id: few by looking at each, many by a map,
// so that looking often isn't more work than the document is long.
type finder struct {
	items []jcs.Value
	byID  map[string]*jcs.Value // where there are many
}

func newFinder(set *jcs.Value) finder {
	f := finder{items: set.Items()}
	if len(f.items) > fewMembers {
		f.byID = make(map[string]*jcs.Value, len(f.items))
		for i := range f.items {
			f.byID[f.items[i].Str("id")] = &f.items[i]
		}
	}
	return f
}

// find returns the object with an id, or nil.
func (f finder) find(id string) *jcs.Value {
	if f.byID != nil {
		return f.byID[id]
	}
	for i := range f.items {
		if f.items[i].Str("id") == id {
			return &f.items[i]
		}
	}
	return nil
}
