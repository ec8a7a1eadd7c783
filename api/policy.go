package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/oneroster"
)

// policyView is what the form of the policy shows.
type policyView struct {
	Hosted, Chain, Names bool
	Roles, Final         string
	Known                []string // roles of the standard
	NoHosted, NoChain    bool     // what would be taken away, and wants a tick
	Chainless            bool     // the node runs without a chain,
	Unanswered           bool     // or has one that never answered it
}

// Weaker tells whether records would be less verifiable than they are.
func (v policyView) Weaker() bool { return v.NoHosted || v.NoChain }

func viewOf(p registry.Policy) policyView {
	return policyView{
		Hosted: p.Elects(registry.VerifyHosted), Chain: p.Elects(registry.VerifyBlockchain), Names: p.NamesInClear,
		Roles: strings.Join(p.LearnerRoles, ", "), Final: p.FinalCategory,
	}
}

func (s *server) policyForm(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showPolicy(w, r, p, http.StatusOK, viewOf(p.Policy))
}

func (s *server) showPolicy(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, v policyView, errs ...web.FieldError) error {
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	v.Known, v.Chainless, v.Unanswered = rolesOfTheStandard(), o.Anchor.Chain == nil, o.Anchor.Unanswered
	return s.page(w, r, status, "policy", "policy", p, web.Page{Title: "Policy", Errors: errs, Body: v})
}

func (s *server) setPolicy(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	f := r.PostForm
	v := policyView{
		Hosted: f.Get("hosted") != "", Chain: f.Get("blockchain") != "", Names: f.Get("names") != "",
		Roles: f.Get("roles"), Final: strings.TrimSpace(f.Get("final")),
	}
	now := viewOf(p.Policy)
	v.NoHosted, v.NoChain = now.Hosted && !v.Hosted, now.Chain && !v.Chain
	roles, wrong := readRoles(v.Roles)
	var errs []web.FieldError
	if v.Weaker() && f.Get("sure") == "" {
		errs = append(errs, web.FieldError{Field: "sure", Sentence: "Read what is taken away, and tick that you mean it."})
	}
	if wrong != "" {
		errs = append(errs, web.FieldError{Field: "roles", Sentence: wrong})
	}
	if !oneLine(v.Final, 200) {
		errs = append(errs, web.FieldError{Field: "final", Sentence: "Name the category of final grades, such as Final grade, in at most 200 characters."})
	}
	if len(errs) > 0 {
		return s.showPolicy(w, r, p, http.StatusUnprocessableEntity, v, errs...)
	}
	verify := []string{registry.VerifySignature}
	if v.Hosted {
		verify = append(verify, registry.VerifyHosted)
	}
	if v.Chain {
		verify = append(verify, registry.VerifyBlockchain)
	}
	_, err := s.node.SetPolicy(r.Context(), p.ID, byPublisher, func(policy *registry.Policy) {
		policy.LearnerRoles, policy.FinalCategory = roles, v.Final
		policy.NamesInClear, policy.Verify = v.Names, verify
	})
	if errors.Is(err, node.ErrRefused) {
		return s.showPolicy(w, r, p, http.StatusUnprocessableEntity, v, web.FieldError{Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	s.say(r, "policy")
	return seeOther(w, r, "/p/"+p.ID+"/policy")
}

// rolesOfTheStandard are OneRoster's words for roles.
func rolesOfTheStandard() []string {
	for _, spec := range oneroster.Specs {
		if i := spec.Column("role"); spec.File == "roles" && i >= 0 {
			return spec.Columns[i].Values
		}
	}
	return nil
}

// readRoles reads roles with commas between them. A word that no source may use
// would make everybody leave, so it is wrong.
func readRoles(s string) (roles []string, wrong string) {
	known := rolesOfTheStandard()
	for role := range strings.SplitSeq(s, ",") {
		switch role = strings.TrimSpace(role); {
		case role == "" || slices.Contains(roles, role):
		case slices.Contains(known, role), strings.HasPrefix(role, "ext:") && oneLine(role, 100):
			roles = append(roles, role)
		default:
			return nil, "“" + strings.ToValidUTF8(role, "\uFFFD") + "” is no role of OneRoster. Use student, another one of the list, or your own beginning with ext:"
		}
	}
	if len(roles) == 0 {
		return nil, "Name at least one role that makes a learner, such as student."
	}
	return roles, ""
}

// oneLine tells whether s is text of 1 to most characters in one line.
func oneLine(s string, most int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}
