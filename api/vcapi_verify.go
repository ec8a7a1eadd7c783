package api

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"clrnode/internal/jcs"
	"clrnode/vc"
)

// The types of problems that the standards name (VC Data Model 2.0, 7.2; Data Integrity
// 1.0, 4.7; Controlled Identifiers 1.0, 3.5; Bitstring Status List 1.0, 3.5).
const (
	parsingError     = "https://www.w3.org/TR/vc-data-model#PARSING_ERROR"
	cryptoError      = "https://www.w3.org/TR/vc-data-model#CRYPTOGRAPHIC_SECURITY_ERROR"
	malformedValue   = "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"
	rangeError       = "https://www.w3.org/TR/vc-data-model#RANGE_ERROR"
	proofError       = "https://w3id.org/security#PROOF_VERIFICATION_ERROR"
	domainError      = "https://w3id.org/security#INVALID_DOMAIN_ERROR"
	challengeError   = "https://w3id.org/security#INVALID_CHALLENGE_ERROR"
	methodError      = "https://w3id.org/security#INVALID_VERIFICATION_METHOD"
	relationError    = "https://w3id.org/security#INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"
	statusRetrieval  = "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR"
	typeCouldNot     = "could-not-check"
	statusCheckNamed = "credentialStatus"
)

// A vcTrouble is one entry of problemDetails or of warnings.
type vcTrouble struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Detail  string `json:"detail"`
	Code    string `json:"code,omitempty"`    // of the check (see package vc)
	Pointer string `json:"pointer,omitempty"` // in the body that was sent
	Cause   string `json:"cause,omitempty"`   // the standard's type of why it could not be checked
	Section string `json:"section,omitempty"` // of the standard
}

// A vcAnswer is what verifying answers.
type vcAnswer struct {
	Verified bool        `json:"verified"`
	Checks   []string    `json:"checks"` // what was judged
	Warnings []vcTrouble `json:"warnings"`
	Problems []vcTrouble `json:"problemDetails"`
	Report   *vc.Report  `json:"report,omitempty"` // none of what is no credential at all
}

// knownChecks are the checks that a request may name. All but the status are always
// made: a credential that is changed, expired or another's is never verified.
var knownChecks = []string{"proof", statusCheckNamed, "status", "credentialSchema", "expiration", "validity"}

// asked says which checks a request names, and whether the status counts.
func asked(options *jcs.Value) (status bool, err error) {
	list := options.Get("checks")
	if list == nil {
		return true, nil
	}
	if !list.Is(jcs.Array) {
		return false, malformed("/options/checks", "checks must be an array of names.")
	}
	for i := range list.List() {
		name := list.List()[i].String()
		if !slices.Contains(knownChecks, name) {
			return false, malformed("/options/checks", "This node has the checks %s.", strings.Join(knownChecks, ", "))
		}
		status = status || name == statusCheckNamed || name == "status"
	}
	return status || len(list.List()) == 0, nil
}

// vcVerify verifies a credential.
func (s *server) vcVerify(w http.ResponseWriter, r *http.Request) error {
	raw, options, err := vcDocument(w, r, "verifiableCredential")
	if err != nil {
		return err
	}
	a, err := newAnswer(options, "assertionMethod")
	if err != nil {
		return err
	}
	if err := a.occasion(raw, options); err != nil {
		return err
	}
	_, report, err := s.node.Verify(r.Context(), raw, nil)
	return a.write(w, report, err)
}

// vcVerifyPresentation verifies a presentation and the credentials in it.
func (s *server) vcVerifyPresentation(w http.ResponseWriter, r *http.Request) error {
	raw, options, err := vcDocument(w, r, "verifiablePresentation")
	if err != nil {
		return err
	}
	a, err := newAnswer(options, "authentication")
	if err != nil {
		return err
	}
	challenge, err := text(options, "challenge")
	if err != nil {
		return err
	}
	domain, err := text(options, "domain")
	if err != nil {
		return err
	}
	a.base = "/verifiablePresentation"
	report, err := s.node.VerifyPresentation(r.Context(), raw, challenge, domain)
	return a.write(w, report, err)
}

// vcDocument takes what is to be verified out of the body: an object, or a token.
func vcDocument(w http.ResponseWriter, r *http.Request, member string) ([]byte, *jcs.Value, error) {
	body, err := vcBody(w, r)
	if err != nil {
		return nil, nil, err
	}
	options, err := vcOptions(body)
	if err != nil {
		return nil, nil, err
	}
	v := body.Get(member)
	switch {
	case v.Is(jcs.Object):
		return v.Append(nil), options, nil
	case v.String() != "":
		return []byte(v.Text), options, nil
	}
	return nil, nil, malformed("/"+member, "Send what is to be verified under %s: an object, or a compact JSON Web Token.", member)
}

// An answering collects what a verification found.
type answering struct {
	vcAnswer
	base   string // pointer to what was judged
	status bool   // whether the status counts
}

