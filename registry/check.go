package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Fault is a record that isn't as the others say it must be.
type Fault struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	What  string `json:"what"` // "is not in learners_by_word"
}

func (f Fault) String() string { return fmt.Sprintf("%s %s %s", f.Table, f.Key, f.What) }

// MaxFaults is how many faults Check names.
const MaxFaults = 1000

// errFaults ends a check that found enough.
var errFaults = errors.New("enough faults")

// Check looks whether all that is stored agrees: each counter with what there is to
// count, each index with its documents and they with it, each signed version with its
// bytes, its digest and its leaf, each batch with its root, each credential with its
// place in its status list. It reads all of one snapshot and changes nothing. It returns
// the first MaxFaults faults; an error says that it could not read. report, if not nil,
// is told how many records were looked at, the last time at the end.
//
// These hold between any two transactions: nothing that a kill interrupts may break
// them.
func (db *DB) Check(ctx context.Context, report func(rows int)) (faults []Fault, err error) {
	if report == nil {
		report = func(int) {}
	}
	err = db.View(ctx, func(tx *Tx) error {
		c := &checker{tx: tx, report: report, counted: map[[2]string]int64{}, lists: map[string]*checkedList{}, inBatch: map[[2]string]int{}, leaves: map[string][][32]byte{}, waits: map[[2]string]bool{}}
		defer func() { faults = c.faults; report(c.rows) }()
		for _, part := range []func(*checker) error{
			checkPublishers, checkLearners, checkLearnerIndices, checkAssertions, checkSourceRows, checkRecords, checkConflicts,
			checkBatches, checkLists, checkCredentials, checkVersions, checkVersionIndices, checkOtherLeaves, checkPlaces, checkShares, checkLinkedDIDs, checkDocuments, checkWork, checkCounters,
		} {
			if err := part(c); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errFaults) {
		err = nil
	}
	return faults, err
}

type checker struct {
	tx      *Tx
	report  func(int)
	rows    int
	faults  []Fault
	counted map[[2]string]int64     // what counters should say, by publisher and name
	lists   map[string]*checkedList // status lists
	inBatch map[[2]string]int       // credentials found in a batch, by publisher and number
	leaves  map[string][][32]byte   // some rows of them
	waits   map[[2]string]bool      // other leaves that are queued, by publisher and what they are about
}

// fault notes that something is wrong with a record.
func (c *checker) fault(t Table, key, format string, args ...any) error {
	c.faults = append(c.faults, Fault{t.Name, key, fmt.Sprintf(format, args...)})
	if len(c.faults) >= MaxFaults {
		return errFaults
	}
	return nil
}

// want is a fault unless ok.
func (c *checker) want(ok bool, t Table, key, format string, args ...any) error {
	if ok {
		return nil
	}
	return c.fault(t, key, format, args...)
}

func (c *checker) count(publisher, name string, n int) {
	c.counted[[2]string{publisher, name}] += int64(n)
}

// each calls check for each document of a table, with its key and the parts of that.
func each[T any](c *checker, t Table, check func(key string, parts []string, v T) error) error {
	for row, err := range c.tx.docs.Scan(t, "", "", 0) {
		if err != nil {
			return err
		}
		if c.rows++; c.rows%1000 == 0 {
			c.report(c.rows)
		}
		var v T
		if err := json.Unmarshal(row.Doc, &v); err != nil {
			if err := c.fault(t, row.Key, "can't be read: %v", err); err != nil {
				return err
			}
			continue
		}
		if err := check(row.Key, keyParts(row.Key), v); err != nil {
			return err
		}
	}
	return nil
}

// keyParts are the parts of which keyOf made a key.
func keyParts(key string) []string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = lastPart(p)
	}
	return parts
}

