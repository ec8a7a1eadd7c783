package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

const (
	contextV2       = "https://www.w3.org/ns/credentials/v2"
	contextV11      = "https://www.w3.org/2018/credentials/v1"
	contextExamples = "https://www.w3.org/ns/credentials/examples/v2"
)

// object is JSON in a test.
type object = map[string]any

// boat is a licence to steer one, of data model 2.0.
func boat() object {
	return object{
		"@context":          []any{contextV2, contextExamples},
		"type":              []any{"VerifiableCredential", "BoatLicence"},
		"id":                "urn:uuid:7f4a2f83-62d0-4a71-9b0e-9d8c1e2f3a4b",
		"credentialSubject": object{"id": "did:example:skipper", "waters": "inland"},
	}
}

// oldBoat is the same of data model 1.1.
func oldBoat() object {
	c := boat()
	c["@context"] = []any{contextV11, contextExamples}
	return c
}

// vcPost sends a body to the VC-API, and reads the answer, which is JSON whatever happens.
func (s *site) vcPost(path string, body any, header ...string) (int, object) {
	s.t.Helper()
	raw, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		raw = string(b)
	}
	if len(header) == 0 {
		header = []string{"Content-Type", "application/json"}
	}
	a := program(s.browser(), "POST", "/vc-api"+path, raw, header...)
	var answer object
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		s.t.Fatalf("%s answered %d, which is no JSON: %s", path, a.status, a.body)
	}
	if isProblem := a.header.Get("Content-Type") == "application/problem+json"; isProblem != (answer["title"] != nil) {
		s.t.Errorf("%s answered %d as %s: %s", path, a.status, a.header.Get("Content-Type"), a.body)
	}
	return a.status, answer
}

// vcIssued issues a credential, which must work.
func (s *site) vcIssued(profile string, credential object, options object) any {
	s.t.Helper()
	status, a := s.vcPost("/issuers/"+profile+"/credentials/issue", object{"credential": credential, "options": options})
	if status != http.StatusCreated {
		s.t.Fatalf("%s: issuing answered %d: %v", profile, status, a)
	}
	return a["verifiableCredential"]
}

// vcVerified verifies a credential and wants a status.
func (s *site) vcVerified(credential any, want int) object {
	s.t.Helper()
	status, a := s.vcPost("/credentials/verify", object{"verifiableCredential": credential, "options": object{"checks": []any{"proof", "credentialStatus"}}})
	if status != want || a["verified"] != (want == 200) {
		s.t.Errorf("verifying answered %d, want %d: %v", status, want, a["problemDetails"])
	}
	return a
}

var everyProfile = []string{"eddsa-rdfc-2022", "eddsa-jcs-2022", "ecdsa-rdfc-2019-p256", "ecdsa-rdfc-2019-p384", "ecdsa-jcs-2019-p256", "ecdsa-jcs-2019-p384", "jwt", "status"}

