package interop

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"clrnode/vc"
)

// A Shape says what a generated record looks like.
type Shape struct {
	N      int    // achievements, each in a credential with a proof of its own
	Lean   bool   // without what repeats: the issuer's address and the list of grades in every credential
	Issuer string // the issuer's DID
}

// IssuedAt is when generated records are valid from.
var IssuedAt = time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)

// Generate makes a learner record as a registrar's system would write it that knows
// nothing of canonicalization: objects without ids that repeat in every credential. The
// same Shape gives the same record. sign signs the credentials and the record; the record
// as it was before comes as well.
func Generate(s Shape, sign func(vc.Credential) (vc.Signed, error)) (vc.Signed, vc.Credential, error) {
	embedded := make([]json.RawMessage, s.N)
	for i := range s.N {
		c, err := sign(s.badge(i))
		if err != nil {
			return vc.Signed{}, nil, fmt.Errorf("credential %d: %w", i, err)
		}
		embedded[i] = c.Bytes()
	}
	c := s.record(embedded)
	signed, err := sign(c)
	return signed, c, err
}

const (
	contextVC  = "https://www.w3.org/ns/credentials/v2"
	contextCLR = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
	contextOB  = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	subject    = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
)

type object = map[string]any

// badge is the i-th achievement of the record, not signed.
func (s Shape) badge(i int) vc.Credential {
	k := fmt.Sprint("ach", i)
	field := []string{"BIOL", "CHEM", "MATH", "HIST", "ENGL", "PHYS", "PSYC", "COMP"}[i%8]
	number, year, description := 100+(i*7)%400, 2010+i%14, uuid(k+"rd")
	name := fmt.Sprintf("%s %d %s", field, number, text(k+"n", 3))
	grade := object{"id": description, "type": []any{"ResultDescription"}, "name": "Final grade", "resultType": "LetterGrade"}
	if !s.Lean {
		grade["allowedValue"] = []any{"A", "A-", "B+", "B", "C+", "C", "D", "F"}
	}
	return object{
		"@context": []any{contextVC, contextOB},
		"id":       uuid(k + "cred"), "type": []any{"VerifiableCredential", "AchievementCredential"},
		"issuer": s.profile(), "validFrom": fmt.Sprintf("%d-06-0%dT00:00:00Z", year, 1+i%9), "name": name,
		"credentialSubject": object{
			"id": subject, "type": []any{"AchievementSubject"},
			"activityStartDate": fmt.Sprintf("%d-01-15T00:00:00Z", year), "activityEndDate": fmt.Sprintf("%d-05-30T00:00:00Z", year),
			"creditsEarned": 3 + float64(i%2)/2, "term": fmt.Sprintf("Spring %d", year),
			"achievement": object{
				"id": uuid(k + "a"), "type": []any{"Achievement"}, "achievementType": "Course", "name": name, "description": text(k+"d", 40),
				"humanCode": fmt.Sprintf("%s-%d-%d", field, number, i), "fieldOfStudy": field, "creditsAvailable": 4.0, "inLanguage": "en",
				"tag": []any{strings.ToLower(field), fmt.Sprintf("level-%d", number)}, "criteria": object{"narrative": text(k+"c", 30)},
				"alignment": []any{object{"type": []any{"Alignment"}, "targetName": text(k+"t", 4), "targetUrl": fmt.Sprintf("https://standards.example.org/item/%d", i),
					"targetCode": fmt.Sprintf("S.%d", i), "targetFramework": "State Standards", "targetType": "CFItem"}},
				"resultDescription": []any{grade},
			},
			"result": []any{object{"type": []any{"Result"}, "resultDescription": description, "value": []string{"A", "A-", "B+", "B", "C+", "C"}[i%6]}},
		},
		"credentialSchema": schema("https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"),
		"credentialStatus": vc.StatusEntry("https://registrar.example.edu/status/3", i),
	}
}

func (s Shape) record(embedded []json.RawMessage) vc.Credential {
	person := object{"id": subject, "type": []any{"ClrSubject"}, "verifiableCredential": embedded}
	var associations []any
	for i := range s.N - 1 {
		associations = append(associations, object{"type": "Association", "associationType": "isPeerOf",
			"sourceId": uuid(fmt.Sprintf("ach%da", i)), "targetId": uuid(fmt.Sprintf("ach%da", i+1))})
	}
	if associations != nil {
		person["association"] = associations
	}
	return object{
		"@context": []any{contextVC, contextCLR, contextOB},
		"id":       uuid(fmt.Sprint("clr", s.N)), "type": []any{"VerifiableCredential", "ClrCredential"},
		"issuer": s.profile(), "validFrom": "2026-01-10T00:00:00Z", "awardedDate": "2026-01-10T00:00:00Z",
		"name": "Comprehensive Learner Record", "partial": false, "credentialSubject": person,
		"credentialSchema": schema("https://purl.imsglobal.org/spec/clr/v2p0/schema/json/clr_v2p0_clrcredential_schema.json"),
		"credentialStatus": vc.StatusEntry("https://registrar.example.edu/status/4", 7),
	}
}

func (s Shape) profile() object {
	p := object{"id": s.Issuer, "type": []any{"Profile"}, "name": "Riverwell State University", "url": "https://riverwell.example.edu/", "email": "registrar@riverwell.example.edu"}
	if !s.Lean {
		p["address"] = object{"type": []any{"Address"}, "streetAddress": "4200 NW 185th Ave", "addressLocality": "Riverwell", "addressRegion": "OR", "postalCode": "97229", "addressCountry": "US"}
	}
	return p
}

func schema(url string) []any {
	return []any{object{"id": url, "type": "JsonSchema"}}
}

func uuid(seed string) string {
	h := sha256.Sum256([]byte(seed))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // RFC 9562, version 8
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// text is n words that seed chooses.
func text(seed string, n int) string {
	words := strings.Fields("analysis of the historical development and present practice in laboratory field study with emphasis on evidence " +
		"written communication quantitative reasoning students will demonstrate competency through projects examinations seminars " +
		"design measurement safety ethics and collaboration across disciplines")
	chosen := make([]string, n)
	for i := range n {
		h := sha256.Sum256(fmt.Append(nil, seed, i))
		chosen[i] = words[binary.BigEndian.Uint32(h[:])%uint32(len(words))]
	}
	s := strings.Join(chosen, " ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
