package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

var (
	tableLearners     = Table{Name: "learners"}
	tableLearnersOf   = Table{Name: "learners_by_publisher"}
	tableLearnerWords = Table{Name: "learners_by_word"}
	tableIdentities   = Table{Name: "identities"}
)

// The standings of a learner. A change of standing never touches what the learner
// has earned.
const (
	StandingActive    = "active"    // some source has them in a role that makes a learner
	StandingLeft      = "left"      // no source has, any more
	StandingGraduated = "graduated" // no source has, and they hold a degree or diploma
	StandingMerged    = "merged"    // a person found them to be another learner, see MergedInto
)

// A Learner is a person at one publisher, brought together from the sources that
// know them.
type Learner struct {
	ID              string     `json:"id"`
	Publisher       string     `json:"publisher"`
	Given           string     `json:"given"`
	Middle          string     `json:"middle,omitempty"`
	Family          string     `json:"family"`
	PreferredGiven  string     `json:"preferredGiven,omitempty"`
	PreferredFamily string     `json:"preferredFamily,omitempty"`
	Username        string     `json:"username,omitempty"`
	StudentNumber   string     `json:"studentNumber,omitempty"`
	Email           string     `json:"email,omitempty"`
	MasterID        string     `json:"masterId,omitempty"`
	Identities      []Identity `json:"identities"` // the first one's names and identifiers come first
	Roles           []string   `json:"roles"`      // those in force, sorted
	Standing        string     `json:"standing"`
	StandingSince   time.Time  `json:"standingSince"`
	MergedInto      string     `json:"mergedInto,omitempty"`
	Created         time.Time  `json:"created"`
	Updated         time.Time  `json:"updated"`
	DID             string     `json:"did,omitempty"` // that their record is to name, see LinkedDID; "" for none
}

// An Identity is what one source calls a person.
type Identity struct {
	Source    string `json:"source"`
	SourcedID string `json:"sourcedId"`
}

// Name is the learner's name as they would have it read: the preferred parts
// before the official ones.
func (l Learner) Name() string {
	given, family := l.Given, l.Family
	if l.PreferredGiven != "" {
		given = l.PreferredGiven
	}
	if l.PreferredFamily != "" {
		family = l.PreferredFamily
	}
	return strings.TrimSpace(given + " " + family)
}

// OfficialName is the full name that the sources hold.
func (l Learner) OfficialName() string {
	return strings.Join(strings.Fields(l.Given+" "+l.Middle+" "+l.Family), " ")
}

// The kinds of words under which a learner is found.
const (
	wordSourcedID     = "sourcedId"
	wordUsername      = "username"
	wordStudentNumber = "student number"
	wordEmail         = "e-mail"
	wordMasterID      = "master id"
)

// maxWord is the length in bytes beyond which nobody is found by a word.
const maxWord = 255

// words are the words that find l, each with its kinds.
func (l Learner) words() map[string][]string {
	words := map[string][]string{}
	add := func(kind, word string) {
		if word = foldWord(word); word != "" && len(word) <= maxWord {
			words[word] = append(words[word], kind)
		}
	}
	for _, i := range l.Identities {
		add(wordSourcedID, i.SourcedID)
	}
	add(wordUsername, l.Username)
	add(wordStudentNumber, l.StudentNumber)
	add(wordEmail, l.Email)
	add(wordMasterID, l.MasterID)
	return words
}

// foldWord makes one word of the ways to write it: case and composition of letters
// play no part.
func foldWord(s string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(s))) }

type wordRow struct {
	Kinds []string `json:"kinds"`
}

// Learner returns the learner with this id, or ErrNotFound.
func (tx *Tx) Learner(id string) (Learner, error) { return get[Learner](tx, tableLearners, id) }

