package testnet

import (
	"archive/zip"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteDemo writes what the systems of "Quillhaven University (demo)" export:
// a OneRoster 1.2 zip with 40 learners, their teachers, and four terms of
// courses and results, and a CSV of their degrees, certificates, competencies
// and co-curricular achievements.
//
// The four terms are the newest that ended before now. For the same terms the
// bytes are the same. Among the learners are a retake, an exemption, a course
// in progress, and two conflicts (one in each file) that a person has to
// settle; the records of the other 38 can be issued at once.
func WriteDemo(rosterZip, achievementsCSV io.Writer, now time.Time) error {
	terms := lastTerms(now)
	if err := writeRoster(rosterZip, terms); err != nil {
		return fmt.Errorf("write the demo's roster: %w", err)
	}
	if err := writeAchievements(achievementsCSV, terms); err != nil {
		return fmt.Errorf("write the demo's achievements: %w", err)
	}
	return nil
}

// term is half an academic year.
type term struct {
	id, title  string
	begin, end time.Time
	schoolYear int // the calendar year in which the academic year ends
}

// lastTerms gives the four newest terms that ended before now, oldest first.
func lastTerms(now time.Time) []term {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	var all []term
	for y := now.Year() - 3; y <= now.Year(); y++ {
		all = append(all,
			term{fmt.Sprintf("%dSP", y), fmt.Sprintf("Spring %d", y), day(y, time.January, 13), day(y, time.May, 16), y},
			term{fmt.Sprintf("%dFA", y), fmt.Sprintf("Fall %d", y), day(y, time.August, 25), day(y, time.December, 19), y + 1})
	}
	for !all[len(all)-1].end.Before(now) {
		all = all[:len(all)-1]
	}
	return all[len(all)-4:]
}

// The columns of each file that we write, as the OneRoster 1.2 CSV binding has
// them, in the order of its manifest; a file without columns is absent.
var rosterFiles = []struct{ name, columns string }{
	{"academicSessions", "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear"},
	{"categories", "sourcedId,status,dateLastModified,title,weight"},
	{"classes", "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods"},
	{"classResources", ""},
	{"courses", "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes"},
	{"courseResources", ""},
	{"demographics", ""},
	{"enrollments", "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate"},
	{"lineItemLearningObjectiveIds", ""},
	{"lineItems", "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax,schoolSourcedId"},
	{"lineItemScoreScales", "sourcedId,status,dateLastModified,lineItemSourcedId,scoreScaleSourcedId"},
	{"orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId"},
	{"resources", ""},
	{"resultLearningObjectiveIds", ""},
	{"results", "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing"},
	{"resultScoreScales", ""},
	{"roles", "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId"},
	{"scoreScales", "sourcedId,status,dateLastModified,title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue"},
	{"userProfiles", ""},
	{"userResources", ""},
	{"users", "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"},
}

// roster collects the rows of each file. A bulk file leaves status and
// dateLastModified empty.
type roster struct {
	terms []term
	rows  map[string][][]string
}

func (r *roster) add(file, sourcedID string, rest ...string) {
	r.rows[file] = append(r.rows[file], append([]string{sourcedID, "", ""}, rest...))
}

func writeRoster(w io.Writer, terms []term) error {
	r := &roster{terms, map[string][][]string{}}
	r.organisation()
	r.people()
	for _, c := range general {
		r.class(c, "GEN", "General Studies", c.term, "01")
	}
	for _, p := range programmes {
		for _, c := range p.courses {
			r.class(c, p.dept, p.deptName, c.term, "01")
		}
	}
	again := retaken()
	r.section(again, programmeOf(retakes).dept, programmeOf(retakes).deptName, retakeTerm, "02")
	for i := range learners {
		r.transcript(i)
	}
	return r.write(w)
}

func (r *roster) organisation() {
	r.add("orgs", "qu", universityName, "school", "QU", "")
	r.add("orgs", "qu-GEN", "General Studies", "department", "QU-GEN", "qu")
	for _, p := range programmes {
		r.add("orgs", "qu-"+p.dept, p.deptName, "department", "QU-"+p.dept, "qu")
	}
	years := map[int]bool{}
	for _, t := range r.terms {
		if y := t.schoolYear; !years[y] {
			years[y] = true
			r.add("academicSessions", yearID(y), fmt.Sprintf("Academic year %d/%02d", y-1, y%100), "schoolYear",
				fmt.Sprintf("%d-08-01", y-1), fmt.Sprintf("%d-07-31", y), "", strconv.Itoa(y))
		}
		r.add("academicSessions", "term-"+t.id, t.title, "semester", date(t.begin), date(t.end), yearID(t.schoolYear), strconv.Itoa(t.schoolYear))
	}
	r.add("categories", "cat-final", "Final grade", "1.0")
	r.add("categories", "cat-exam", "Examination", "0.6")
}

func (r *roster) people() {
	for i, p := range learners {
		id := learnerID(i)
		r.add("users", id, "true", p.username, "{SIS:"+studentNumber(i)+"}", p.given, p.family, p.middle, studentNumber(i),
			learnerEmail(i), "", "", "", "13", "", "QM"+studentNumber(i), "", p.preferred, "", "", "qu", p.pronouns)
		r.add("roles", "role-"+id, id, "primary", "student", date(r.terms[0].begin), "", "qu", "")
	}
	for i, p := range staff {
		id, role := staffID(i), "teacher"
		if i == len(staff)-1 {
			role = "siteAdministrator"
		}
		r.add("users", id, "true", p.username, "", p.given, p.family, p.middle, fmt.Sprintf("E%04d", i+1),
			p.username+"@"+staffDomain, "", "", "", "", "", fmt.Sprintf("QE%04d", i+1), "", "", "", "", "qu", "")
		r.add("roles", "role-"+id, id, "primary", role, "2015-08-01", "", "qu", "")
	}
}

// class adds a course with its one class.
func (r *roster) class(c course, dept, deptName string, term int, section string) {
	r.add("courses", courseID(c), yearID(r.terms[term].schoolYear), c.title, c.code, "13", "qu-"+dept, deptName, dept)
	r.section(c, dept, deptName, term, section)
}

// section adds one class of a course, with its gradebook and its teacher.
func (r *roster) section(c course, dept, deptName string, term int, section string) {
	t, id := r.terms[term], classID(c, section)
	r.add("classes", id, fmt.Sprintf("%s (%s)", c.title, t.title), "13", courseID(c), c.code+"-"+section, "scheduled",
		fmt.Sprintf("Room %d", 100+spread(id)%400), "qu", "term-"+t.id, deptName, dept, "")
	r.add("scoreScales", "scale-"+id, "Letter grades", "letter", "qu", courseID(c), id, scale())
	r.lineItem(lineItemID(id, "final"), "Final grade: "+c.title, "Course grade for "+c.code, t, id, "cat-final")
	if c.exam {
		r.lineItem(lineItemID(id, "exam"), "Final exam: "+c.title, "", t, id, "cat-exam")
	}
	teacher := staffID(spread("teacher "+c.code) % (len(staff) - 1))
	r.add("enrollments", "enr-"+teacher+"-"+id, id, "qu", teacher, "teacher", "true", "", "")
}

func (r *roster) lineItem(id, title, description string, t term, class, category string) {
	r.add("lineItems", id, title, description, date(t.begin), date(t.end), class, category, "term-"+t.id, "0", "100", "qu")
	if category == "cat-final" {
		r.add("lineItemScoreScales", "scale-"+id, id, "scale-"+class)
	}
}

// transcript adds the enrolments and the results of learner i.
func (r *roster) transcript(i int) {
	courses := append(append([]course{}, general...), programmeOf(i).courses...)
	for _, c := range courses {
		if i == leftEarly && c.term == 3 {
			continue
		}
		r.takes(i, c, c.term, "01")
	}
	if i == retakes {
		r.takes(i, retaken(), retakeTerm, "02")
	}
	if i == twoGrades {
		r.correction(i)
	}
}

// takes adds learner i to a class, and what came of it.
func (r *roster) takes(i int, c course, term int, section string) {
	t, class := r.terms[term], classID(c, section)
	r.add("enrollments", "enr-"+learnerID(i)+"-"+class, class, "qu", learnerID(i), "student", "false", date(t.begin), date(t.end))
	points := score(i, c)
	result := []string{"fully graded", tenths(points), date(t.end), "", letter(points), class, "false", "false", "false", "false"}
	switch {
	case i == retakes && c.code == retaken().code && section == "01":
		result[1], result[3], result[4] = "48.5", "Missed too many of the weekly exercises.", "F"
	case i == inProgress && c.code == lastCourse(i).code:
		result = []string{"partially graded", "", date(t.end), "Has until the end of the next term.", "", class, "true", "true", "false", "false"}
	case i == exempt && c.code == general[0].code:
		result = []string{"exempt", "", date(t.end), "Credit for an earlier examination.", "", class, "false", "false", "false", "false"}
	case i == 0 && c.code == "CS390":
		result[3] = "=Outstanding= work, \"thoughtful\" from the first line" // looks like a formula, and is none
	}
	r.add("results", "res-"+learnerID(i)+"-"+class+"-final", append([]string{lineItemID(class, "final"), learnerID(i)}, result...)...)
	if c.exam && result[0] == "fully graded" {
		exam := min(1000, max(0, points+spread(learnerID(i), c.code, "exam")%60-35))
		r.add("results", "res-"+learnerID(i)+"-"+class+"-exam", lineItemID(class, "exam"), learnerID(i),
			"fully graded", tenths(exam), date(t.end), "", "", class, "false", "false", "false", "false")
	}
}

// correction adds a second final grade for a class of learner i: a teacher
// entered a new one and left the old one where it was.
func (r *roster) correction(i int) {
	c := programmeOf(i).courses[6]
	t, class := r.terms[c.term], classID(c, "01")
	item := lineItemID(class, "final-corrected")
	r.lineItem(item, "Final grade (corrected): "+c.title, "Entered after the term", t, class, "cat-final")
	points := score(i, c) - 60
	r.add("results", "res-"+learnerID(i)+"-"+class+"-corrected", item, learnerID(i),
		"fully graded", tenths(points), date(t.end.AddDate(0, 0, 12)), "Corrected after review.", letter(points), class, "false", "false", "false", "false")
}

// write makes the zip: the manifest, then each file that has rows.
func (r *roster) write(w io.Writer) error {
	z := zip.NewWriter(w)
	put := func(name string, rows [][]string) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name + ".csv", Method: zip.Deflate, Modified: r.terms[3].end})
		if err != nil {
			return err
		}
		return writeCSV(f, rows)
	}
	manifest := [][]string{{"propertyName", "value"}, {"manifest.version", "1.0"}, {"oneroster.version", "1.2"}}
	for _, f := range rosterFiles {
		mode := "absent"
		if f.columns != "" {
			mode = "bulk"
		}
		manifest = append(manifest, []string{"file." + f.name, mode})
	}
	manifest = append(manifest, []string{"source.systemName", "Quillhaven SIS"}, []string{"source.systemCode", "quillhaven-sis"})
	if err := put("manifest", manifest); err != nil {
		return err
	}
	for _, f := range rosterFiles {
		if f.columns == "" {
			continue
		}
		if err := put(f.name, append([][]string{strings.Split(f.columns, ",")}, r.rows[f.name]...)); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeCSV writes rows as RFC 4180 has them.
func writeCSV(w io.Writer, rows [][]string) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c.WriteAll(rows)
}

