package clr

import (
	"slices"
	"strings"

	"clrnode/internal/jcs"
)

// A class is one row of the model of CLR 2.0 and Open Badges 3.0: which members an
// object of that class has, and what they hold.
type class struct {
	name     string
	section  string // of the standard
	open     bool   // may have members that aren't named here
	typing   typing
	members  []member // by name, as the members of a [jcs.Value] are
	required int      // how many of them are
	v1       *class   // the row of data model 1.1, where that is another one
}

// typing says what the member type of a class must be.
type typing int

const (
	ownType  typing = iota // the name of the class is among its types
	onlyType               // it is the name of the class, without an array
	anyType                // it has one type of its own choice, without an array
	noType                 // it needs none
)

// A member is what one member of a class holds.
type member struct {
	name     string
	of       string // what it holds, as the model below spells it
	kind     kind
	words    *terms // where kind is ofWords
	class    *class // where kind is ofClass
	required bool
	many     bool // may be an array
	ref      bool // a URI may stand in place of the object
}

// kind is what a value must be.
type kind int

const (
	ofAny kind = iota
	ofText
	ofLanguage
	ofURI
	ofBool
	ofNumber
	ofTime
	ofDate
	ofJWS
	ofWords
	ofCredential
	ofObject // of no class
	ofClass
	ofOtherVersion // nothing: the name belongs to another version of the data model
)

var kinds = map[string]kind{
	"any": ofAny, "text": ofText, "language": ofLanguage, "uri": ofURI, "bool": ofBool, "number": ofNumber, "time": ofTime, "date": ofDate, "jws": ofJWS,
	"VerifiableCredential": ofCredential, "EndorsementCredential": ofCredential, "object": ofObject, version1: ofOtherVersion, version2: ofOtherVersion,
}

var enumerations = map[string]*terms{
	"achievementType": achievementTypes,
	"associationType": associationTypes,
	"identityType":    identityTypes,
	"resultType":      resultTypes,
	"resultStatus":    resultStatuses,
	"targetType":      targetTypes,
}

// The versions of the W3C's data model.
const (
	version1 = "1.1"
	version2 = "2.0"
)

// datesOf says which members tell from when and until when a credential is valid.
var datesOf = map[string]string{
	version1: " issuanceDate!:time expirationDate:time validFrom:2.0 validUntil:2.0",
	version2: " validFrom!:time validUntil:time issuanceDate:1.1 expirationDate:1.1 relatedResource:RelatedResource*",
}

// twins are the names of the same in the other version.
var twins = map[string]string{
	"validFrom": "issuanceDate", "validUntil": "expirationDate", "issuanceDate": "validFrom", "expirationDate": "validUntil",
}

const (
	credentialMembers = ` id!:uri description:text image:Image issuer!:Profile? proof:Proof*
		credentialSchema:CredentialSchema* credentialStatus:CredentialStatus refreshService:RefreshService
		termsOfUse:TermsOfUse* evidence:Evidence* endorsement:EndorsementCredential* endorsementJwt:jws* awardedDate:time`
	subjectMembers = ` id:uri identifier:IdentityObject*`
)

