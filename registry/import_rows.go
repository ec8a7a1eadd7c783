package registry

import (
	"errors"
	"maps"
	"slices"
	"time"

	"clrnode/registry/oneroster"
)

var (
	tableSourceRows = Table{Name: "source_rows"}
	tableSourceRefs = Table{Name: "source_refs"}
)

// A sourceRow is one row of a source as it stands after all files that came in. It
// is never removed: a row that the source takes back is ended.
type sourceRow struct {
	Fields map[string]string `json:"fields"`
	Ended  bool              `json:"ended,omitempty"`
}

func (r sourceRow) equal(o sourceRow) bool {
	return r.Ended == o.Ended && maps.Equal(r.Fields, o.Fields)
}

// endsByAbsence are the files whose rows end when a bulk file lacks them. What was
// earned never ends that way, nor what describes it: a bulk file of this term's
// classes says nothing of last year's.
var endsByAbsence = []string{"users", "roles", "enrollments"}

// endsByTombstone are the files whose rows end by status tobedeleted. A class or a
// line item that its source deletes goes on describing the results it had.
var endsByTombstone = []string{"users", "roles", "enrollments", "results", "lineItemScoreScales", "resultScoreScales", "lineItemLearningObjectiveIds", "resultLearningObjectiveIds"}

// refColumns are the columns by which rows are found from what they refer to.
var refColumns = map[string][]string{
	"roles":                        {"userSourcedId"},
	"classes":                      {"courseSourcedId"},
	"lineItems":                    {"classSourcedId"},
	"results":                      {"studentSourcedId", "lineItemSourcedId"},
	"lineItemScoreScales":          {"lineItemSourcedId"},
	"resultScoreScales":            {"resultSourcedId"},
	"lineItemLearningObjectiveIds": {"lineItemSourcedId"},
	"resultLearningObjectiveIds":   {"resultSourcedId"},
}

// keptBelow are the columns by whose value the rows of a file are kept together, in the
// documents that refer: all results of a student are read in one go. Under its own id
// such a row has only the value. Rows that an older program wrote stand there whole,
// and what refers to them is empty.
var keptBelow = map[string]string{"results": "studentSourcedId"}

type outcome int

const (
	rowSame outcome = iota
	rowNew
	rowChanged
	rowEnding // was in force, and ends
)

// after is what a stored row (known: there is one) becomes by a row of a file.
func (r sourceRow) after(known bool, row *oneroster.Row) (sourceRow, outcome) {
	if row.Deleted() {
		if !known || r.Ended || !slices.Contains(endsByTombstone, row.Spec.File) {
			return r, rowSame
		}
		next := sourceRow{Fields: maps.Clone(r.Fields), Ended: true}
		if end := row.Get("endDate"); end != "" {
			next.Fields["endDate"] = end
		}
		return next, rowEnding
	}
	next := sourceRow{Fields: row.Fields()}
	switch {
	case !known:
		return next, rowNew
	case r.equal(next):
		return r, rowSame
	}
	return next, rowChanged
}

func (tx *Tx) sourceRow(publisher, source, file, id string) (sourceRow, bool, error) {
	doc, err := tx.docs.Get(tableSourceRows, keyOf(publisher, source, file, id))
	if column := keptBelow[file]; column != "" && err == nil {
		var below string
		if below, err = belowOf(doc); err == nil && below != "" {
			doc, err = tx.docs.Get(tableSourceRefs, keyOf(publisher, source, file+"."+column, below, id))
		}
	}
	if errors.Is(err, ErrNotFound) {
		return sourceRow{}, false, nil
	} else if err != nil {
		return sourceRow{}, false, err
	}
	r, err := parseSourceRow(doc)
	return r, err == nil, err
}

// anyRow tells whether a source ever said a row of a file. As long as it didn't, no row
// has to be looked for: most of a publisher's first import.
func (tx *Tx) anyRow(publisher, source, file string) (bool, error) {
	for _, err := range tx.docs.Scan(tableSourceRows, prefixOf(publisher, source, file), "", 1) {
		return err == nil, err
	}
	return false, nil
}

// ahead says that what is stored of these rows of a file will be read next. Those that
// are kept below another's are looked for where they now belong.
func (tx *Tx) ahead(publisher, source, file string, rows []*oneroster.Row) {
	keys := make([]string, len(rows))
	var kept []string
	for i, r := range rows {
		keys[i] = keyOf(publisher, source, file, r.ID())
		if column := keptBelow[file]; column != "" {
			kept = append(kept, keyOf(publisher, source, file+"."+column, r.Get(column), r.ID()))
		}
	}
	tx.docs.Ahead(tableSourceRows, keys)
	tx.docs.Ahead(tableSourceRefs, kept)
}

// putSourceRow writes a row and the references by which it is found.
func (tx *Tx) putSourceRow(publisher, source, file, id string, before, now sourceRow) error {
	doc := now.appendJSON(make([]byte, 0, 512))
	for _, column := range refColumns[file] {
		was, is := before.Fields[column], now.Fields[column]
		if was != "" && was != is {
			if err := tx.docs.Delete(tableSourceRefs, keyOf(publisher, source, file+"."+column, was, id)); err != nil {
				return err
			}
		}
		refers := emptyDoc
		switch below := keptBelow[file] == column && is != ""; {
		case below:
			refers, doc = doc, appendBelow(nil, is)
		case is == "" || was == is:
			continue
		}
		if err := tx.docs.Put(tableSourceRefs, keyOf(publisher, source, file+"."+column, is, id), refers); err != nil {
			return err
		}
	}
	return tx.docs.Put(tableSourceRows, keyOf(publisher, source, file, id), doc)
}

var emptyDoc = []byte("{}")

// rowsBelow are the rows of a file that are kept below id, and their own ids, in the
// order of these.
func (tx *Tx) rowsBelow(publisher, source, file, id string) (ids []string, rows []sourceRow, err error) {
	for row, err := range tx.docs.Scan(tableSourceRefs, prefixOf(publisher, source, file+"."+keptBelow[file], id), "", 0) {
		if err != nil {
			return nil, nil, err
		}
		own := lastPart(row.Key)
		r, err := parseSourceRow(row.Doc)
		if err == nil && r.Fields == nil {
			r, _, err = tx.sourceRow(publisher, source, file, own)
		}
		if err != nil {
			return nil, nil, err
		}
		ids, rows = append(ids, own), append(rows, r)
	}
	return ids, rows, nil
}

// referring are the ids of at most limit (0: all) rows of a file whose column holds
// id, after the id after.
func (tx *Tx) referring(publisher, source, file, column, id, after string, limit int) ([]string, error) {
	prefix := prefixOf(publisher, source, file+"."+column, id)
	if after != "" {
		after = keyOf(publisher, source, file+"."+column, id, after)
	}
	var ids []string
	for row, err := range tx.docs.Scan(tableSourceRefs, prefix, after, limit) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, lastPart(row.Key))
	}
	return ids, nil
}

// learnerRoleInForce tells whether a row of roles makes its user a learner today.
func learnerRoleInForce(r sourceRow, policy Policy, today time.Time) bool {
	return !r.Ended && slices.Contains(policy.LearnerRoles, r.Fields["role"]) && inForce(r.Fields["endDate"], today)
}

// inForce tells whether an end date, if there is one, is today or later.
func inForce(endDate string, today time.Time) bool {
	return endDate == "" || endDate >= today.Format(time.DateOnly)
}
