package clr

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// A Profile says who issues. ID is a DID or another URI and is required; the rest
// may be empty.
type Profile struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	URL   string `json:"url,omitempty"`
	Email string `json:"email,omitempty"`
}

// An Identifier names the learner. Type is an identityType of Open Badges 3.0
// (emailAddress, sisSourcedId, name, ...; see [IsIdentityType]). Value is written
// as a salted hash, unless Clear says that it may be read.
type Identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
	Clear bool   `json:"clear,omitempty"`
}

// An Alignment links to an item of a framework, such as a CASE item. TargetName
// and TargetURL are required.
type Alignment struct {
	TargetName        string `json:"targetName"`
	TargetURL         string `json:"targetUrl"`
	TargetCode        string `json:"targetCode,omitempty"`
	TargetDescription string `json:"targetDescription,omitempty"`
	TargetFramework   string `json:"targetFramework,omitempty"`
	TargetType        string `json:"targetType,omitempty"`
}

// A ResultDescription says what kind of result an achievement can have. Key is a
// short name, unique in the achievement (letter, percent, credits).
type ResultDescription struct {
	Key           string      `json:"key"`
	Name          string      `json:"name"`
	ResultType    string      `json:"resultType"`
	AllowedValues []string    `json:"allowedValues,omitempty"` // from low to high
	ValueMin      string      `json:"valueMin,omitempty"`
	ValueMax      string      `json:"valueMax,omitempty"`
	Alignments    []Alignment `json:"alignments,omitempty"`
}

// An Achievement is what can be earned. Type is an achievementType of Open Badges
// 3.0 or begins with "ext:" (see [IsAchievementType]); Name is required. An empty
// Description is written as the name, empty Criteria as "set by the issuer", since
// the standard wants both.
type Achievement struct {
	Type               string              `json:"type,omitempty"`
	Name               string              `json:"name"`
	Description        string              `json:"description,omitempty"`
	Criteria           string              `json:"criteria,omitempty"` // Markdown
	CriteriaURL        string              `json:"criteriaUrl,omitempty"`
	HumanCode          string              `json:"humanCode,omitempty"`
	FieldOfStudy       string              `json:"fieldOfStudy,omitempty"`
	InLanguage         string              `json:"inLanguage,omitempty"` // BCP 47
	CreditsAvailable   *float64            `json:"creditsAvailable,omitempty"`
	ResultDescriptions []ResultDescription `json:"resultDescriptions,omitempty"`
	Alignments         []Alignment         `json:"alignments,omitempty"`
	Tags               []string            `json:"tags,omitempty"`
}

// A Result is what the learner reached. Key is that of a [ResultDescription] of
// the same achievement, or empty for a result that none describes.
type Result struct {
	Key        string      `json:"key,omitempty"`
	Value      string      `json:"value,omitempty"`
	Status     string      `json:"status,omitempty"` // Completed, InProgress, ...
	Alignments []Alignment `json:"alignments,omitempty"`
}

