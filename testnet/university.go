package testnet

// The people and the courses of Quillhaven University, which doesn't exist.
// example is a top-level domain that nobody can have (RFC 2606).

const (
	universityName = "Quillhaven University (demo)"
	learnerDomain  = "students.quillhaven.example"
	staffDomain    = "faculty.quillhaven.example"
)

// person is somebody at the university. The user name is in ASCII, as the
// computing centre wants it.
type person struct {
	given, middle, family, username, preferred, pronouns string
}

// learners are 40, in the order of their student numbers. Ada Lovell is the
// one whom every example of this project shows.
var learners = []person{
	{"Ada", "", "Lovell", "ada.lovell", "", "she/her"},
	{"Nguyễn", "Thị", "Ánh", "anh.nguyen", "Ánh", "she/her"},
	{"ليلى", "", "حداد", "layla.haddad", "", "she/her"},
	{"José", "Ángel", "Núñez Ibarra", "jose.nunez", "", "he/him"},
	{"Siobhán", "", "O'Driscoll", "siobhan.odriscoll", "", ""},
	{"Chidi", "", "Okonkwo-Bello", "chidi.okonkwo", "", "he/him"},
	{"美咲", "", "田中", "misaki.tanaka", "Misaki", ""},
	{"Zoë", "", "van der Berg", "zoe.vanderberg", "", "they/them"},
	{"Đặng", "Quốc", "Bảo", "bao.dang", "Bảo", "he/him"},
	{"María", "del Carmen", "Quispe Huamán", "carmen.quispe", "Carmen", "she/her"},
	{"يوسف", "", "المنصوري", "yousef.almansoori", "", "he/him"},
	{"Łukasz", "", "Wójcik", "lukasz.wojcik", "", ""},
	{"Freya", "Ingrid", "Sørensen", "freya.sorensen", "", "she/her"},
	{"李", "", "雨桐", "yutong.li", "Rain", "she/her"},
	{"Priya", "", "Venkataraman", "priya.venkataraman", "", ""},
	{"Tomás", "", "Etxeberria", "tomas.etxeberria", "", "he/him"},
	{"Олена", "", "Шевченко", "olena.shevchenko", "", "she/her"},
	{"Kwame", "", "Asante", "kwame.asante", "", "he/him"},
	{"Þórdís", "", "Jónsdóttir", "thordis.jonsdottir", "", "she/her"},
	{"Emre", "", "Yıldız", "emre.yildiz", "", ""},
	{"Chloé", "", "Tremblay-Gagnon", "chloe.tremblay", "", "she/her"},
	{"민준", "", "김", "minjun.kim", "Min-jun", "he/him"},
	{"Ngozi", "", "Eze", "ngozi.eze", "", "she/her"},
	{"Lucía", "", "Fernández Gil", "lucia.fernandez", "", ""},
	{"Noor", "", "Rahman", "noor.rahman", "", "they/them"},
	{"Björn", "", "Åkesson", "bjorn.akesson", "", "he/him"},
	{"Phạm", "Minh", "Châu", "chau.pham", "Châu", "she/her"},
	{"דניאל", "", "לוי", "daniel.levi", "", "he/him"},
	{"Anaïs", "", "Lefèvre", "anais.lefevre", "", ""},
	{"Marek", "", "Dvořák", "marek.dvorak", "", "he/him"},
	{"Hana", "", "Kealoha", "hana.kealoha", "", "she/her"},
	{"Γιώργος", "", "Παπαδόπουλος", "giorgos.papadopoulos", "", "he/him"},
	{"Amina", "", "Diallo", "amina.diallo", "", "she/her"},
	{"Renée", "", "D'Angelo", "renee.dangelo", "", ""},
	{"Mateo", "", "Rojas Peña", "mateo.rojas", "", "he/him"},
	{"สมชาย", "", "ศรีสุข", "somchai.srisuk", "", "he/him"},
	{"Ifeoma", "", "Nwosu", "ifeoma.nwosu", "", "she/her"},
	{"Beatriz", "", "Conceição", "beatriz.conceicao", "", "she/her"},
	{"Will", "", "Ashby-Null", "will.ashby", "", "he/him"},
	{"अंजलि", "", "शर्मा", "anjali.sharma", "", "she/her"},
}