// classes is the model of the standard. Closed are what the standard closes, and
// besides those subjects whose id may also be somebody else's: what is added to one
// would disappear among what is said about the other.
var classes = link(map[string]*class{
	"ClrCredential": credential("CLR 2.0, ClrCredential",
		"name!:text partial:bool credentialSubject!:ClrSubject"+credentialMembers),
	"AchievementCredential": credential("Open Badges 3.0, AchievementCredential",
		"name:text credentialSubject!:AchievementSubject"+credentialMembers),
	"EndorsementCredential": credential("Open Badges 3.0, EndorsementCredential",
		"name!:text credentialSubject!:EndorsementSubject"+credentialMembers),
	// A credential of another kind follows the W3C's data model, which leaves more open.
	"VerifiableCredential": credential("VC Data Model 2.0, 4", `id:uri name:any description:any issuer!:any credentialSubject!:object*
		proof:Proof* credentialSchema:any credentialStatus:any refreshService:any termsOfUse:any evidence:any`),
	"ClrSubject": closed("CLR 2.0, ClrSubject",
		"verifiableCredential!:VerifiableCredential* achievement:Achievement* association:Association*"+subjectMembers),
	"AchievementSubject": open("Open Badges 3.0, AchievementSubject",
		`achievement!:Achievement activityStartDate:time activityEndDate:time creditsEarned:number image:Image
		licenseNumber:text narrative:text result:Result* role:text source:Profile term:text`+subjectMembers),
	"EndorsementSubject": closed("Open Badges 3.0, EndorsementSubject", "id!:uri endorsementComment:text"),
	"Association":        only("CLR 2.0, Association", "associationType!:associationType sourceId!:uri targetId!:uri"),
	"Achievement": open("Open Badges 3.0, Achievement",
		`id!:uri achievementType:achievementType alignment:Alignment* creator:Profile creditsAvailable:number
		criteria!:Criteria description!:text endorsement:EndorsementCredential* endorsementJwt:jws* fieldOfStudy:text
		humanCode:text image:Image inLanguage:language name!:text otherIdentifier:IdentifierEntry* related:Related*
		resultDescription:ResultDescription* specialization:text tag:text* version:text`),
	"Criteria": untyped("Open Badges 3.0, Criteria", "id:uri narrative:text"),
	"Alignment": open("Open Badges 3.0, Alignment",
		`id:uri targetCode:text targetDescription:text targetName!:text targetFramework:text targetType:targetType targetUrl!:uri`),
	"Evidence": open("Open Badges 3.0, Evidence", "id:uri narrative:text name:text description:text genre:text audience:text"),
	"Image":    only("Open Badges 3.0, Image", "id!:uri caption:text"),
	"Related":  open("Open Badges 3.0, Related", "id!:uri inLanguage:language version:text"),
	"ResultDescription": open("Open Badges 3.0, ResultDescription",
		`id!:uri alignment:Alignment* allowedValue:text* name!:text requiredLevel:uri requiredValue:text resultType!:resultType
		rubricCriterionLevel:RubricCriterionLevel* valueMax:text valueMin:text`),
	"RubricCriterionLevel": open("Open Badges 3.0, RubricCriterionLevel",
		"id!:uri alignment:Alignment* description:text level:text name!:text points:text"),
	"Result": open("Open Badges 3.0, Result",
		"id:uri achievedLevel:uri alignment:Alignment* resultDescription:uri status:resultStatus value:text"),
	"Profile": open("Open Badges 3.0, Profile",
		`id!:uri name:text url:uri phone:text description:text endorsement:EndorsementCredential* endorsementJwt:jws*
		image:Image email:text address:Address otherIdentifier:IdentifierEntry* official:text parentOrg:Profile familyName:text
		givenName:text additionalName:text patronymicName:text honorificPrefix:text honorificSuffix:text
		familyNamePrefix:text dateOfBirth:date`),
	"Address": open("Open Badges 3.0, Address",
		`id:uri addressCountry:text addressCountryCode:text addressRegion:text addressLocality:text streetAddress:text
		postOfficeBoxNumber:text postalCode:text geo:GeoCoordinates`),
	"GeoCoordinates": openOnly("Open Badges 3.0, GeoCoordinates", "id:uri latitude!:number longitude!:number"),
	"IdentityObject": only("Open Badges 3.0, IdentityObject",
		"hashed!:bool identityHash!:text identityType!:identityType salt:text"),
	"IdentifierEntry": only("Open Badges 3.0, IdentifierEntry", "identifier!:text identifierType!:identityType"),

	"CredentialSchema": other("VC Data Model 2.0, 4.11", "id!:uri digestSRI:text digestMultibase:text"),
	"CredentialStatus": other("VC Data Model 2.0, 4.10",
		"id:uri statusPurpose:text statusListIndex:text statusListCredential:uri statusSize:number"),
	"RefreshService":  other("VC Data Model 2.0, 5.4", "id!:uri"),
	"TermsOfUse":      other("VC Data Model 2.0, 5.5", "id:uri"),
	"RelatedResource": untyped("VC Data Model 2.0, 5.3", "id!:uri digestSRI:text* digestMultibase:text* mediaType:text"),
	"Proof": other("Data Integrity 1.0, 2.1",
		`id:uri created:time expires:time cryptosuite:text challenge:text domain:text* nonce:text proofPurpose:text
		proofValue:text verificationMethod:uri previousProof:uri*`),
})

func open(section, members string) *class {
	return &class{section: section, open: true, members: parseMembers(members)}
}

func closed(section, members string) *class {
	return &class{section: section, members: parseMembers(members)}
}

// only is a closed row for objects with one type.
func only(section, members string) *class {
	return &class{section: section, typing: onlyType, members: parseMembers(members)}
}

func openOnly(section, members string) *class {
	return &class{section: section, open: true, typing: onlyType, members: parseMembers(members)}
}

// credential is a row for each version of the data model.
func credential(section, members string) *class {
	row := open(section, members+datesOf[version2])
	row.v1 = open(section, members+datesOf[version1])
	return row
}

func untyped(section, members string) *class {
	return &class{section: section, open: true, typing: noType, members: parseMembers(members)}
}

func other(section, members string) *class {
	return &class{section: section, open: true, typing: anyType, members: parseMembers(members)}
}

// parseMembers reads the notation name:kind, with ! after a required name, and
// after the kind * where an array may stand and ? where a URI may.
func parseMembers(list string) []member {
	var all []member
	for _, w := range strings.Fields(list) {
		name, kind, _ := strings.Cut(w, ":")
		name, required := strings.CutSuffix(name, "!")
		all = append(all, member{name: name, of: strings.TrimRight(kind, "*?"), required: required,
			many: strings.HasSuffix(kind, "*"), ref: strings.HasSuffix(kind, "?")})
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return all
}

// link gives the rows their names and leads each member to the row or enumeration that
// it names.
func link(rows map[string]*class) map[string]*class {
	for name, row := range rows {
		row.link(name, rows)
		if row.v1 != nil {
			row.v1.link(name, rows)
		}
	}
	return rows
}

func (row *class) link(name string, rows map[string]*class) {
	row.name = name
	for i := range row.members {
		m := &row.members[i]
		if m.required {
			row.required++
		}
		m.words, m.class = enumerations[m.of], rows[m.of]
		switch k, plain := kinds[m.of]; {
		case plain:
			m.kind = k
		case m.words != nil:
			m.kind = ofWords
		case m.class != nil:
			m.kind = ofClass
		default:
			panic("clr: the model names no " + m.of)
		}
	}
}

// classOf says by which row a credential of some type is judged: the standard's own,
// or, for credentials of other kinds, the general one.
func classOf(types *jcs.Value) string {
	items := types.Items()
	for i := range items {
		switch t := items[i].String(); t {
		case "ClrCredential", "AchievementCredential", "EndorsementCredential":
			return t
		case "OpenBadgeCredential":
			return "AchievementCredential"
		}
	}
	return "VerifiableCredential"
}
