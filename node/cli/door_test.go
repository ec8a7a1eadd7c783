package cli

import (
	"slices"
	"testing"

	"clrnode/node"
	"clrnode/registry"
)

// A list is the same however many rows are asked for at a time.
func TestListsToTheirEnd(t *testing.T) {
	t.Parallel()
	c := newCrasher(t, "badger", 0, 1)
	c.inside(c.base("imported"), false, func(h *house) {
		wantSameList(t, h, "conflicts", 1, func(c registry.Conflict) string { return c.ID })
		wantSameList(t, h, "learners", 7, func(r node.LearnerRow) string { return r.ID })
	})
}

// wantSameList fails unless few rows at a time and all at once are the same list, of
// several pages.
func wantSameList[R any](t *testing.T, h *house, list string, few int, id func(R) string) {
	t.Helper()
	ids := func(limit int) (all []string) {
		rows, err := every(t.Context(), &door{house: h}, list, pageArgs{Limit: limit}, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			all = append(all, id(r))
		}
		return all
	}
	if got, want := ids(few), ids(pageRows); len(want) <= few || !slices.Equal(got, want) {
		t.Errorf("%s, %d at a time: %d rows; all at once: %d", list, few, len(got), len(want))
	}
}
