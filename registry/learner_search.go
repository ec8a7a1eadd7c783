package registry

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var tableLearnerNames = Table{Name: "learners_by_name"}

// Limits of the search by name.
const (
	maxNameWords = 24     // of one learner's names that find them
	maxSearched  = 20_000 // learners at whom one search looks
	searchStep   = 200    // of them at once
	maxSearch    = 1000   // bytes of what is searched for
)

// plainLetters are letters that have no mark that could be taken off, and how
// people write them who don't have them.
var plainLetters = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ħ", "h", "ı", "i", "ŋ", "n", "ς", "σ")

// foldName is a name without case, accents and apostrophes.
func foldName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || strings.ContainsRune("'’‘ʼʻ`´", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
	return plainLetters.Replace(s)
}

// splitName are the folded words of a name, without doubles, in their order.
// O'Brien is one word, and Smith-Jones are two.
func splitName(s string) []string {
	var words []string
	for _, w := range strings.FieldsFunc(foldName(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) <= maxWord && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// nameWords are the words by which l is found by name: those of the official and of
// the preferred names.
func (l Learner) nameWords() []string {
	names := []string{l.Family, l.Given, l.PreferredFamily, l.PreferredGiven, l.Middle}
	for i, n := range names {
		names[i] = n[:min(len(n), maxSearch)]
	}
	words := splitName(strings.Join(names, " "))
	return words[:min(len(words), maxNameWords)]
}

// SearchLearners returns at most limit learners (0: all) of a publisher whom words
// names: first those whom FindLearners finds by the whole of it; then those whose
// name has a word beginning with each of the words, in the order of the names that
// the longest of them finds. Case, accents and apostrophes play no part. Of the
// names that the longest word begins, the first 20,000 are looked at. None is no
// error.
func (tx *Tx) SearchLearners(publisher, words string, limit int) ([]Learner, error) {
	all, err := tx.FindLearners(publisher, strings.TrimSpace(words))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range all {
		seen[l.ID] = true
	}
	full := func() bool { return limit > 0 && len(all) >= limit }
	wanted := splitName(words[:min(len(words), maxSearch)])
	if full() {
		return all[:limit], nil
	}
	if len(wanted) == 0 {
		return all, nil
	}
	longest := slices.MaxFunc(wanted, func(a, b string) int { return len(a) - len(b) })
	after, looked := "", 0
	step := min(cmp.Or(limit, searchStep), searchStep) // who wants few finds them among the first, most often
	for ; ; step = searchStep {
		var ids []string
		rows := 0
		for row, err := range tx.docs.Scan(tableLearnerNames, prefixOf(publisher)+keyOf(longest), after, step) {
			if err != nil {
				return nil, err
			}
			rows++
			after = row.Key
			if id := lastPart(row.Key); !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		tx.docs.Ahead(tableLearners, ids)
		for _, id := range ids {
			l, err := tx.Learner(id)
			if err != nil {
				return nil, err
			}
			has := l.nameWords()
			if slices.ContainsFunc(wanted, func(w string) bool {
				return !slices.ContainsFunc(has, func(h string) bool { return strings.HasPrefix(h, w) })
			}) {
				continue
			}
			if all = append(all, l); full() {
				return all, nil
			}
		}
		if looked += rows; rows < step || looked >= maxSearched {
			return all, nil
		}
	}
}
