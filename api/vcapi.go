package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// vcProblem is a problem document of the VC-API, which names a place in what was sent.
type vcProblem struct {
	Type    string      `json:"type,omitempty"`
	Status  int         `json:"status"`
	Title   string      `json:"title"`
	Detail  string      `json:"detail"`
	Pointer string      `json:"pointer"`
	Errors  []vcTrouble `json:"errors,omitempty"` // all reasons, where there are several
}

func (p *vcProblem) Error() string { return p.Title + ": " + p.Detail }

// malformed says what is wrong at a place of the body.
func malformed(pointer, format string, args ...any) error {
	return &vcProblem{Type: malformedValue, Status: http.StatusBadRequest, Title: "The request is not as it should be", Pointer: pointer, Detail: fmt.Sprintf(format, args...)}
}

// vcAPI answers what a handler of the VC-API returns.
func (s *server) vcAPI(h handler) http.Handler {
	return s.anyProgram(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		err := h(w, r)
		var rules *vc.RulesError
		if errors.As(err, &rules) {
			err = rulesProblem(rules)
		}
		if errors.Is(err, node.ErrNoProfile) {
			err = problem{http.StatusNotFound, "No such profile", sentence(err)}
		}
		var own *vcProblem
		if !errors.As(err, &own) {
			return err
		}
		raw, err := json.Marshal(own)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(own.Status)
		_, err = w.Write(append(raw, '\n'))
		return err
	})
}

// rulesProblem tells why a credential isn't issued.
func rulesProblem(e *vc.RulesError) error {
	p := &vcProblem{Type: malformedValue, Status: http.StatusBadRequest, Title: "The credential cannot be issued"}
	for _, broken := range e.Problems {
		p.Errors = append(p.Errors, ruleTrouble(broken))
	}
	p.Pointer, p.Detail = p.Errors[0].Pointer, p.Errors[0].Detail
	return p
}

func ruleTrouble(p clr.Problem) vcTrouble {
	return vcTrouble{Type: malformedValue, Title: "Malformed value", Detail: p.Sentence, Code: p.Code, Pointer: "/credential" + p.Pointer, Section: p.Section}
}

// vcBody reads the body, an object in strict JSON.
func vcBody(w http.ResponseWriter, r *http.Request) (*jcs.Value, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "application/ld+json" {
		return nil, problem{http.StatusUnsupportedMediaType, "Unsupported media type", "Send JSON, as Content-Type: application/json."}
	}
	sent := r.Body
	raw, err := io.ReadAll(http.MaxBytesReader(w, sent, maxCredential))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		// Many programs read no answer before they have sent all.
		io.CopyN(io.Discard, sent, 8*maxCredential)
		return nil, err
	}
	if err != nil {
		return nil, malformed("", "The body could not be read to its end; send it again.")
	}
	body, err := jcs.Read(raw)
	var bad *jcs.Error
	switch {
	case errors.As(err, &bad):
		return nil, &vcProblem{Type: parsingError, Status: http.StatusBadRequest, Title: "Not strict JSON", Pointer: bad.Pointer, Detail: sentence(errors.New(bad.Reason))}
	case err != nil:
		return nil, err
	case !body.Is(jcs.Object):
		return nil, malformed("", "Send a JSON object.")
	}
	return body, nil
}

// vcOptions are the options of a request, which may be left out or null.
func vcOptions(body *jcs.Value) (*jcs.Value, error) {
	o := body.Get("options")
	if o.Is(jcs.Null) {
		return nil, nil
	}
	if o != nil && !o.Is(jcs.Object) {
		return nil, malformed("/options", "The options must be an object.")
	}
	return o, nil
}

// text is an option that is a text; "" if it isn't there.
func text(o *jcs.Value, name string) (string, error) {
	v := o.Get(name)
	if v != nil && v.String() == "" {
		return "", malformed("/options/"+name, "%s must be a text.", name)
	}
	return v.String(), nil
}

// moment is an option that is a time; zero if it isn't there.
func moment(o *jcs.Value, name string) (time.Time, error) {
	v := o.Get(name)
	if v == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v.String())
	// What is written is in UTC, in which the year has four digits; the zero time is none.
	if t = t.UTC(); err != nil || !clr.IsDateTime(v.String()) || t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return t, malformed("/options/"+name, "%s must be a date and time with its zone, such as 2026-05-15T14:00:00Z.", name)
	}
	return t, nil
}

// A vcCaller is who issues over the VC-API.
type vcCaller struct {
	publisher string // whose token was shown; "" only in developer mode: anybody's profile
	by        string // for the trail
}

// issuing serves programs with a publisher's token for issuing. In developer mode none
// is needed on this machine.
func (s *server) issuing(h func(http.ResponseWriter, *http.Request, vcCaller) error) http.Handler {
	return s.vcAPI(func(w http.ResponseWriter, r *http.Request) error {
		if r.Header.Get("Authorization") == "" && s.devDoor(r) {
			return h(w, r, vcCaller{by: "developer mode"})
		}
		t, err := s.bearer(w, r, node.ScopeIssue)
		if err != nil {
			return err
		}
		return h(w, r, vcCaller{t.Publisher, byToken(t)})
	})
}

// vcChecking serves anyone who verifies, at the rate of the other doors; in developer
// mode test suites on this machine ask as fast, and as often at once, as they like.
func (s *server) vcChecking(h handler) http.Handler {
	open := s.vcAPI(h)
	limited := s.limited(s.checks, s.placed(maxCredential, open))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.devDoor(r) {
			open.ServeHTTP(w, r)
			return
		}
		limited.ServeHTTP(w, r)
	})
}

