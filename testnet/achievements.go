package testnet

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// achievementColumns is the template of the achievements CSV, with two of its
// optional columns at the end.
const achievementColumns = "learner,type,code,name,description,criteria,awarded,credits,result,evidence,evidence_name,narrative"

// extra is an achievement that no gradebook carries. Type is a term of the
// Open Badges 3.0 vocabulary.
type extra struct {
	typ, code, name, description, criteria, result, evidence, narrative string
}

var extras = []extra{
	{"Certificate", "CERT-DE", "Certificate in Data Ethics", "Nine credits on how data about people may be used.",
		"Three courses of the certificate with at least B-, and an essay.", "Passed", "essay", ""},
	{"Competency", "COMP-STAT", "Statistical reasoning", "Chooses, carries out and explains a fitting statistical method.",
		"Two reviewed analyses of real data.", "Proficient", "analysis", ""},
	{"CoCurricular", "CO-TUTOR", "Peer tutor", "Helped first-year students for a whole term.",
		"Forty hours of tutoring, confirmed by the Learning Centre.", "", "", "Tutored on Tuesday and Thursday evenings."},
	{"Competency", "COMP-TALK", "Speaking to an audience", "Plans and gives a talk to people outside the field.",
		"A talk of fifteen minutes, seen by two assessors.", "Advanced", "talk", ""},
	{"CommunityService", "SERV-HARBOUR", "Harbour clean-up", "Took part in the yearly clean-up of Quill Harbour.",
		"Sixteen hours of service.", "16 hours", "", ""},
	{"CoCurricular", "CO-DEBATE", "Debating Society", "Member of the university's debating team.",
		"A season of the league.", "", "debate", ""},
	{"Award", "AWD-LIBRARY", "Library Fellow", "Chosen by the university library for a research project.",
		"Selection by the library's committee.", "", "project", ""},
}

// honours are what a degree is awarded with; most have none.
var honours = []string{"magna cum laude", "", "cum laude", "", "", "summa cum laude"}

func writeAchievements(w io.Writer, terms []term) error {
	rows := [][]string{strings.Split(achievementColumns, ",")}
	last := terms[len(terms)-1]
	for i := range learners {
		if i < 18 {
			rows = append(rows, degree(i, honours[i%len(honours)], date(last.end.AddDate(0, 0, 7))))
		}
		if i == twoHonours {
			// The faculty and the registrar disagree, and only a person can say.
			rows = append(rows, degree(i, "cum laude", date(last.end.AddDate(0, 0, 7))))
		}
		for n, e := range extras {
			if i == 0 && n < 3 || i != 0 && spread(learnerID(i), e.code)%5 == 0 {
				t := terms[1+spread(learnerID(i), e.code, "term")%3]
				rows = append(rows, e.row(i, date(t.end.AddDate(0, 0, -10))))
			}
		}
	}
	return writeCSV(w, rows)
}

// degree is the row of learner i's degree.
func degree(i int, result, awarded string) []string {
	p := programmeOf(i)
	return []string{callName(i), "BachelorDegree", p.degreeCode, p.degree,
		"The two final years of the degree, after credit for earlier study.",
		"All courses of the programme, and 120 credits with those of earlier study.",
		awarded, "120", result, "", "", ""}
}

// row is the row of an achievement of learner i.
func (e extra) row(i int, awarded string) []string {
	link, name, credits := "", "", ""
	if e.evidence != "" {
		link = fmt.Sprintf("https://portfolio.quillhaven.example/%s/%s", learnerID(i), e.evidence)
		name = "Portfolio: " + e.evidence
	}
	if e.typ == "Certificate" {
		credits = strconv.Itoa(3 * creditsEach)
	}
	return []string{callName(i), e.typ, e.code, e.name, e.description, e.criteria, awarded, credits, e.result, link, name, e.narrative}
}

// callName names learner i in one of the four ways that the template takes.
func callName(i int) string {
	switch i % 4 {
	case 0:
		return learnerID(i)
	case 1:
		return learners[i].username
	case 2:
		return studentNumber(i)
	default:
		return learnerEmail(i)
	}
}