// staff teach; the last one is the registrar.
var staff = []person{
	{"Grace", "", "Whitlock", "g.whitlock", "", ""},
	{"Édouard", "", "Marchetti", "e.marchetti", "", ""},
	{"Sunita", "", "Rao", "s.rao", "", ""},
	{"Henrik", "", "Lindqvist", "h.lindqvist", "", ""},
	{"Rosa", "", "Villanueva", "r.villanueva", "", ""},
	{"Imogen", "", "Clarke", "i.clarke", "", ""},
	{"Tariq", "", "Nasser", "t.nasser", "", ""},
	{"Margaret", "", "Quill", "m.quill", "", ""},
}

// course is taught once, in one of the four terms.
type course struct {
	code, title string
	term        int  // 0 to 3
	exam        bool // has an examination beside its final grade
}

// programme is what a learner studies: its courses and the general ones.
type programme struct {
	dept, deptName, degreeCode, degree string
	courses                            []course
}

// general are the courses that every learner takes, one each term.
var general = []course{
	{"GEN101", "Academic Writing", 0, false},
	{"GEN110", "Statistics for Everyone", 1, false},
	{"GEN201", "Ethics and Society", 2, false},
	{"GEN210", "Public Speaking", 3, false},
}

var programmes = []programme{
	{"CS", "Computing", "BSC-CS", "Bachelor of Science in Computer Science", []course{
		{"CS101", "Programming I", 0, true}, {"CS110", "Discrete Mathematics", 0, false}, {"CS120", "Computer Systems", 0, false},
		{"CS150", "Programming II", 1, false}, {"CS160", "Data Structures", 1, true}, {"CS170", "Linear Algebra for Computing", 1, false},
		{"CS201", "Algorithms", 2, true}, {"CS210", "Databases", 2, false}, {"CS220", "Operating Systems", 2, false}, {"CS230", "Human-Computer Interaction", 2, false},
		{"CS301", "Computer Networks", 3, false}, {"CS310", "Cryptography & Security", 3, false}, {"CS320", "Machine Learning", 3, false}, {"CS390", "Senior Project", 3, false},
	}},
	{"NURS", "Nursing", "BSN", "Bachelor of Science in Nursing", []course{
		{"NURS101", "Anatomy & Physiology I", 0, true}, {"NURS110", "Foundations of Nursing", 0, false}, {"NURS120", "Human Development", 0, false},
		{"NURS150", "Anatomy & Physiology II", 1, true}, {"NURS160", "Microbiology", 1, false}, {"NURS170", "Nutrition", 1, false},
		{"NURS201", "Pharmacology", 2, true}, {"NURS210", "Adult Health I", 2, false}, {"NURS220", "Mental Health Nursing", 2, false}, {"NURS230", "Clinical Practice I", 2, false},
		{"NURS301", "Adult Health II", 3, false}, {"NURS310", "Community Health", 3, false}, {"NURS320", "Leadership in Nursing", 3, false}, {"NURS330", "Clinical Practice II", 3, false},
	}},
	{"HIST", "History and Archives", "BA-HIST", "Bachelor of Arts in History", []course{
		{"HIST101", "World History to 1500", 0, true}, {"HIST110", "Reading Old Hands", 0, false}, {"HIST120", "Maps and Borders", 0, false},
		{"HIST150", "Modern Europe", 1, true}, {"HIST160", "Oral History", 1, false}, {"HIST170", "Museums and Memory", 1, false},
		{"HIST201", "Archives & Evidence", 2, true}, {"HIST210", "History of Science", 2, false}, {"HIST220", "The Indian Ocean World", 2, false}, {"HIST230", "Digital History", 2, false},
		{"HIST301", "Empires and After", 3, false}, {"HIST310", "Writing for the Public", 3, false}, {"HIST320", "Preservation of Paper", 3, false}, {"HIST390", "Portfolio, \"Final\" Review", 3, false},
	}},
}

// programmeOf says what learner i studies; Ada Lovell, the first, computing.
func programmeOf(i int) programme { return programmes[i%len(programmes)] }

// The learners with whom something is special, by their place in learners.
const (
	retakes     = 15 // failed a course in the first term and took it again in the third
	inProgress  = 20 // has one course of the last term unfinished
	exempt      = 30 // was exempt from a general course
	twoGrades   = 7  // the gradebook has two final grades for one class: a conflict
	twoHonours  = 12 // the achievements have one degree with two results: a conflict
	leftEarly   = 38 // took the first three terms only
	retakeTerm  = 2
	creditsEach = 3 // what a course counts for
)