// Evidence is a work product that shows the achievement.
type Evidence struct {
	URL         string `json:"url,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Narrative   string `json:"narrative,omitempty"` // Markdown
	Genre       string `json:"genre,omitempty"`
}

// An Assertion says that the learner earned an achievement. Key is stable and
// unique within the learner's record: the source and its id. A zero time is absent.
type Assertion struct {
	Key           string      `json:"key"`
	Achievement   Achievement `json:"achievement"`
	Results       []Result    `json:"results,omitempty"`
	Evidence      []Evidence  `json:"evidence,omitempty"`
	CreditsEarned *float64    `json:"creditsEarned,omitempty"`
	Term          string      `json:"term,omitempty"`
	Role          string      `json:"role,omitempty"`
	Narrative     string      `json:"narrative,omitempty"` // Markdown
	LicenseNumber string      `json:"licenseNumber,omitempty"`
	Awarded       time.Time   `json:"awarded,omitzero"`
	ActivityStart time.Time   `json:"activityStart,omitzero"`
	ActivityEnd   time.Time   `json:"activityEnd,omitzero"`
}

// An Association relates two achievements of one record. From and To are keys of
// assertions or of unasserted achievements; Type is an associationType of CLR 2.0
// (isPartOf, isParentOf, ...; see [IsAssociationType]).
type Association struct {
	Type string `json:"type"`
	From string `json:"from"`
	To   string `json:"to"`
}

// A Record is all that one publisher says about one learner. Assertions are in the
// order of their keys. Unasserted are achievements that stand above or beside what
// was earned, such as the programme that courses belong to.
type Record struct {
	Assertions   []Assertion            `json:"assertions"`
	Unasserted   map[string]Achievement `json:"unasserted,omitempty"`
	Associations []Association          `json:"associations,omitempty"`
}

// Fingerprint is the SHA-256 of the record's canonical JSON, in hex. Two records
// with one fingerprint say the same; the zone in which a time is given plays no part.
func (r Record) Fingerprint() string {
	utc := r
	utc.Assertions = make([]Assertion, len(r.Assertions))
	for i, a := range r.Assertions {
		utc.Assertions[i] = a.inUTC()
	}
	return hex.EncodeToString(digest(utc))
}

// Fingerprint is the SHA-256 of the assertion's canonical JSON, in hex.
func (a Assertion) Fingerprint() string { return hex.EncodeToString(digest(a.inUTC())) }

func (a Assertion) inUTC() Assertion {
	a.Awarded, a.ActivityStart, a.ActivityEnd = a.Awarded.UTC(), a.ActivityStart.UTC(), a.ActivityEnd.UTC()
	return a
}

// AchievementID is the id of an achievement of an issuer. It is made from the
// content (a version 8 UUID, RFC 9562, of SHA-256), so that one id is always
// described in one way, and the same achievement has the same id in every record.
func AchievementID(issuer string, a Achievement) string {
	sum := digest(map[string]any{"issuer": issuer, "achievement": a})
	u := slices.Clone(sum[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// digest hashes the canonical form of v. What JSON can't say (a number that isn't
// finite, a year of five digits) gets a digest of its own here, and an error from
// [Credential].
func digest(v any) []byte {
	raw, err := jcs.Marshal(v)
	if err != nil {
		raw = []byte("no JSON: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}

// Identity writes an IdentityObject (Open Badges 3.0, B.1.11) whose hash is that of
// value with salt appended. The salt stands beside it: whoever knows the value can
// check it, and nobody can look the hash up in a table.
func Identity(idType, value, salt string) map[string]any {
	o := map[string]any{
		"type":         "IdentityObject",
		"hashed":       true,
		"identityHash": IdentityHash(value, salt),
		"identityType": idType,
	}
	if salt != "" {
		o["salt"] = salt
	}
	return o
}

// IdentityHash is the identityHash of value and salt: "sha256$" and hex.
func IdentityHash(value, salt string) string {
	sum := sha256.Sum256([]byte(value + salt))
	return "sha256$" + hex.EncodeToString(sum[:])
}

func identityObject(i Identifier, salt string) map[string]any {
	if !i.Clear {
		return Identity(i.Type, i.Value, salt)
	}
	return map[string]any{
		"type":         "IdentityObject",
		"hashed":       false,
		"identityHash": i.Value,
		"identityType": i.Type,
	}
}

// IsAchievementType says whether t is an achievementType of Open Badges 3.0, or an
// extension of them.
func IsAchievementType(t string) bool { return achievementTypes.has(t) }

// IsIdentityType says whether t is an identityType of Open Badges 3.0, or an
// extension of them.
func IsIdentityType(t string) bool { return identityTypes.has(t) }

// IsResultType says whether t is a resultType of Open Badges 3.0, or an extension
// of them.
func IsResultType(t string) bool { return resultTypes.has(t) }

// IsResultStatus says whether s is a status that a result may have.
func IsResultStatus(s string) bool { return resultStatuses.has(s) }

// IsAssociationType says whether t is an associationType of CLR 2.0.
func IsAssociationType(t string) bool { return associationTypes.has(t) }

// AchievementTypes lists the achievementType terms of Open Badges 3.0.
func AchievementTypes() []string { return slices.Clone(achievementTypes.words) }

// terms is one of the standard's enumerations. Extensible ones also take words that
// begin with "ext:".
type terms struct {
	words      []string
	extensible bool
}

func (t *terms) has(s string) bool {
	if slices.Contains(t.words, s) {
		return true
	}
	ext, ok := strings.CutPrefix(s, "ext:")
	return ok && t.extensible && ext != "" && strings.IndexFunc(ext, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_|", r))
	}) < 0
}

func enumeration(words string) *terms { return &terms{words: strings.Fields(words)} }
func extensible(words string) *terms  { return &terms{words: strings.Fields(words), extensible: true} }

var (
	achievementTypes = extensible(`Achievement ApprenticeshipCertificate Assessment Assignment AssociateDegree Award Badge
		BachelorDegree Certificate CertificateOfCompletion Certification CommunityService Competency Course CoCurricular Degree
		Diploma DoctoralDegree Fieldwork GeneralEducationDevelopment JourneymanCertificate LearningProgram License Membership
		ProfessionalDoctorate QualityAssuranceCredential MasterCertificate MasterDegree MicroCredential ResearchDoctorate
		SecondarySchoolDiploma`)
	identityTypes = extensible(`name sourcedId systemId productId userName accountId emailAddress nationalIdentityNumber isbn
		issn lisSourcedId oneRosterSourcedId sisSourcedId ltiContextId ltiDeploymentId ltiToolId ltiPlatformId ltiUserId identifier`)
	resultTypes = extensible(`GradePointAverage LetterGrade Percent PerformanceLevel PredictedScore RawScore Result
		RubricCriterion RubricCriterionLevel RubricScore ScaledScore Status`)
	targetTypes      = extensible(`ceasn:Competency ceterms:Credential CFItem CFRubric CFRubricCriterion CFRubricCriterionLevel CTDL`)
	resultStatuses   = enumeration(`Completed Enrolled Failed InProgress OnHold Provisional Withdrew`)
	associationTypes = enumeration(`exactMatchOf isChildOf isParentOf isPartOf isPeerOf isRelatedTo precedes replacedBy`)
)
