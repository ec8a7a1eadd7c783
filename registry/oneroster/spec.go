package oneroster

import "slices"

// A Kind is what the values of a column look like.
type Kind int

// The kinds of columns.
const (
	Text   Kind = iota
	Date        // 2026-06-01
	Time        // 2026-06-01T08:00:00Z
	Bool        // true or false
	Number      // 91.5
	Enum        // one of Values, or "ext:" and something where Ext is set
	Ref         // the sourcedId of a row of the file Refers
	Refs        // several of them, with commas
)

// A Column is a column of one of the standard's files.
type Column struct {
	Name     string
	Kind     Kind
	Required bool     // the column must be there, and no value may be empty
	Read     bool     // the column must be there, and values may be empty: a lost one would wipe what it held
	Values   []string // of Enum
	Ext      bool     // of Enum: the vocabulary may be extended
	Refers   string   // of Ref and Refs
	Secret   bool     // is read over and never kept
}

// A Spec describes one of the standard's files that this package reads.
type Spec struct {
	File    string // users; the entry of the zip is users.csv
	Columns []Column
}

// Column is the index of a column, -1 if the file has no such one.
func (s *Spec) Column(name string) int {
	return slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
}

// SelfReferring tells whether rows of the file may refer to others of the same.
func (s *Spec) SelfReferring() bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Refers == s.File })
}

func text(name string) Column           { return Column{Name: name} }
func need(c Column) Column              { c.Required = true; return c }
func read(c Column) Column              { c.Read = true; return c }
func date(name string) Column           { return Column{Name: name, Kind: Date} }
func truth(name string) Column          { return Column{Name: name, Kind: Bool} }
func number(name string) Column         { return Column{Name: name, Kind: Number} }
func ref(name, file string) Column      { return Column{Name: name, Kind: Ref, Refers: file} }
func refs(name, file string) Column     { return Column{Name: name, Kind: Refs, Refers: file} }
func secret(name string) Column         { return Column{Name: name, Secret: true} }
func enum(n string, v ...string) Column { return Column{Name: n, Kind: Enum, Values: v} }
func open(c Column) Column              { c.Ext = true; return c }

func spec(file string, columns ...Column) *Spec {
	head := []Column{need(text("sourcedId")), read(enum("status", "active", "tobedeleted")), {Name: "dateLastModified", Kind: Time}}
	return &Spec{File: file, Columns: append(head, columns...)}
}

// Specs are the files that this package reads, each after those that it refers to.
// The standard's headers have all columns of a file; here those are demanded on
// which something depends, and values of them where the standard does. Others, such
// as academicSessionSourcedId, which older exporters don't know, may be absent.
var Specs = []*Spec{
	spec("orgs", need(text("name")), need(open(enum("type", "department", "district", "local", "national", "school", "state"))), text("identifier"), ref("parentSourcedId", "orgs")),
	spec("academicSessions", need(text("title")), need(open(enum("type", "gradingPeriod", "semester", "schoolYear", "term"))), need(date("startDate")), need(date("endDate")),
		ref("parentSourcedId", "academicSessions"), text("schoolYear")),
	spec("users", need(truth("enabledUser")), need(text("username")), text("userIds"), need(text("givenName")), need(text("familyName")), read(text("middleName")), read(text("identifier")),
		read(text("email")), text("sms"), text("phone"), refs("agentSourcedIds", "users"), text("grades"), secret("password"), read(text("userMasterIdentifier")), text("resourceSourcedIds"),
		read(text("preferredGivenName")), text("preferredMiddleName"), read(text("preferredFamilyName")), ref("primaryOrgSourcedId", "orgs"), text("pronouns")),
	spec("roles", need(ref("userSourcedId", "users")), need(enum("roleType", "primary", "secondary")),
		need(open(enum("role", "aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor", "relative", "siteAdministrator", "student", "systemAdministrator", "teacher"))),
		date("beginDate"), read(date("endDate")), need(ref("orgSourcedId", "orgs")), text("userProfileSourcedId")),
	spec("courses", ref("schoolYearSourcedId", "academicSessions"), need(text("title")), read(text("courseCode")), text("grades"), read(ref("orgSourcedId", "orgs")), read(text("subjects")), text("subjectCodes"), text("resourceSourcedIds")),
	spec("classes", need(text("title")), text("grades"), need(ref("courseSourcedId", "courses")), text("classCode"), enum("classType", "homeroom", "scheduled"), text("location"),
		need(ref("schoolSourcedId", "orgs")), need(refs("termSourcedIds", "academicSessions")), read(text("subjects")), text("subjectCodes"), text("periods"), text("resourceSourcedIds")),
	spec("enrollments", need(ref("classSourcedId", "classes")), need(ref("schoolSourcedId", "orgs")), need(ref("userSourcedId", "users")),
		need(open(enum("role", "administrator", "proctor", "student", "teacher"))), truth("primary"), date("beginDate"), date("endDate")),
	spec("categories", need(text("title")), number("weight")),
	spec("scoreScales", need(text("title")), need(text("type")), ref("orgSourcedId", "orgs"), ref("courseSourcedId", "courses"), ref("classSourcedId", "classes"), need(text("scoreScaleValue"))),
	spec("lineItems", need(text("title")), read(text("description")), date("assignDate"), date("dueDate"), need(ref("classSourcedId", "classes")), need(ref("categorySourcedId", "categories")),
		read(ref("gradingPeriodSourcedId", "academicSessions")), ref("academicSessionSourcedId", "academicSessions"), read(number("resultValueMin")), read(number("resultValueMax")), ref("schoolSourcedId", "orgs")),
	spec("lineItemScoreScales", text("title"), need(ref("lineItemSourcedId", "lineItems")), need(ref("scoreScaleSourcedId", "scoreScales"))),
	spec("results", need(ref("lineItemSourcedId", "lineItems")), need(ref("studentSourcedId", "users")),
		need(open(enum("scoreStatus", "exempt", "fully graded", "not submitted", "partially graded", "submitted"))), read(number("score")), need(date("scoreDate")), text("comment"), read(text("textScore")),
		ref("classSourcedId", "classes"), read(truth("inProgress")), read(truth("incomplete")), truth("late"), truth("missing")),
	spec("resultScoreScales", text("title"), need(ref("resultSourcedId", "results")), need(ref("scoreScaleSourcedId", "scoreScales"))),
	spec("lineItemLearningObjectiveIds", need(ref("lineItemSourcedId", "lineItems")), need(open(enum("source", "case", "unknown"))), need(text("learningObjectiveId"))),
	spec("resultLearningObjectiveIds", need(ref("resultSourcedId", "results")), need(open(enum("source", "case", "unknown"))), need(text("learningObjectiveId")), number("score"), text("textScore")),
}

// ignored are the standard's other files: noted, and not read.
var ignored = []string{"classResources", "courseResources", "demographics", "resources", "userProfiles", "userResources"}

// SpecOf is the spec of a file, nil if this package doesn't read it.
func SpecOf(file string) *Spec {
	for _, s := range Specs {
		if s.File == file {
			return s
		}
	}
	return nil
}
