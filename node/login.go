package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/registry"
)

const (
	ticketLogin   = "login"
	ticketSession = "session"

	loginLasts = 24 * time.Hour
)

// The roles in which somebody logs in.
const (
	RolePublisher = "publisher" // registrar and IT
	RoleLearner   = "learner"
	RoleVerifier  = "verifier" // an employer or another school
	RoleAuditor   = "auditor"
)

// A Login is who a log-in link lets in.
type Login struct {
	Role          string `json:"role"`
	Publisher     string `json:"publisher,omitempty"`
	PublisherName string `json:"publisherName,omitempty"`
	Learner       string `json:"learner,omitempty"`
	Share         string `json:"share,omitempty"` // the secret of the share a verifier comes for
	Name          string `json:"name"`            // for the button: Continue as Ada Lovell
}

// Login makes a log-in link for a role, which works once and for 24 hours. A
// learner is named by who, as in FindLearner.
func (n *Node) Login(ctx context.Context, role, publisher, who string) (link string, err error) {
	login := Login{Role: role}
	switch role {
	case RolePublisher, RoleAuditor:
		p, err := n.OnePublisher(ctx, publisher)
		if err != nil {
			return "", err
		}
		login.Publisher, login.PublisherName, login.Name = p.ID, p.Name, p.Name
		if role == RoleAuditor {
			login.Name = "auditor of " + p.Name
		}
	case RoleLearner:
		p, err := n.OnePublisher(ctx, publisher)
		if err != nil {
			return "", err
		}
		l, err := n.FindLearner(ctx, p.ID, who)
		if err != nil {
			return "", err
		}
		login.Publisher, login.PublisherName, login.Learner, login.Name = p.ID, p.Name, l.ID, l.Name()
	case RoleVerifier:
		login.Name = "employer"
	default:
		return "", badRequest(fmt.Sprintf("%q is no role: use publisher, learner, verifier or auditor", role))
	}
	return n.loginLink(ctx, login)
}

func (n *Node) loginLink(ctx context.Context, login Login) (string, error) {
	secret := registry.NewSecret()
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		return tx.PutTicket(ticketLogin, secret, login, tx.Now.Add(loginLasts))
	})
	return n.publicURL + "/in/" + secret, err
}

// PeekLogin says whom a link lets in, and leaves it unused: mail scanners open
// links. registry.ErrNotFound when it is used or expired.
func (n *Node) PeekLogin(ctx context.Context, secret string) (login Login, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { return tx.ReadTicket(ticketLogin, secret, &login) })
	return login, err
}

// TakeLogin uses the link up. Of two takers one gets in; the other gets
// registry.ErrNotFound.
func (n *Node) TakeLogin(ctx context.Context, secret string) (login Login, err error) {
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		login = Login{}
		if err := tx.TakeTicket(ticketLogin, secret, &login); err != nil {
			return err
		}
		return tx.Trail(registry.TrailEntry{Publisher: login.Publisher, Who: login.Role, What: "log in", On: login.Learner})
	})
	return login, err
}

// OnePublisher is the publisher with this id, or the only one if id is empty.
func (n *Node) OnePublisher(ctx context.Context, id string) (registry.Publisher, error) {
	if id != "" {
		p, err := n.Publisher(ctx, id)
		if errors.Is(err, registry.ErrNotFound) {
			return p, badRequest(fmt.Sprintf("there is no publisher %q: see clrnode publishers", id))
		}
		return p, err
	}
	pubs, err := n.Publishers(ctx)
	switch {
	case err != nil:
		return registry.Publisher{}, err
	case len(pubs) == 0:
		return registry.Publisher{}, badRequest("there is no publisher yet: add one with clrnode publishers add NAME")
	case len(pubs) > 1:
		return registry.Publisher{}, fmt.Errorf("%w publisher of this node: name one with --publisher ID (see clrnode publishers)", ErrWhich)
	}
	return pubs[0], nil
}

// Sessions keeps the browser sessions of logged-in people, by the hash of their
// token. It has the methods of a session store: Find, Commit, Delete.
type Sessions struct{ node *Node }

// Sessions returns the node's session store.
func (n *Node) Sessions() Sessions { return Sessions{n} }

// Find returns the data of a session, and whether it is there.
func (s Sessions) Find(token string) ([]byte, bool, error) {
	var data []byte
	err := s.node.db.View(context.Background(), func(tx *registry.Tx) error {
		return tx.ReadTicket(ticketSession, token, &data)
	})
	if errors.Is(err, registry.ErrNotFound) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// Commit stores the data of a session until it expires.
func (s Sessions) Commit(token string, data []byte, expires time.Time) error {
	return s.node.db.Update(context.Background(), func(tx *registry.Tx) error {
		return tx.PutTicket(ticketSession, token, data, expires)
	})
}

// Delete ends a session.
func (s Sessions) Delete(token string) error {
	return s.node.db.Update(context.Background(), func(tx *registry.Tx) error {
		return tx.DropTicket(ticketSession, token)
	})
}

// The scopes that a token may have.
const (
	ScopeImport = "import" // import files
	ScopeIssue  = "issue"  // issue records, and credentials over the VC-API
)

// CreateToken makes a bearer token for a publisher. The secret is shown once; the
// registry keeps its hash. lasts is its life, zero for no end.
func (n *Node) CreateToken(ctx context.Context, publisher string, scopes []string, lasts time.Duration) (secret string, t registry.Token, err error) {
	p, err := n.OnePublisher(ctx, publisher)
	if err != nil {
		return "", t, err
	}
	if len(scopes) == 0 {
		return "", t, badRequest("a token needs a scope: --scope import, --scope issue or both with a comma")
	}
	for _, s := range scopes {
		if s != ScopeImport && s != ScopeIssue {
			return "", t, badRequest(fmt.Sprintf("%q is no scope: use %s or %s", s, ScopeImport, ScopeIssue))
		}
	}
	secret = "clr_" + registry.NewSecret()
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		t = registry.Token{ID: registry.NewID(), Publisher: p.ID, Scopes: scopes, Created: tx.Now}
		if lasts > 0 {
			t.Expires = tx.Now.Add(lasts)
		}
		return errors.Join(tx.AddToken(t, secret),
			tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: "operator", What: "create token", On: t.ID, Why: strings.Join(scopes, ",")}))
	})
	return secret, t, err
}

// Token says what a bearer token may do, or registry.ErrNotFound.
func (n *Node) Token(ctx context.Context, secret string) (t registry.Token, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { t, err = tx.TokenBy(secret); return err })
	return t, err
}

// Tokens returns a publisher's tokens, without their hashes.
func (n *Node) Tokens(ctx context.Context, publisher string) (all []registry.Token, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Tokens(publisher); return err })
	for i := range all {
		all[i].Hash = ""
	}
	return all, err
}

// RevokeToken ends a publisher's token at once, or returns registry.ErrNotFound.
func (n *Node) RevokeToken(ctx context.Context, publisher, id string) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		return errors.Join(tx.RevokeToken(publisher, id),
			tx.Trail(registry.TrailEntry{Publisher: publisher, Who: "operator", What: "revoke token", On: id}))
	})
}