// The ids of the student information system. They are readable so that a
// person who follows the example sees what belongs together.
func learnerID(i int) string               { return fmt.Sprintf("student-%02d", i+1) }
func staffID(i int) string                 { return fmt.Sprintf("staff-%02d", i+1) }
func studentNumber(i int) string           { return strconv.Itoa(260001 + i) }
func learnerEmail(i int) string            { return learners[i].username + "@" + learnerDomain }
func yearID(y int) string                  { return fmt.Sprintf("year-%d", y) }
func courseID(c course) string             { return "course-" + c.code }
func classID(c course, s string) string    { return "class-" + c.code + "-" + s }
func lineItemID(class, what string) string { return "item-" + class + "-" + what }
func date(t time.Time) string              { return t.Format("2006-01-02") }
func tenths(points int) string             { return fmt.Sprintf("%d.%d", points/10, points%10) }
func retaken() course                      { return programmeOf(retakes).courses[0] }
func lastCourse(i int) course              { p := programmeOf(i).courses; return p[len(p)-1] }

// letters are the grades, best first, and the least points for each.
var letters = []struct {
	name  string
	least int
}{{"A", 93}, {"A-", 90}, {"B+", 87}, {"B", 83}, {"B-", 80}, {"C+", 77}, {"C", 73}, {"D", 60}, {"F", 0}}

// scale writes the letters as OneRoster does.
func scale() string {
	var s []string
	for _, l := range letters {
		s = append(s, fmt.Sprintf("{%s:%d}", l.name, l.least))
	}
	return strings.Join(s, ",")
}

// letter is the grade for points, in tenths of a percent.
func letter(points int) string {
	for _, l := range letters {
		if points >= 10*l.least {
			return l.name
		}
	}
	return "F"
}

// score is what learner i reached in a course, in tenths of a percent: what the
// learner is like, and the course, and the day.
func score(i int, c course) int {
	able := 780 + spread("able", learnerID(i))%150
	if i == 0 {
		able = 930
	}
	return min(1000, able+spread(learnerID(i), c.code)%90-25)
}

// spread is a number that depends on the words and on nothing else, so that the
// demo is the same everywhere, with every version of Go.
func spread(words ...string) int {
	h := fnv.New32a()
	for _, w := range words {
		io.WriteString(h, w)
		h.Write([]byte{0})
	}
	sum := h.Sum32()
	sum ^= sum >> 15 // FNV's low bits alone hardly mix
	return int(sum & 0x7fffffff)
}
