package registry

import (
	"iter"
	"maps"
	"slices"
	"time"

	"clrnode/registry/oneroster"
)

// leaving gathers what a package says of people, to tell who would leave by it.
type leaving struct {
	users   idSet // users in the file
	ended   idSet // users that it deletes
	roles   idSet // roles in the file
	kept    idSet // roles in the file that are bad, and therefore stay as they are
	learner idSet // users to whom it gives a role that makes a learner

	// named are the users whom the file names, or whose roles it does, where it has
	// only changes: nobody else can leave by it.
	named map[string]bool
}

func (l *leaving) mark(set *idSet, id string) {
	if *set == nil {
		*set = idSet{}
	}
	(*set)[idHash(id)] = 1
}

// see notes a row that is bad: whom it is about is there, as before.
func (l *leaving) see(file, id string) {
	switch file {
	case "users":
		l.mark(&l.users, id)
	case "roles":
		l.mark(&l.kept, id)
	}
}

// row notes a good row. before is what the registry has of it.
func (l *leaving) row(r *oneroster.Row, before sourceRow, policy Policy, today time.Time) {
	if l.named != nil {
		switch r.Spec.File {
		case "users":
			l.named[r.ID()] = true
		case "roles":
			for _, user := range []string{r.Get("userSourcedId"), before.Fields["userSourcedId"]} {
				if user != "" {
					l.named[user] = true
				}
			}
		}
	}
	switch r.Spec.File {
	case "users":
		if r.Deleted() {
			l.mark(&l.ended, r.ID())
		} else {
			l.mark(&l.users, r.ID())
		}
	case "roles":
		l.mark(&l.roles, r.ID())
		if !r.Deleted() && learnerRoleInForce(sourceRow{Fields: map[string]string{"role": r.Get("role"), "endDate": r.Get("endDate")}}, policy, today) {
			l.mark(&l.learner, r.Get("userSourcedId"))
		}
	}
}

// countLeaving finds the learners of the package's source who are in it now and
// wouldn't be any more.
func (s *staging) countLeaving() error {
	users, roles := s.pkg.Mode("users"), s.pkg.Mode("roles")
	if users == oneroster.Absent && roles == oneroster.Absent {
		return nil
	}
	present, absent := 0, 0
	var some []string
	look := func() error {
		rolesOf, err := s.tx.usersAhead(s.i.Publisher, s.i.Source, some)
		if err != nil {
			return err
		}
		for n, id := range some {
			was, stays, missing, err := s.fate(id, rolesOf[n], users == oneroster.Bulk, roles == oneroster.Bulk)
			if err != nil {
				return err
			}
			if was {
				present++
			}
			if !was || stays {
				continue
			}
			s.i.LeavingPeople++
			if missing {
				absent++
			}
			if err := s.nameLeaving(id); err != nil {
				return err
			}
		}
		some = some[:0]
		return nil
	}
	for id, err := range s.mayLeave() {
		if err != nil {
			return err
		}
		if some = append(some, id); len(some) == compareStep {
			if err := look(); err != nil {
				return err
			}
		}
	}
	if err := look(); err != nil {
		return err
	}
	s.i.Counts.Leaving = s.i.LeavingPeople
	if absent*10 > present {
		s.i.NeedsLeaving = absent
	}
	return nil
}

// nameLeaving names one who leaves, if there aren't many already.
func (s *staging) nameLeaving(user string) error {
	if len(s.i.Leaving) >= maxLeavingName {
		return nil
	}
	known, err := s.tx.learnerOf(s.i.Publisher, s.i.Source, user)
	if err != nil {
		return err
	}
	learner, err := s.tx.Learner(known)
	if err != nil {
		return err
	}
	s.i.Leaving = append(s.i.Leaving, learner.Name())
	return nil
}

// mayLeave are the users of the source who are learners and may leave by the package, in
// the order of their ids: those whom it names, if it has only changes, else all.
func (s *staging) mayLeave() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.leaving.named != nil {
			named := slices.Sorted(maps.Keys(s.leaving.named))
			keys := make([]string, len(named))
			for i, id := range named {
				keys[i] = keyOf(s.i.Publisher, s.i.Source, id)
			}
			s.tx.docs.Ahead(tableIdentities, keys)
			for _, id := range named {
				known, err := s.tx.learnerOf(s.i.Publisher, s.i.Source, id)
				if (known != "" || err != nil) && !yield(id, err) {
					return
				}
			}
			return
		}
		for row, err := range s.tx.docs.Scan(tableIdentities, prefixOf(s.i.Publisher, s.i.Source), "", 0) {
			if !yield(lastPart(row.Key), err) {
				return
			}
		}
	}
}

// fate tells whether a user is a learner of the source now, whether they stay one,
// and, if not, whether that is by being missing rather than by being deleted. ids are
// those of their roles.
func (s *staging) fate(user string, ids []string, bulkUsers, bulkRoles bool) (was, stays, missing bool, err error) {
	row, known, err := s.tx.sourceRow(s.i.Publisher, s.i.Source, "users", user)
	if err != nil || !known || row.Ended {
		return false, false, false, err
	}
	role, mentioned := s.leaving.learner.has(user), false
	for _, id := range ids {
		r, _, err := s.tx.sourceRow(s.i.Publisher, s.i.Source, "roles", id)
		if err != nil {
			return false, false, false, err
		}
		if !learnerRoleInForce(r, s.policy, s.tx.Now) {
			continue
		}
		was = true
		switch {
		case s.leaving.roles.has(id):
			mentioned = true
		case !bulkRoles || s.leaving.kept.has(id):
			role = true
		}
	}
	switch {
	case s.leaving.ended.has(user):
		return was, false, false, nil
	case bulkUsers && !s.leaving.users.has(user):
		return was, false, true, nil
	}
	return was, role, !mentioned, nil
}
