package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"clrnode/registry/oneroster"
	"clrnode/vc/clr"
)

// The keys of result descriptions.
const (
	keyLetter = "letter" // a value of the score scale
	keyScore  = "score"  // a number between the line item's least and most
	keyText   = "text"   // a text score that no scale has
)

// A gradedItem is a line item with all that describes its results.
type gradedItem struct {
	class            string
	final            bool // its category is that of final grades
	achievement      clr.Achievement
	course           *clr.Achievement // the course that an examination is part of
	letters          []string         // values of the score scale
	across           string           // see Assertion.Across
	term             string
	start, end       time.Time
	resultAlignments []clr.Alignment
}

// A courseCache keeps graded items while learners are derived. It is for one run
// during which no rows change.
type courseCache struct {
	items map[string]gradedItem
	links map[string]bool // whether a source has any rows of a linking file
}

func newCourseCache() *courseCache {
	return &courseCache{items: map[string]gradedItem{}, links: map[string]bool{}}
}

// item is the line item with this id, or ErrNotFound where the source's rows about
// it aren't complete.
func (c *courseCache) item(tx *Tx, publisher, source, id string, policy Policy) (gradedItem, error) {
	key := keyOf(source, id)
	if item, ok := c.items[key]; ok {
		return item, nil
	}
	if len(c.items) > 20_000 {
		clear(c.items)
	}
	item, err := tx.gradedItem(publisher, source, id, policy)
	if err == nil {
		c.items[key] = item
	}
	return item, err
}

// ofResult is item with what the source links to one of its results alone: another
// score scale, and learning objectives.
func (c *courseCache) ofResult(tx *Tx, publisher, source, result string, item gradedItem) (gradedItem, error) {
	for _, file := range []string{"resultScoreScales", "resultLearningObjectiveIds"} {
		any, known := c.links[source+"/"+file]
		if !known {
			for _, err := range tx.docs.Scan(tableSourceRows, prefixOf(publisher, source, file), "", 1) {
				if err != nil {
					return item, err
				}
				any = true
			}
			c.links[source+"/"+file] = any
		}
		if !any {
			continue
		}
		rows, err := tx.linked(publisher, source, file, "resultSourcedId", result)
		if err != nil {
			return item, err
		}
		if file == "resultLearningObjectiveIds" {
			item.resultAlignments = objectives(rows)
		} else if len(rows) > 0 {
			scale, _, err := tx.sourceRow(publisher, source, "scoreScales", rows[0].Fields["scoreScaleSourcedId"])
			if err != nil {
				return item, err
			}
			item.letters = item.describeResults(item.minMax(), scale.Fields)
		}
	}
	return item, nil
}