// devDoor tells whether a request comes in developer mode from this very machine: not
// through a proxy, and not from a web page whose name was made to lead here.
func (s *server) devDoor(r *http.Request) bool {
	if !s.dev || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || r.Host == s.host || err == nil && ip.IsLoopback()
}

// vcIssuer says who a profile is.
func (s *server) vcIssuer(w http.ResponseWriter, r *http.Request) error {
	p, err := s.node.Profile(r.Context(), part(r, "profile"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

// vcIssue signs a credential that a program wrote.
func (s *server) vcIssue(w http.ResponseWriter, r *http.Request, who vcCaller) error {
	p, err := s.node.Profile(r.Context(), part(r, "profile"))
	if err != nil {
		return err
	}
	if who.publisher != "" && p.Publisher() != "" && p.Publisher() != who.publisher {
		return problem{http.StatusForbidden, "Not allowed", "This token is another publisher's; use that publisher's profile."}
	}
	if who.publisher != "" && p.Publisher() == "" && !s.devDoor(r) {
		return registry.ErrNotFound
	}
	body, err := vcBody(w, r)
	if err != nil {
		return err
	}
	credential := body.Get("credential")
	if !credential.Is(jcs.Object) {
		return malformed("/credential", "Send the credential to sign as an object, under credential.")
	}
	o, err := issueOptions(body)
	if err != nil {
		return err
	}
	signed, err := s.node.IssueCredential(r.Context(), p, credential, o, who.by)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, map[string]any{"verifiableCredential": issuedForm(signed)})
}

// issuedForm is how an issued credential stands in an answer: as it is; a token of data
// model 2.0 in its envelope, one of 1.1, which knows none, by itself.
func issuedForm(s vc.Signed) any {
	switch {
	case !s.Token():
		return json.RawMessage(s.Bytes())
	case s.Model() == 1:
		return string(s.Bytes())
	}
	return vc.Envelope(s)
}

func issueOptions(body *jcs.Value) (o node.CredentialOptions, err error) {
	in, err := vcOptions(body)
	if err != nil {
		return o, err
	}
	var errs [4]error
	o.ID, errs[0] = text(in, "credentialId")
	o.Challenge, errs[1] = text(in, "challenge")
	o.Created, errs[2] = moment(in, "created")
	o.Expires, errs[3] = moment(in, "expires")
	for _, err := range errs {
		if err != nil {
			return o, err
		}
	}
	if d := in.Get("domain"); d != nil {
		if o.Domain = d.Strings(); len(o.Domain) == 0 || len(o.Domain) != len(d.Items()) {
			return o, malformed("/options/domain", "The domain must be a text, or an array of them.")
		}
	}
	statuses := in.Get("credentialStatus").Items()
	for i := range statuses {
		const place = "/options/credentialStatus"
		if kind := statuses[i].Get("type"); kind != nil && !kind.HasString("BitstringStatusListEntry") {
			return o, malformed(place+"/type", "This node has status lists of type BitstringStatusListEntry.")
		}
		purpose := statuses[i].Str("statusPurpose")
		if purpose != registry.PurposeRevocation && purpose != registry.PurposeSuspension {
			return o, malformed(place+"/statusPurpose", "The statusPurpose must be revocation or suspension.")
		}
		o.Purposes = append(o.Purposes, purpose)
	}
	return o, nil
}

// vcStatus sets or ends the status of a credential.
func (s *server) vcStatus(w http.ResponseWriter, r *http.Request, who vcCaller) error {
	body, err := vcBody(w, r)
	if err != nil {
		return err
	}
	id := body.Str("credentialId")
	if id == "" {
		return malformed("/credentialId", "Name the credential by its id, under credentialId.")
	}
	status := body.Get("credentialStatus")
	if !status.Is(jcs.Object) {
		return malformed("/credentialStatus", "credentialStatus must be an object with type and statusPurpose.")
	}
	if !status.Get("type").HasString("BitstringStatusListEntry") {
		return malformed("/credentialStatus/type", "The type must be BitstringStatusListEntry, which is what this node has.")
	}
	purpose := status.Str("statusPurpose")
	if !slices.Contains([]string{registry.PurposeRevocation, registry.PurposeSuspension}, purpose) {
		return malformed("/credentialStatus/statusPurpose", "The statusPurpose must be revocation or suspension.")
	}
	set := body.Get("status")
	if set != nil && !set.Is(jcs.Bool) {
		return malformed("/status", "status must be true or false; without it, the status is set.")
	}
	on := set == nil || set.True()
	err = s.node.SetCredentialStatus(r.Context(), who.publisher, id, purpose, on, who.by)
	if errors.Is(err, registry.ErrNotFound) {
		return &vcProblem{Status: http.StatusNotFound, Title: "No such credential", Pointer: "/credentialId",
			Detail: "No credential with this id and a status of purpose " + purpose + " was issued here over the VC-API."}
	}
	if errors.Is(err, node.ErrRefused) {
		return &vcProblem{Status: http.StatusBadRequest, Title: "Refused", Pointer: "/status", Detail: sentence(err)}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"credentialId": id, "statusPurpose": purpose, "status": on})
}

// programAnswers are the types under which a status list is asked for; W3C's is the first.
var programAnswers = []string{typeVC, "application/ld+json", "application/json"}

// answerType is the media type that a program asks for, of several names for the same
// bytes.
func answerType(r *http.Request) string {
	kind := programAnswers[0]
	for _, other := range programAnswers[1:] {
		if accepts(r, other) > accepts(r, kind) {
			kind = other
		}
	}
	return kind
}