// there tells whether a table has a document at a key.
func (c *checker) there(t Table, parts ...string) (bool, error) {
	_, err := c.tx.docs.Get(t, keyOf(parts...))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// listed is a fault of a record unless an index has an entry for it exactly if it is to
// have one.
func (c *checker) listed(of Table, key string, should bool, index Table, parts ...string) error {
	is, err := c.there(index, parts...)
	if err != nil || is == should {
		return err
	}
	if should {
		return c.fault(of, key, "is not in %s as %s", index.Name, keyOf(parts...))
	}
	return c.fault(of, key, "is in %s as %s, and should not be", index.Name, keyOf(parts...))
}

// named reads a document that a record names. Where there is none, that is a fault of
// the record, and ok is false.
func named[T any](c *checker, of Table, key string, t Table, parts ...string) (v T, ok bool, err error) {
	v, err = get[T](c.tx, t, parts...)
	if errors.Is(err, ErrNotFound) {
		return v, false, c.fault(of, key, "names %s of %s, which is not there", keyOf(parts...), t.Name)
	}
	return v, err == nil, err
}

func checkPublishers(c *checker) error {
	if err := each(c, tableDomains, func(key string, _ []string, ref reference) error {
		p, ok, err := named[Publisher](c, tableDomains, key, tablePublishers, ref.ID)
		if ok {
			err = c.want(p.Domain == key, tableDomains, key, "is not the domain of publisher %s", p.ID)
		}
		return err
	}); err != nil {
		return err
	}
	return each(c, tablePublishers, func(key string, _ []string, p Publisher) error {
		_, _, err := named[Key](c, tablePublishers, key, tableKeys, p.Key)
		_, _, err2 := named[Key](c, tablePublishers, key, tableKeys, p.LogKey)
		var err3 error
		if p.WebVH != "" {
			_, _, err3 = named[Key](c, tablePublishers, key, tableKeys, p.UpdateKey)
		}
		logged, err4 := c.there(tableDIDLogs, p.ID)
		return errors.Join(err, err2, err3, err4,
			c.listed(tablePublishers, key, p.Domain != "", tableDomains, p.Domain),
			c.want(logged == (p.WebVH != ""), tablePublishers, key, "has a did:webvh or a log of one, and not both"),
			c.want(p.ID == key, tablePublishers, key, "says that its id is %s", p.ID))
	})
}

func checkLearners(c *checker) error {
	return each(c, tableLearners, func(key string, _ []string, l Learner) error {
		merged := l.MergedInto != ""
		if !merged {
			c.count(l.Publisher, "learners", 1)
		}
		err := errors.Join(
			c.want(l.ID == key, tableLearners, key, "says that its id is %s", l.ID),
			c.listed(tableLearners, key, !merged, tableLearnersOf, l.Publisher, l.ID))
		for word := range l.words() {
			err = errors.Join(err, c.listed(tableLearners, key, !merged, tableLearnerWords, l.Publisher, word, l.ID))
		}
		for _, word := range l.nameWords() {
			err = errors.Join(err, c.listed(tableLearners, key, !merged, tableLearnerNames, l.Publisher, word, l.ID))
		}
		for _, i := range l.Identities {
			ref, ok, e := named[reference](c, tableLearners, key, tableIdentities, l.Publisher, i.Source, i.SourcedID)
			if err = errors.Join(err, e); ok && ref.ID != l.ID {
				err = errors.Join(err, c.fault(tableLearners, key, "is %s of %s, who is said to be %s", i.SourcedID, i.Source, ref.ID))
			}
		}
		return err
	})
}

// checkLearnerIndices looks from what finds learners to them.
func checkLearnerIndices(c *checker) error {
	finds := func(t Table, holds func(l Learner, parts []string) bool) error {
		return each(c, t, func(key string, parts []string, _ json.RawMessage) error {
			l, ok, err := named[Learner](c, t, key, tableLearners, parts[len(parts)-1])
			if ok {
				err = c.want(l.Publisher == parts[0] && holds(l, parts), t, key, "finds a learner who is no such")
			}
			return err
		})
	}
	return errors.Join(
		finds(tableLearnersOf, func(l Learner, _ []string) bool { return l.MergedInto == "" }),
		finds(tableLearnerWords, func(l Learner, parts []string) bool { return len(l.words()[parts[1]]) > 0 }),
		finds(tableLearnerNames, func(l Learner, parts []string) bool { return slices.Contains(l.nameWords(), parts[1]) }),
		each(c, tableIdentities, func(key string, parts []string, ref reference) error {
			l, ok, err := named[Learner](c, tableIdentities, key, tableLearners, ref.ID)
			if ok {
				err = c.want(slices.Contains(l.Identities, Identity{parts[1], parts[2]}), tableIdentities, key, "finds a learner who is no such")
			}
			return err
		}))
}

func checkAssertions(c *checker) error {
	var l Learner
	return each(c, tableAssertions, func(key string, parts []string, a Assertion) (err error) {
		if l.ID != parts[0] {
			if l, _, err = named[Learner](c, tableAssertions, key, tableLearners, parts[0]); err != nil {
				return err
			}
			if _, _, err := named[Record](c, tableAssertions, key, tableRecords, parts[0]); err != nil {
				return err
			}
		}
		return c.want(a.Learner == parts[0] && a.Key == parts[1], tableAssertions, key, "says that it is %s of learner %s", a.Key, a.Learner)
	})
}

// checkSourceRows looks at what sources said, and at what finds it.
func checkSourceRows(c *checker) error {
	rows := each(c, tableSourceRows, func(key string, parts []string, _ json.RawMessage) error {
		publisher, source, file, id := parts[0], parts[1], parts[2], parts[3]
		r, ok, err := c.tx.sourceRow(publisher, source, file, id)
		if err == nil && !ok {
			err = c.fault(tableSourceRows, key, "is kept below another row, and is not there")
		}
		for _, column := range refColumns[file] {
			if to := r.Fields[column]; to != "" {
				err = errors.Join(err, c.listed(tableSourceRows, key, true, tableSourceRefs, publisher, source, file+"."+column, to, id))
			}
		}
		return err
	})
	refs := each(c, tableSourceRefs, func(key string, parts []string, _ json.RawMessage) error {
		file, column, _ := strings.Cut(parts[2], ".")
		r, ok, err := c.tx.sourceRow(parts[0], parts[1], file, parts[4])
		switch {
		case err == nil && !ok:
			err = c.fault(tableSourceRefs, key, "names a row of %s that is not there", tableSourceRows.Name)
		case ok:
			err = c.want(r.Fields[column] == parts[3], tableSourceRefs, key, "finds a row that refers to %q", r.Fields[column])
		}
		return err
	})
	return errors.Join(rows, refs)
}

func checkRecords(c *checker) error {
	for list, holds := range map[Table]func(Record) bool{tableRecordsChanged: Record.Changed, tableRecordsEmptied: Record.Emptied} {
		if err := each(c, list, func(key string, parts []string, _ json.RawMessage) error {
			r, ok, err := named[Record](c, list, key, tableRecords, parts[1])
			if ok {
				err = c.want(holds(r) && r.Publisher == parts[0], list, key, "lists a record that is no such")
			}
			return err
		}); err != nil {
			return err
		}
	}
	return each(c, tableRecords, func(key string, _ []string, r Record) error {
		l, ok, err := named[Learner](c, tableRecords, key, tableLearners, r.Learner)
		if r.Changed() {
			c.count(r.Publisher, "changed", 1)
		}
		if r.Emptied() {
			c.count(r.Publisher, "emptied", 1)
		}
		err = errors.Join(err,
			c.want(r.Learner == key, tableRecords, key, "says that it is of learner %s", r.Learner),
			c.want(!ok || l.MergedInto != "" || r.Whom == l.DID, tableRecords, key, "is to name %q, and its learner has %q", r.Whom, l.DID),
			c.listed(tableRecords, key, r.Changed(), tableRecordsChanged, r.Publisher, r.Learner),
			c.listed(tableRecords, key, r.Emptied(), tableRecordsEmptied, r.Publisher, r.Learner))
		if r.Credential == "" {
			return err
		}
		cr, ok, e := named[Credential](c, tableRecords, key, tableCredentials, r.Credential)
		if ok {
			e = errors.Join(
				c.want(cr.Version == r.Version && cr.Learner == r.Learner && cr.Kind == KindRecord, tableRecords, key, "is version %d of credential %s, which has version %d of learner %s", r.Version, cr.ID, cr.Version, cr.Learner),
				c.want((cr.Revoked != nil) == r.Revoked, tableRecords, key, "and its credential %s don't agree about its being revoked", cr.ID))
		}
		return errors.Join(err, e)
	})
}

func checkConflicts(c *checker) error {
	if err := each(c, tableConflictsOpen, func(key string, parts []string, _ json.RawMessage) error {
		f, ok, err := named[Conflict](c, tableConflictsOpen, key, tableConflicts, parts[1])
		if ok {
			err = c.want(f.Choice == "" && f.Publisher == parts[0], tableConflictsOpen, key, "lists a conflict that is settled")
		}
		return err
	}); err != nil {
		return err
	}
	if err := each(c, tableConflictsOf, func(key string, parts []string, _ json.RawMessage) error {
		f, ok, err := named[Conflict](c, tableConflictsOf, key, tableConflicts, parts[1])
		if ok {
			err = c.want(f.Learner == parts[0] || f.Other == parts[0], tableConflictsOf, key, "names a conflict of somebody else")
		}
		return err
	}); err != nil {
		return err
	}
	return each(c, tableConflicts, func(key string, _ []string, f Conflict) error {
		if f.Choice == "" {
			c.count(f.Publisher, "conflicts", 1)
		}
		err := errors.Join(
			c.listed(tableConflicts, key, f.Choice == "", tableConflictsOpen, f.Publisher, f.ID),
			c.listed(tableConflicts, key, true, tableConflictsOf, f.Learner, f.ID))
		if f.Other != "" {
			err = errors.Join(err, c.listed(tableConflicts, key, true, tableConflictsOf, f.Other, f.ID))
		}
		return err
	})
}

// checkWork looks at imports and jobs, and at the lists of those that go on.
func checkWork(c *checker) error {
	const made = "20060102T150405.000000000"
	return errors.Join(
		each(c, tableJobs, func(key string, _ []string, j Job) error {
			return c.listed(tableJobs, key, j.State == JobRunning, tableJobsRunning, j.ID)
		}),
		each(c, tableJobsRunning, func(key string, parts []string, _ json.RawMessage) error {
			_, _, err := named[Job](c, tableJobsRunning, key, tableJobs, parts[0])
			return err
		}),
		each(c, tableImports, func(key string, _ []string, i Import) (err error) {
			when := i.Created.UTC().Format(made)
			for _, state := range []string{ImportStaging, ImportStaged, ImportApplying, ImportApplied, ImportDiscarded} {
				err = errors.Join(err, c.listed(tableImports, key, i.State == state, tableImportsIn, state, when, i.ID))
			}
			return errors.Join(err, c.listed(tableImports, key, true, tableImportsOf, i.Publisher, when, i.ID))
		}),
		each(c, tableImportsOf, func(key string, parts []string, _ json.RawMessage) error {
			_, _, err := named[Import](c, tableImportsOf, key, tableImports, parts[2])
			return err
		}))
}

func checkShares(c *checker) error {
	return errors.Join(
		each(c, tableShares, func(key string, _ []string, s Share) error {
			c.count(s.Publisher, "shares", 1)
			_, _, err := named[Learner](c, tableShares, key, tableLearners, s.Learner)
			return errors.Join(err, c.listed(tableShares, key, true, tableLearnerShares, s.Learner, s.Created.UTC().Format("20060102T150405.000000000"), s.ID))
		}),
		each(c, tableLearnerShares, func(key string, _ []string, ref reference) error {
			_, _, err := named[Share](c, tableLearnerShares, key, tableShares, ref.ID)
			return err
		}),
		each(c, tableTokens, func(key string, _ []string, t Token) error {
			return c.listed(tableTokens, key, true, tableTickets, ticketToken, t.Hash)
		}),
		each(c, tableTickets, func(key string, parts []string, t ticket) (err error) {
			var ref reference
			switch parts[0] {
			case ticketShare:
				if err = json.Unmarshal(t.Data, &ref); err == nil {
					_, _, err = named[Share](c, tableTickets, key, tableShares, ref.ID)
				}
			case ticketToken:
				if err = json.Unmarshal(t.Data, &ref); err == nil {
					_, _, err = named[Token](c, tableTickets, key, tableTokens, strings.Split(ref.ID, "/")...)
				}
			}
			return err
		}))
}

// checkCounters compares what was counted with the counters, once all is counted.
func checkCounters(c *checker) error {
	kept := map[[2]string]int64{}
	if err := each(c, tableCounters, func(_ string, parts []string, v counter) error {
		kept[[2]string{parts[0], parts[1]}] += v.Value
		return nil
	}); err != nil {
		return err
	}
	names := map[[2]string]bool{}
	for name := range kept {
		names[name] = true
	}
	for name := range c.counted {
		names[name] = true
	}
	for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		if err := c.want(kept[name] == c.counted[name], tableCounters, keyOf(name[:]...), "says %d, and there are %d", kept[name], c.counted[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkDocuments looks at the copies of publishers' DID documents: they are counted without
// a gap.
func checkDocuments(c *checker) error {
	last := map[string]int{}
	return each(c, tableDocuments, func(key string, _ []string, d DocumentCopy) error {
		_, _, err := named[Publisher](c, tableDocuments, key, tablePublishers, d.Publisher)
		last[d.DID]++
		return errors.Join(err,
			c.want(key == keyOf(d.documentKey()...), tableDocuments, key, "says that it is copy %d of the document of %s", d.Number, d.DID),
			c.want(d.Number == last[d.DID], tableDocuments, key, "is copy %d, and there are %d before it", d.Number, last[d.DID]-1))
	})
}

// checkLinkedDIDs looks at the DIDs of learners, and from what finds those to them.
func checkLinkedDIDs(c *checker) error {
	return errors.Join(
		each(c, tableLinkedDIDs, func(key string, parts []string, l LinkedDID) error {
			_, _, err := named[Learner](c, tableLinkedDIDs, key, tableLearners, l.Learner)
			err = errors.Join(err, c.want(l.Learner == parts[0] && l.ID == parts[1], tableLinkedDIDs, key, "says that it is %s of learner %s", l.ID, l.Learner))
			if !l.Unlinked.IsZero() {
				return errors.Join(err, c.want(l.InRecord, tableLinkedDIDs, key, "was unlinked, and no record names it"))
			}
			return errors.Join(err, c.listed(tableLinkedDIDs, key, true, tableLinkedBy, l.Publisher, didKey(l.DID)))
		}),
		each(c, tableLinkedBy, func(key string, parts []string, ref reference) error {
			l, ok, err := named[LinkedDID](c, tableLinkedBy, key, tableLinkedDIDs, strings.Split(ref.ID, "/")...)
			if ok {
				err = c.want(l.Publisher == parts[0] && didKey(l.DID) == parts[1] && l.Unlinked.IsZero(), tableLinkedBy, key, "finds a DID that is no such")
			}
			return err
		}))
}
