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
}

// typing says what the member type of a class must be.
type typing int

const (
	ownType typing = iota // the name of the class is among its types
	anyType               // it has a type of its own choice
	noType                // it needs none
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
	ofClass
)

var kinds = map[string]kind{
	"any": ofAny, "text": ofText, "language": ofLanguage, "uri": ofURI, "bool": ofBool, "number": ofNumber, "time": ofTime, "date": ofDate, "jws": ofJWS,
	"VerifiableCredential": ofCredential, "EndorsementCredential": ofCredential,
}

var enumerations = map[string]*terms{
	"achievementType": achievementTypes,
	"associationType": associationTypes,
	"identityType":    identityTypes,
	"resultType":      resultTypes,
	"resultStatus":    resultStatuses,
	"targetType":      targetTypes,
}

const (
	credentialMembers = ` id:uri description:text image:Image? validFrom!:time validUntil:time issuer!:Profile? proof:Proof*
		credentialSchema:CredentialSchema* credentialStatus:CredentialStatus refreshService:RefreshService
		termsOfUse:TermsOfUse* evidence:Evidence* endorsement:EndorsementCredential* endorsementJwt:jws* awardedDate:time`
	genericMembers = ` id:uri name:any description:any issuer!:any validFrom!:time validUntil:time credentialSubject!:any
		proof:Proof* credentialSchema:any credentialStatus:any refreshService:any termsOfUse:any evidence:any`
	subjectMembers = ` id:uri identifier:IdentityObject*`
)

// classes is the model of the standard. Closed are what the standard closes, and
// besides those subjects whose id may also be somebody else's: what is added to one
// would disappear among what is said about the other.
var classes = link(map[string]*class{
	"ClrCredential": open("CLR 2.0, ClrCredential",
		"id!:uri name!:text partial:bool credentialSubject!:ClrSubject"+credentialMembers),
	"AchievementCredential": open("Open Badges 3.0, AchievementCredential",
		"id!:uri name:text credentialSubject!:AchievementSubject"+credentialMembers),
	"EndorsementCredential": open("Open Badges 3.0, EndorsementCredential",
		"id!:uri name!:text credentialSubject!:EndorsementSubject"+credentialMembers),
	"VerifiableCredential": open("VC Data Model 2.0, 4", genericMembers),
	"ClrSubject": closed("CLR 2.0, ClrSubject",
		"verifiableCredential!:VerifiableCredential* achievement:Achievement* association:Association*"+subjectMembers),
	"AchievementSubject": open("Open Badges 3.0, AchievementSubject",
		`achievement!:Achievement activityStartDate:time activityEndDate:time creditsEarned:number image:Image?
		licenseNumber:text narrative:text result:Result* role:text source:Profile? term:text`+subjectMembers),
	"EndorsementSubject": closed("Open Badges 3.0, EndorsementSubject", "id!:uri endorsementComment:text"),
	"Association":        closed("CLR 2.0, Association", "associationType!:associationType sourceId!:uri targetId!:uri"),
	"Achievement": open("Open Badges 3.0, Achievement",
		`id!:uri achievementType:achievementType alignment:Alignment* creator:Profile? creditsAvailable:number
		criteria!:Criteria description!:text endorsement:EndorsementCredential* endorsementJwt:jws* fieldOfStudy:text
		humanCode:text image:Image? inLanguage:language name!:text otherIdentifier:IdentifierEntry* related:Related*
		resultDescription:ResultDescription* specialization:text tag:text* version:text`),
	"Criteria": untyped("Open Badges 3.0, Criteria", "id:uri narrative:text"),
	"Alignment": open("Open Badges 3.0, Alignment",
		`id:uri targetCode:text targetDescription:text targetName!:text targetFramework:text targetType:targetType targetUrl!:uri`),
	"Evidence": open("Open Badges 3.0, Evidence", "id:uri narrative:text name:text description:text genre:text audience:text"),
	"Image":    closed("Open Badges 3.0, Image", "id!:uri caption:text"),
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
		image:Image? email:text address:Address otherIdentifier:IdentifierEntry* official:text parentOrg:Profile? familyName:text
		givenName:text additionalName:text patronymicName:text honorificPrefix:text honorificSuffix:text
		familyNamePrefix:text dateOfBirth:date`),
	"Address": open("Open Badges 3.0, Address",
		`id:uri addressCountry:text addressCountryCode:text addressRegion:text addressLocality:text streetAddress:text
		postOfficeBoxNumber:text postalCode:text geo:GeoCoordinates`),
	"GeoCoordinates": open("Open Badges 3.0, GeoCoordinates", "id:uri latitude:number longitude:number"),
	"IdentityObject": closed("Open Badges 3.0, IdentityObject",
		"hashed!:bool identityHash!:text identityType!:identityType salt:text"),
	"IdentifierEntry": closed("Open Badges 3.0, IdentifierEntry", "identifier!:text identifierType!:identityType"),

	"CredentialSchema": other("VC Data Model 2.0, 4.11", "id!:uri digestSRI:text digestMultibase:text"),
	"CredentialStatus": other("VC Data Model 2.0, 4.10",
		"id:uri statusPurpose:text statusListIndex:text statusListCredential:uri statusSize:number"),
	"RefreshService": other("VC Data Model 2.0, 5.4", "id!:uri"),
	"TermsOfUse":     other("VC Data Model 2.0, 5.5", "id:uri"),
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

func untyped(section, members string) *class {
	return &class{section: section, open: true, typing: noType, members: parseMembers(members)}
}

func other(section, members string) *class {
	return &class{section: section, open: true, typing: anyType, members: parseMembers(members)}
}

// parseMembers reads the notation name:kind, with ! after a required name, and
// after the kind * where an array may stand and ? where a URI may. Of a name that
// stands twice the first holds.
func parseMembers(list string) []member {
	var all []member
	for _, w := range strings.Fields(list) {
		name, kind, _ := strings.Cut(w, ":")
		name, required := strings.CutSuffix(name, "!")
		if !slices.ContainsFunc(all, func(m member) bool { return m.name == name }) {
			all = append(all, member{name: name, of: strings.TrimRight(kind, "*?"), required: required,
				many: strings.HasSuffix(kind, "*"), ref: strings.HasSuffix(kind, "?")})
		}
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return all
}

// link gives the rows their names and leads each member to the row or enumeration that
// it names.
func link(rows map[string]*class) map[string]*class {
	for name, row := range rows {
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
	return rows
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