// Each profile issues; what it issued verifies, alone and presented by a holder;
// altered it doesn't.
func TestVCAPIFromIssuingToPresenting(t *testing.T) {
	s := startSite(t, true)
	holder, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	_, method := did.KeyDID(holder.Public())
	for _, profile := range append(slices.Clone(everyProfile), s.publisher.ID) {
		for model, credential := range []object{oldBoat(), boat()} {
			t.Run(fmt.Sprintf("%s of model %d", profile, model+1), func(t *testing.T) {
				s.t = t
				issued := s.vcIssued(profile, credential, nil)
				s.vcVerified(issued, 200)
				s.vcVerified(altered(t, issued), 400)

				presentation := vc.Credential{"@context": []any{contextV2}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": []any{issued}}
				options := vc.Options{Created: time.Now(), Challenge: "one", Domain: []string{"verifier.example"}}
				if text, isText := issued.(string); isText { // of model 1.1, and so the presentation is one, too
					presentation["@context"], presentation["verifiableCredential"] = []any{contextV11}, []any{text}
					options.Form = vc.FormJWT11
				}
				signed, err := vc.Present(t.Context(), presentation, vc.Key{Method: method, Signer: holder}, options)
				if err != nil {
					t.Fatal(err)
				}
				var sent any = json.RawMessage(signed.Bytes())
				if signed.Token() {
					sent = string(signed.Bytes())
				}
				for challenge, want := range map[string]int{"one": 200, "another": 400} {
					status, a := s.vcPost("/presentations/verify", object{"verifiablePresentation": sent, "options": object{"challenge": challenge, "domain": "verifier.example"}})
					if status != want || a["verified"] != (want == 200) {
						t.Errorf("presented for %s: %d, want %d: %v", challenge, status, want, a["problemDetails"])
					}
				}
			})
		}
	}
}

// altered changes what a credential says of its subject.
func altered(t *testing.T, issued any) any {
	t.Helper()
	token, isText := issued.(string)
	c, _ := issued.(object)
	if id, _ := c["id"].(string); strings.HasPrefix(id, "data:") {
		token = id
	}
	if token == "" {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return json.RawMessage(strings.Replace(string(raw), `"inland"`, `"high seas"`, 1))
	}
	at := strings.LastIndexByte(token, '.') + 3
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	token = token[:at] + string(other) + token[at+1:]
	if isText {
		return token
	}
	return object{"@context": c["@context"], "type": c["type"], "id": token}
}

func TestVCAPIProfiles(t *testing.T) {
	dev, plain := startSite(t, true), newSite(t)
	for _, profile := range everyProfile {
		a := program(dev.browser(), "GET", "/vc-api/issuers/"+profile, "")
		var p node.Profile
		if err := json.Unmarshal([]byte(a.body), &p); a.status != 200 || err != nil || !strings.HasPrefix(p.ID, "did:key:z") {
			t.Errorf("%s: %d %s", profile, a.status, a.body)
		}
		wantProblem(t, program(plain.browser(), "GET", "/vc-api/issuers/"+profile, ""), 404, "--dev")
	}
	a := program(plain.browser(), "GET", "/vc-api/issuers/"+plain.publisher.ID, "")
	if a.status != 200 || !strings.Contains(a.body, `"`+plain.publisher.DID+`"`) {
		t.Errorf("publisher: %d %s", a.status, a.body)
	}
	for _, later := range []string{"ecdsa-sd-2023-p256", "bbs-2023", "sd-jwt"} {
		wantProblem(t, program(dev.browser(), "GET", "/vc-api/issuers/"+later, ""), 404, later)
	}
	wantProblem(t, program(dev.browser(), "GET", "/vc-api/issuers/nobody", ""), 404, "publisher's id")
}

// Who may issue: the bearer of the publisher's token; in developer mode anyone on this
// machine, but no web page that leads there under another name, and nobody by a proxy.
func TestVCAPICallers(t *testing.T) {
	dev, plain := startSite(t, true), newSite(t)
	issue := func(s *site, profile string, header ...string) int {
		s.t.Helper()
		status, _ := s.vcPost("/issuers/"+profile+"/credentials/issue", object{"credential": boat()}, append([]string{"Content-Type", "application/json"}, header...)...)
		return status
	}
	token := func(scope string) string {
		secret, _, err := plain.node.CreateToken(t.Context(), plain.publisher.ID, []string{scope}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + secret
	}
	other, err := plain.node.AddPublisher(t.Context(), "Another", []string{registry.VerifySignature}, false)
	if err != nil {
		t.Fatal(err)
	}
	good := token(node.ScopeIssue)
	for what, c := range map[string]struct{ got, want int }{
		"no token":               {issue(plain, plain.publisher.ID), 401},
		"an unknown token":       {issue(plain, plain.publisher.ID, "Authorization", "Bearer clr_x"), 401},
		"a token for imports":    {issue(plain, plain.publisher.ID, "Authorization", token(node.ScopeImport)), 403},
		"the right token":        {issue(plain, plain.publisher.ID, "Authorization", good), 201},
		"another's profile":      {issue(plain, other.ID, "Authorization", good), 403},
		"developer mode":         {issue(dev, "eddsa-rdfc-2022"), 201},
		"a publisher's, in dev":  {issue(dev, dev.publisher.ID), 201},
		"dev, through a proxy":   {issue(dev, "eddsa-rdfc-2022", "X-Forwarded-For", "192.0.2.7"), 401},
		"dev, with a wrong one":  {issue(dev, "eddsa-rdfc-2022", "Authorization", "Bearer clr_x"), 401},
		"dev, an unknown status": {status(dev, "urn:x:y", true), 404},
		"a status, no token":     {status(plain, "urn:x:y", true), 401},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
	r, err := http.NewRequest("POST", dev.url+"/vc-api/issuers/eddsa-rdfc-2022/credentials/issue", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example:80"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("under another host's name: %d, want 401", resp.StatusCode)
	}
	// Everybody verifies, and a suite on this machine as often as it likes.
	for range 100 {
		if status, _ := dev.vcPost("/credentials/verify", object{}); status != 400 {
			t.Fatalf("verify = %d", status)
		}
	}
	limited := 0
	for range 100 {
		if status, _ := plain.vcPost("/credentials/verify", object{}); status == 429 {
			limited++
		}
	}
	if limited == 0 {
		t.Error("outside developer mode nothing limits a client")
	}
}

func status(s *site, id string, on bool, purpose ...string) int {
	s.t.Helper()
	status, _ := s.vcPost("/credentials/status", object{"credentialId": id, "status": on,
		"credentialStatus": object{"type": "BitstringStatusListEntry", "statusPurpose": append(purpose, "revocation")[0]}})
	return status
}

// A status is set, shown by the list that the credential names, and found by verifying;
// a suspension ends, a revocation doesn't.
func TestVCAPIStatus(t *testing.T) {
	s := startSite(t, true)
	for _, profile := range []string{"status", s.publisher.ID} {
		fresh := func() object {
			c := boat()
			delete(c, "id")
			return c
		}
		c := s.vcIssued(profile, fresh(), object{"credentialStatus": object{"type": "BitstringStatusListEntry", "statusPurpose": "suspension"}}).(object)
		entry := c["credentialStatus"].(object)
		id := c["id"].(string)
		if entry["statusPurpose"] != "suspension" || !strings.HasPrefix(id, "urn:uuid:") {
			t.Fatalf("issued %v", c)
		}
		s.vcVerified(c, 200)
		if got := status(s, id, true, "suspension"); got != 200 {
			t.Fatalf("suspend = %d", got)
		}
		a := s.vcVerified(c, 400)
		if problem := a["problemDetails"].([]any)[0].(object); problem["code"] != "status.suspended" {
			t.Errorf("problem = %v", problem)
		}
		if code, a := s.vcPost("/credentials/verify", object{"verifiableCredential": c, "options": object{"checks": []any{"proof"}}}); code != 200 || len(a["warnings"].([]any)) == 0 {
			t.Errorf("without asking for the status: %d %v", code, a)
		}
		if got := status(s, id, false, "suspension"); got != 200 {
			t.Fatalf("end of the suspension = %d", got)
		}
		s.vcVerified(c, 200)
		if got := status(s, id, true, "revocation"); got != 404 {
			t.Errorf("revoking what has no such status = %d", got)
		}

		c = s.vcIssued(profile, fresh(), nil).(object)
		id = c["id"].(string)
		again := s.vcIssued(profile, object{"@context": c["@context"], "type": c["type"], "id": id, "credentialSubject": c["credentialSubject"]}, nil)
		if got := status(s, id, true); got != 200 {
			t.Fatalf("revoke = %d", got)
		}
		s.vcVerified(c, 400)
		s.vcVerified(again, 400) // whatever has the id
		if got := status(s, id, false); got != 400 {
			t.Errorf("taking a revocation back = %d", got)
		}

		list := c["credentialStatus"].(object)["statusListCredential"].(string)
		path := strings.TrimPrefix(list, s.url)
		for accept, want := range map[string]string{"": "application/vc", "application/ld+json, application/json": "application/ld+json", "application/json": "application/json"} {
			got := program(s.browser(), "GET", path, "", "Accept", accept)
			if got.status != 200 || got.header.Get("Content-Type") != want {
				t.Errorf("Accept %q: %d %s", accept, got.status, got.header.Get("Content-Type"))
			}
			s.vcVerified(json.RawMessage(got.body), 200)
		}
	}
	both := s.vcIssued("status", with(boat(), "credentialStatus", []any{
		object{"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}, object{"type": "BitstringStatusListEntry", "statusPurpose": "suspension"},
	}), nil)
	if n := len(both.(object)["credentialStatus"].([]any)); n != 2 {
		t.Errorf("%d statuses", n)
	}
	s.vcVerified(both, 200)
}

// with is an object with another member; nil takes it away.
func with(o object, member string, value any) object {
	if value == nil {
		delete(o, member)
	} else {
		o[member] = value
	}
	return o
}

// A body that is much too large is answered too where a program sends all of it before
// it reads.
func TestVCAPIAnswersWhoSendsAllFirst(t *testing.T) {
	s := startSite(t, true)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 3 * maxCredential
	request := fmt.Sprintf("POST /vc-api/credentials/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	if _, err := io.WriteString(conn, request+strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("%v, %v; want 413", resp, err)
	}
}