// linked are the rows in force of a linking file that refer to id, in order of ids.
func (tx *Tx) linked(publisher, source, file, column, id string) ([]sourceRow, error) {
	ids, err := tx.referring(publisher, source, file, column, id, "", 0)
	if err != nil {
		return nil, err
	}
	var rows []sourceRow
	for _, id := range ids {
		r, _, err := tx.sourceRow(publisher, source, file, id)
		if err != nil {
			return nil, err
		}
		if !r.Ended {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// gradedItem puts a line item together with its category, class, course, terms,
// score scale and learning objectives.
func (tx *Tx) gradedItem(publisher, source, id string, policy Policy) (gradedItem, error) {
	var missing error
	row := func(file, id string) map[string]string {
		r, known, err := tx.sourceRow(publisher, source, file, id)
		if err == nil && !known && id != "" {
			err = fmt.Errorf("%s %s: %w", file, id, ErrNotFound)
		}
		missing = cmp.Or(missing, err)
		return r.Fields
	}
	lineItem := row("lineItems", id)
	category := row("categories", lineItem["categorySourcedId"])
	class := row("classes", lineItem["classSourcedId"])
	course := row("courses", class["courseSourcedId"])
	if missing != nil {
		return gradedItem{}, missing
	}
	scales, err := tx.linked(publisher, source, "lineItemScoreScales", "lineItemSourcedId", id)
	if err != nil {
		return gradedItem{}, err
	}
	aims, err := tx.linked(publisher, source, "lineItemLearningObjectiveIds", "lineItemSourcedId", id)
	if err != nil {
		return gradedItem{}, err
	}
	item := gradedItem{class: lineItem["classSourcedId"], final: foldWord(category["title"]) == foldWord(policy.FinalCategory)}
	var scale map[string]string
	if len(scales) > 0 {
		scale = row("scoreScales", scales[0].Fields["scoreScaleSourcedId"])
	}
	item.when(lineItem, class, func(id string) map[string]string { return row("academicSessions", id) })
	above := courseAchievement(course, class, row("orgs", course["orgSourcedId"])["name"])
	if missing != nil && !errors.Is(missing, ErrNotFound) {
		return gradedItem{}, missing
	}
	if item.final {
		item.achievement = above
		if above.HumanCode != "" && item.term != "" {
			item.across = "Course/" + above.HumanCode + "/" + foldWord(item.term)
		}
	} else {
		item.course = &above
		item.achievement = examination(lineItem, category["title"], above)
	}
	item.achievement.Alignments = objectives(aims)
	item.letters = item.describeResults([2]string{lineItem["resultValueMin"], lineItem["resultValueMax"]}, scale)
	return item, nil
}

// when sets the term, and when it began and ended.
func (item *gradedItem) when(lineItem, class map[string]string, session func(id string) map[string]string) {
	ids := oneroster.SplitList(class["termSourcedIds"])
	if len(ids) == 0 {
		ids = []string{cmp.Or(lineItem["gradingPeriodSourcedId"], lineItem["academicSessionSourcedId"])}
	}
	var titles []string
	for _, id := range ids {
		s := session(id)
		if s == nil {
			continue
		}
		titles = append(titles, s["title"])
		if from := day(s["startDate"]); item.start.IsZero() || from.Before(item.start) {
			item.start = from
		}
		if to := day(s["endDate"]); to.After(item.end) {
			item.end = to
		}
	}
	item.term = strings.Join(titles, ", ")
}

func courseAchievement(course, class map[string]string, org string) clr.Achievement {
	a := clr.Achievement{
		Type:         "Course",
		Name:         course["title"],
		HumanCode:    course["courseCode"],
		Criteria:     "A final grade in a class of this course, as its teacher entered it in the official gradebook.",
		FieldOfStudy: strings.Join(oneroster.SplitList(cmp.Or(course["subjects"], class["subjects"])), ", "),
	}
	a.Description = "The course " + a.Name
	if a.HumanCode != "" {
		a.Description += " (" + a.HumanCode + ")"
	}
	if org != "" {
		a.Description += ", " + org
	}
	a.Description += "."
	const m = "metadata."
	if a.CreditsAvailable = credits(class, m+"creditsAvailable", m+"credits", m+"creditHours"); a.CreditsAvailable == nil {
		a.CreditsAvailable = credits(course, m+"creditsAvailable", m+"credits", m+"creditHours")
	}
	return a
}

// assignmentWords are the words of a category whose line items are assignments;
// all others but the final grade are assessments.
var assignmentWords = regexp.MustCompile(`(?i)assignment|homework|coursework|project|paper|essay|lab\b`)

func examination(lineItem map[string]string, category string, course clr.Achievement) clr.Achievement {
	a := clr.Achievement{Type: "Assessment", Name: lineItem["title"], Description: lineItem["description"]}
	if assignmentWords.MatchString(category) {
		a.Type = "Assignment"
	}
	about := course.Name
	if course.HumanCode != "" {
		about += " (" + course.HumanCode + ")"
	}
	if a.Description == "" {
		a.Description = category + " in the course " + about + "."
	}
	a.Criteria = "A result in this part of the course " + about + ", as its teacher entered it in the official gradebook."
	return a
}

// minMax are the least and the most of the line item's score.
func (item *gradedItem) minMax() [2]string {
	for _, d := range item.achievement.ResultDescriptions {
		if d.Key == keyScore {
			return [2]string{d.ValueMin, d.ValueMax}
		}
	}
	return [2]string{}
}

// describeResults writes what results the achievement has: a value of the scale, if
// there is one, and a score. It returns the values of the scale.
func (item *gradedItem) describeResults(minMax [2]string, scale map[string]string) []string {
	var all []clr.ResultDescription
	values, ordered := scaleValues(scale["scoreScaleValue"])
	if len(values) > 0 {
		d := clr.ResultDescription{Key: keyLetter, Name: cmp.Or(scale["title"], "Grade"), ResultType: "Result"}
		if strings.Contains(strings.ToLower(scale["type"]), "letter") || !slices.ContainsFunc(values, func(v string) bool { return !letterGrade.MatchString(v) }) {
			d.ResultType = "LetterGrade"
		}
		if ordered {
			d.AllowedValues = values
		}
		all = append(all, d)
	}
	d := clr.ResultDescription{Key: keyScore, Name: "Score", ResultType: "RawScore", ValueMin: minMax[0], ValueMax: minMax[1]}
	if isZero(minMax[0]) && isHundred(minMax[1]) {
		d.Name, d.ResultType = "Percent", "Percent"
	}
	item.achievement.ResultDescriptions = append(all, d)
	return values
}

var letterGrade = regexp.MustCompile(`^[A-F][+-]?$`)

func isZero(s string) bool    { n, err := strconv.ParseFloat(s, 64); return err == nil && n == 0 }
func isHundred(s string) bool { n, err := strconv.ParseFloat(s, 64); return err == nil && n == 100 }

// scaleValues reads the pairs of a scoreScaleValue, {A:93},{A-:90}, and returns the
// grades from low to high; ordered is false where the other halves are no numbers,
// so that the order can't be known.
func scaleValues(s string) (values []string, ordered bool) {
	type pair struct {
		grade string
		from  float64
	}
	var pairs []pair
	ordered = true
	for _, part := range scalePair.FindAllStringSubmatch(s, -1) {
		left, right := strings.TrimSpace(part[1]), strings.TrimSpace(part[2])
		from, err := strconv.ParseFloat(lower(right), 64)
		if err != nil { // {93:A} is found as well
			if from, err = strconv.ParseFloat(lower(left), 64); err == nil {
				left = right
			} else {
				ordered = false
			}
		}
		if left != "" && !slices.ContainsFunc(pairs, func(p pair) bool { return p.grade == left }) {
			pairs = append(pairs, pair{left, from})
		}
	}
	if ordered {
		slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.from, b.from) })
	}
	for _, p := range pairs {
		values = append(values, p.grade)
	}
	return values, ordered && len(values) > 0
}

