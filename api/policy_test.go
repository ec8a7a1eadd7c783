package api

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"clrnode/node"
	"clrnode/registry"
)

// The policy holds from now on; what is taken away is said and wants a tick.
func TestPolicyPage(t *testing.T) {
	s := newSite(t, registry.VerifyHosted, registry.VerifyBlockchain)
	b := s.as(node.RolePublisher, "")
	at := "/p/" + s.publisher.ID + "/policy"
	policy := func() registry.Policy {
		p, err := s.node.Publisher(context.Background(), s.publisher.ID)
		if err != nil {
			t.Fatal(err)
		}
		return p.Policy
	}
	form := func(pairs ...string) url.Values {
		f := url.Values{"roles": {"student"}, "final": {"Final grade"}, "hosted": {"yes"}, "blockchain": {"yes"}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
			if pairs[i+1] == "" {
				f.Del(pairs[i])
			}
		}
		return f
	}
	page := b.get(at)
	wantText(t, page, 200, "from now on", "This node runs without a chain:", `value="student"`, `name="hosted" value="yes" checked`, `name="blockchain" value="yes" checked`)
	if strings.Contains(page.body, `name="sure"`) || strings.Contains(page.body, `name="names" value="yes" checked`) {
		t.Error("the form warns of nothing, or names are in clear")
	}
	wantText(t, b.post(at, form("hosted", "", "roles", "student, teacher")), 422, `href="#sure"`, "Without hosting", `value="student, teacher"`)
	wantText(t, b.post(at, form("blockchain", "")), 422, `href="#sure"`, "Without a chain")
	wantText(t, b.post(at, form("roles", "studnet")), 422, `href="#roles"`, "“studnet” is no role")
	wantText(t, b.post(at, form("roles", " , ")), 422, `href="#roles"`, "at least one role")
	wantText(t, b.post(at, form("roles", "ext:\xff")), 422, `href="#roles"`)
	wantText(t, b.post(at, form("final", " ")), 422, `href="#final"`)
	wantText(t, b.post(at, form("final", strings.Repeat("x", 201))), 422, `href="#final"`)
	if p := policy(); !p.Elects(registry.VerifyHosted) || len(p.LearnerRoles) != 1 {
		t.Errorf("what was refused changed the policy: %+v", p)
	}
	if a := b.post(at, form("names", "yes", "roles", "student, ext:fellow,student", "final", "Endnote")); a.status != 303 {
		t.Fatalf("change = %d\n%s", a.status, a.body)
	}
	wantText(t, b.get(at), 200, "The policy is changed", "student, ext:fellow", "Endnote", `name="names" value="yes" checked`)
	if a := b.post(at, form("hosted", "", "blockchain", "", "sure", "yes")); a.status != 303 {
		t.Fatalf("change = %d\n%s", a.status, a.body)
	}
	if p := policy(); p.Elects(registry.VerifyHosted) || p.Elects(registry.VerifyBlockchain) || !p.Elects(registry.VerifySignature) || p.NamesInClear {
		t.Errorf("policy = %+v", p)
	}
	if a := s.as(node.RoleAuditor, "").get(at); a.status != 404 {
		t.Errorf("the policy as an auditor = %d", a.status)
	}
}