func newAnswer(options *jcs.Value, purpose string) (*answering, error) {
	status, err := asked(options)
	if err != nil {
		return nil, err
	}
	a := &answering{base: "/verifiableCredential", status: status}
	a.Checks, a.Warnings, a.Problems = []string{"proof"}, []vcTrouble{}, []vcTrouble{}
	if status {
		a.Checks = append(a.Checks, statusCheckNamed)
	}
	expected, err := text(options, "expectedProofPurpose")
	if err != nil {
		return nil, err
	}
	if expected != "" && expected != purpose {
		a.Problems = append(a.Problems, vcTrouble{Type: proofError, Title: "Proof not accepted", Pointer: "/options/expectedProofPurpose", Code: "proof.purpose",
			Detail: "What is verified here is proven for " + purpose + ", and " + expected + " was expected."})
	}
	return a, nil
}

// occasion judges whether the proofs of a credential are for the domain and challenge
// that were named. (Those of a presentation are judged with it.)
func (a *answering) occasion(raw []byte, options *jcs.Value) error {
	for _, o := range []struct{ name, kind string }{{"domain", domainError}, {"challenge", challengeError}} {
		want, err := text(options, o.name)
		if err != nil {
			return err
		}
		if want == "" {
			continue
		}
		doc, err := jcs.Read(raw)
		if err != nil || doc.Get("type").HasString("EnvelopedVerifiableCredential") {
			return malformed("/options/"+o.name, "Only proofs inside a credential have a %s.", o.name)
		}
		proofs := doc.Get("proof").Items()
		for i := range proofs {
			if !proofs[i].Get(o.name).HasString(want) {
				a.Problems = append(a.Problems, vcTrouble{Type: o.kind, Title: "Made for another occasion", Pointer: a.base + "/proof", Code: "proof." + o.name,
					Detail: "The proof's " + o.name + " isn't the one that was asked for."})
				break
			}
		}
	}
	return nil
}

// write answers 200 where nothing failed and everything could be checked, else 400.
func (a *answering) write(w http.ResponseWriter, report *vc.Report, err error) error {
	var junk *vc.NotCredentialError
	switch {
	case errors.As(err, &junk):
		a.Problems = append(a.Problems, vcTrouble{Type: malformedValue, Title: titles[malformedValue], Code: "structure.none", Pointer: a.base, Detail: sentence(errors.New(junk.Reason))})
	case err != nil:
		return err
	default:
		a.Report = report
		a.part(report.Envelope)
		for _, p := range report.Embedded {
			a.part(p)
		}
	}
	a.Verified = len(a.Problems) == 0
	status := http.StatusOK
	if !a.Verified {
		status = http.StatusBadRequest
	}
	return writeJSON(w, status, a.vcAnswer)
}

var inPresentation = regexp.MustCompile(`^/verifiableCredential(/[0-9]+)?`)

// part sorts the checks of one credential.
func (a *answering) part(p vc.Part) {
	around := "" // the document to which a check's own pointer belongs
	if a.base == "/verifiablePresentation" {
		around = inPresentation.FindString(p.Pointer)
	}
	for _, c := range p.Checks {
		t := trouble(c)
		t.Pointer = a.base + p.Pointer
		if strings.HasPrefix(c.Code, "structure.") && strings.HasPrefix(c.About, "/") {
			t.Pointer = a.base + around + c.About
		}
		skipped := !a.status && strings.HasPrefix(c.Code, "status.")
		switch {
		case c.Outcome == vc.OK:
		case c.Code == "holder.unsigned": // a door for proofs
			a.Problems = append(a.Problems, t)
		case c.Outcome == vc.Warning || skipped:
			a.Warnings = append(a.Warnings, t)
		default:
			a.Problems = append(a.Problems, t)
		}
	}
}

var titles = map[string]string{
	parsingError: "Not readable", cryptoError: "Signature not accepted", malformedValue: "Malformed value", rangeError: "Outside its time",
	proofError: "Proof not accepted", methodError: "Key not accepted", relationError: "Key not listed", typeCouldNot: "Could not be checked",
}

// trouble is a check in the words of the VC-API.
func trouble(c vc.Check) vcTrouble {
	t := vcTrouble{Type: c.Code, Detail: c.Sentence, Code: c.Code, Section: c.Section}
	switch group, _, _ := strings.Cut(c.Code, "."); {
	case c.Outcome == vc.Unchecked:
		t.Type = typeCouldNot
		if c.Code == "status.unchecked" {
			t.Cause = statusRetrieval
		}
	case c.Code == "structure.json" || c.Code == "structure.token":
		t.Type = parsingError
	case group == "structure" || c.Code == "claims.disagree":
		t.Type = malformedValue
	case group == "proof" && strings.Contains(c.Section, "JOSE"):
		t.Type = cryptoError
	case group == "proof", group == "holder":
		t.Type = proofError
	case c.Code == "key.unlisted":
		t.Type = relationError
	case group == "key":
		t.Type = methodError
	case group == "dates":
		t.Type = rangeError
	}
	if t.Title = titles[t.Type]; t.Title == "" {
		t.Title = map[vc.Outcome]string{vc.Failed: "Check failed", vc.Warning: "Warning"}[c.Outcome]
	}
	return t
}