var scalePair = regexp.MustCompile(`\{([^{}:]*):([^{}]*)\}`)

// lower is the lower end of a range such as 93-100, or of 93 % alone.
func lower(s string) string {
	if from, _, ok := strings.Cut(s, "-"); ok && from != "" {
		s = from
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// objectives are alignments to CASE items (OneRoster's source "case"). What is
// neither an address nor a GUID has no address that could be given, and is left out.
func objectives(rows []sourceRow) []clr.Alignment {
	var all []clr.Alignment
	for _, r := range rows {
		id := r.Fields["learningObjectiveId"]
		address := id
		if guid.MatchString(id) {
			address = "urn:uuid:" + strings.ToLower(id)
		} else if u, err := url.Parse(id); err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "urn" {
			continue
		}
		if r.Fields["source"] != "case" || slices.ContainsFunc(all, func(a clr.Alignment) bool { return a.TargetURL == address }) {
			continue
		}
		all = append(all, clr.Alignment{TargetName: "Learning objective " + id, TargetURL: address, TargetCode: id, TargetType: "CFItem"})
	}
	slices.SortFunc(all, func(a, b clr.Alignment) int { return strings.Compare(a.TargetURL, b.TargetURL) })
	return all
}

// credits is the first of these columns that holds a number, nil if none does.
func credits(row map[string]string, columns ...string) *float64 {
	for _, c := range columns {
		if n, err := strconv.ParseFloat(row[c], 64); err == nil && oneroster.IsNumber(row[c]) && n >= 0 {
			return &n
		}
	}
	return nil
}