// Learners returns at most limit learners (0: all) of a publisher in the order of
// their ids, beginning after the learner with the id after ("" for the first).
// Learners that were merged into others are left out.
func (tx *Tx) Learners(publisher, after string, limit int) ([]Learner, error) {
	if after != "" {
		after = keyOf(publisher, after)
	}
	var all []Learner
	for row, err := range tx.docs.Scan(tableLearnersOf, prefixOf(publisher), after, limit) {
		if err != nil {
			return nil, err
		}
		l, err := tx.Learner(lastPart(row.Key))
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// FindLearners returns the publisher's learners whose id, sourcedId, username,
// student number, e-mail or master id is word, in the order of their ids. Case
// plays no part. None is no error.
func (tx *Tx) FindLearners(publisher, word string) ([]Learner, error) {
	found, err := tx.learnersByWord(publisher, word)
	if err != nil {
		return nil, err
	}
	return tx.findAmong(publisher, word, found)
}

// findAmong does so where it is known whom learnersByWord finds.
func (tx *Tx) findAmong(publisher, word string, found map[string][]string) ([]Learner, error) {
	var ids []string
	if l, err := tx.Learner(word); err == nil && l.Publisher == publisher {
		for l.MergedInto != "" {
			if l, err = tx.Learner(l.MergedInto); err != nil {
				return nil, err
			}
		}
		ids = append(ids, l.ID)
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var all []Learner
	for _, id := range slices.Compact(ids) {
		l, err := tx.Learner(id)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// learnersByWord are the ids of the learners with this word, and the word's kinds.
func (tx *Tx) learnersByWord(publisher, word string) (map[string][]string, error) {
	found := map[string][]string{}
	if word = foldWord(word); word == "" || len(word) > maxWord {
		return found, nil
	}
	for row, err := range tx.docs.Scan(tableLearnerWords, prefixOf(publisher, word), "", 0) {
		if err != nil {
			return nil, err
		}
		w, err := decode[wordRow](row)
		if err != nil {
			return nil, err
		}
		found[lastPart(row.Key)] = w.Kinds
	}
	return found, nil
}

// learnerOf is the id of the learner whom a source calls sourcedID, "" if none.
func (tx *Tx) learnerOf(publisher, source, sourcedID string) (string, error) {
	ref, err := get[reference](tx, tableIdentities, publisher, source, sourcedID)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return ref.ID, err
}

// putLearner writes l and what finds it. before is l as it was, zero if it is new.
func (tx *Tx) putLearner(before, l Learner) error {
	if before.ID == "" {
		if err := put(tx, tableLearnersOf, struct{}{}, l.Publisher, l.ID); err != nil {
			return err
		}
		if err := tx.Count(l.Publisher, "learners", 1); err != nil {
			return err
		}
	}
	was, is := before.words(), l.words()
	for word := range was {
		if _, still := is[word]; !still {
			if err := tx.docs.Delete(tableLearnerWords, keyOf(l.Publisher, word, l.ID)); err != nil {
				return err
			}
		}
	}
	for word, kinds := range is {
		if !slices.Equal(was[word], kinds) {
			if err := put(tx, tableLearnerWords, wordRow{kinds}, l.Publisher, word, l.ID); err != nil {
				return err
			}
		}
	}
	named, names := before.nameWords(), l.nameWords()
	for _, word := range named {
		if !slices.Contains(names, word) {
			if err := tx.docs.Delete(tableLearnerNames, keyOf(l.Publisher, word, l.ID)); err != nil {
				return err
			}
		}
	}
	for _, word := range names {
		if !slices.Contains(named, word) {
			if err := put(tx, tableLearnerNames, struct{}{}, l.Publisher, word, l.ID); err != nil {
				return err
			}
		}
	}
	for _, i := range l.Identities {
		if !slices.Contains(before.Identities, i) {
			if err := put(tx, tableIdentities, reference{l.ID}, l.Publisher, i.Source, i.SourcedID); err != nil {
				return err
			}
		}
	}
	return put(tx, tableLearners, l, l.ID)
}

// SetDID gives the learner the DID that records name from the next version on, "" for
// none. A record in force that names another one is listed as changed.
func (tx *Tx) SetDID(learner, did string) error {
	l, err := tx.Learner(learner)
	if err != nil {
		return err
	}
	before := l
	l.DID, l.Updated = did, tx.Now
	if err := tx.putLearner(before, l); err != nil {
		return err
	}
	was, err := tx.Record(learner)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	now := was
	now.Whom = did
	return tx.putRecord(was, now)
}

// lastPart is the last part of a key, as keyOf took it.
func lastPart(key string) string {
	part := key[strings.LastIndexByte(key, '/')+1:]
	if !strings.Contains(part, "%") {
		return part
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '%' && i+2 < len(part) {
			var c byte
			fmt.Sscanf(part[i+1:i+3], "%02X", &c)
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(part[i])
	}
	return b.String()
}
