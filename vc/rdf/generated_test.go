package rdf

import (
	"fmt"
	"math/rand/v2"
)

const (
	vc2 = "https://www.w3.org/ns/credentials/v2"
	clr = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
	ob3 = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	ext = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

type object = map[string]any

// generateBadge makes a credential as a registrar's system would, with most of
// what Open Badges 3.0 has.
func generateBadge(r *rand.Rand, i int) object {
	base := fmt.Sprintf("urn:uuid:00000000-0000-8000-8000-%012d", i)
	description := base + "#letter"
	return object{
		"@context":         []any{vc2, ob3, ext},
		"id":               fmt.Sprintf("https://a.edu/credentials/c%d", i),
		"type":             []any{"VerifiableCredential", "AchievementCredential"},
		"name":             fmt.Sprintf("Course %d \"quoted\"", i),
		"issuer":           object{"id": "did:web:a.edu", "type": []any{"Profile"}, "name": "A", "url": "https://a.edu", "address": object{"id": "did:web:a.edu#address", "type": []any{"Address"}, "addressCountry": "AT"}},
		"validFrom":        "2026-01-02T03:04:05Z",
		"awardedDate":      "2025-06-30T00:00:00Z",
		"credentialSchema": []any{object{"id": "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json", "type": "1EdTechJsonSchemaValidator2019"}},
		"credentialStatus": object{"id": fmt.Sprintf("https://a.edu/status/1#%d", i), "type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": fmt.Sprint(r.IntN(131072)), "statusListCredential": "https://a.edu/status/1"},
		"credentialSubject": object{
			"type":          []any{"AchievementSubject"},
			"identifier":    []any{object{"type": "IdentityObject", "hashed": true, "identityHash": fmt.Sprintf("sha256$%064x", i), "identityType": "emailAddress", "salt": fmt.Sprint(r.Uint64())}},
			"creditsEarned": float64(r.IntN(40)) / 4,
			"term":          "2025W",
			"result":        []any{object{"id": fmt.Sprintf("https://a.edu/credentials/c%d#r", i), "type": []any{"Result"}, "resultDescription": description, "value": string(rune('A' + r.IntN(5)))}},
			"achievement": object{
				"id": base, "type": []any{"Achievement"}, "achievementType": "Course", "name": fmt.Sprintf("Course %d", i), "description": "Über \\ \n<x>",
				"criteria": object{"id": base + "#criteria", "narrative": "Pass."}, "humanCode": fmt.Sprintf("C-%d", i), "creditsAvailable": 6.0, "tag": []any{"a", "b"},
				"alignment":         []any{object{"id": base + "#a", "type": []any{"Alignment"}, "targetName": "T", "targetUrl": "https://case.example/x", "targetType": "CFItem"}},
				"resultDescription": []any{object{"id": description, "type": []any{"ResultDescription"}, "name": "Grade", "resultType": "LetterGrade", "allowedValue": []any{"F", "D", "C", "B", "A"}}},
			},
		},
	}
}

// generateCLR makes a record of n achievements, each with its own proof.
func generateCLR(n int) object {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var embedded, associations []any
	for i := range n {
		b := generateBadge(r, i)
		b["proof"] = object{"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-01-02T03:04:05Z", "verificationMethod": "did:web:a.edu#key-1", "proofPurpose": "assertionMethod", "proofValue": fmt.Sprintf("z%d", i)}
		embedded = append(embedded, b)
		associations = append(associations, object{"type": "Association", "associationType": "isChildOf", "sourceId": fmt.Sprintf("urn:uuid:00000000-0000-8000-8000-%012d", i), "targetId": "urn:uuid:00000000-0000-8000-8000-999999999999"})
	}
	return object{
		"@context": []any{vc2, clr, ob3, ext}, "id": "https://a.edu/credentials/clr", "type": []any{"VerifiableCredential", "ClrCredential"}, "name": "Record", "partial": false,
		"issuer": object{"id": "did:web:a.edu", "type": []any{"Profile"}, "name": "A"}, "validFrom": "2026-01-02T03:04:05Z",
		"credentialSubject": object{
			"type": []any{"ClrSubject"}, "verifiableCredential": embedded, "association": associations,
			"identifier":  []any{object{"type": "IdentityObject", "hashed": false, "identityHash": "Ada", "identityType": "name"}},
			"achievement": []any{object{"id": "urn:uuid:00000000-0000-8000-8000-999999999999", "type": []any{"Achievement"}, "achievementType": "Degree", "name": "BSc", "description": "D", "criteria": object{"narrative": "All."}}},
		},
	}
}
