package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"clrnode/node"
	"clrnode/registry"
)

// What the deeds take.
type (
	nothing    struct{}
	addArgs    struct{ Name, Verify string }
	policyArgs struct {
		Publisher, Verify, FinalCategory, By string
		LearnerRoles                         []string
		NamesInClear                         *bool
	}
	loginArgs struct{ Role, Publisher, Who string }
	stageArgs struct{ Publisher, Path, By string }
	applyArgs struct {
		ID, By  string
		Options registry.ApplyOptions
	}
	idArgs   struct{ ID, By string }
	pageArgs struct {
		Publisher, Query, After string
		Limit                   int
	}
	settleArgs struct{ Publisher, Conflict, Option, By string }
	issueArgs  struct {
		Publisher string
		Learners  []string
		By        string
	}
	revokeArgs struct{ Credential, Reason, By string }
	domainArgs struct{ Publisher, Domain, By string }
	signedArgs struct{ Publisher, Key, After string }
	keyArgs    struct {
		Publisher string
		Change    node.KeyChange // its Key may be empty, for today's
		By        string
	}
	learnerArgs struct{ Publisher, Who string }
	anchorArgs  struct {
		Publisher, By string
		Now           bool
	}
	tokenArgs struct {
		Publisher string
		ID        string // of the one to revoke
		Scopes    []string
		Lasts     time.Duration
	}
	loginResult struct {
		URL string `json:"url"`
	}
	tokenResult struct {
		Secret string `json:"token"`
		registry.Token
	}
	exported struct {
		Learner                 string
		Signed, Receipt, Issuer []byte // the last two may be nil
		Also                    []byte // the receipt of the second chain, or nil
		AlsoChain               uint64 // that chain's id
	}
)

// deeds are what commands ask of a node, by name.
var deeds = map[string]deed{
	"publishers": on(func(ctx context.Context, n *node.Node, _ nothing) ([]registry.Publisher, error) {
		return n.Publishers(ctx)
	}),
	"add-publisher": on(func(ctx context.Context, n *node.Node, a addArgs) (registry.Publisher, error) {
		return n.AddPublisher(ctx, a.Name, []string{a.Verify}, false)
	}),
	"set-policy": on(func(ctx context.Context, n *node.Node, a policyArgs) (registry.Publisher, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return p, err
		}
		return n.SetPolicy(ctx, p.ID, a.By, func(policy *registry.Policy) {
			if a.Verify != "" {
				policy.Verify = []string{a.Verify}
			}
			if a.FinalCategory != "" {
				policy.FinalCategory = a.FinalCategory
			}
			if len(a.LearnerRoles) > 0 {
				policy.LearnerRoles = a.LearnerRoles
			}
			if a.NamesInClear != nil {
				policy.NamesInClear = *a.NamesInClear
			}
		})
	}),
	"login": on(func(ctx context.Context, n *node.Node, a loginArgs) (loginResult, error) {
		url, err := n.Login(ctx, a.Role, a.Publisher, a.Who)
		return loginResult{url}, err
	}),
	"stage": on(func(ctx context.Context, n *node.Node, a stageArgs) (registry.Import, error) {
		f, err := os.Open(a.Path)
		if err != nil {
			return registry.Import{}, fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return registry.Import{}, err
		}
		return n.StageImport(ctx, a.Publisher, filepath.Base(a.Path), f, info.Size(), a.By)
	}),
	"apply": on(func(ctx context.Context, n *node.Node, a applyArgs) (registry.Import, error) {
		return n.StartImport(ctx, a.ID, a.Options, a.By)
	}),
	"discard": on(func(ctx context.Context, n *node.Node, a idArgs) (nothing, error) {
		return nothing{}, n.DiscardImport(ctx, a.ID, a.By)
	}),
	"import": on(func(ctx context.Context, n *node.Node, a idArgs) (registry.Import, error) {
		return n.Import(ctx, a.ID)
	}),
	"learners": on(func(ctx context.Context, n *node.Node, a pageArgs) ([]node.LearnerRow, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return nil, err
		}
		return n.Learners(ctx, p.ID, a.Query, a.After, a.Limit)
	}),
	"conflicts": on(func(ctx context.Context, n *node.Node, a pageArgs) ([]registry.Conflict, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return nil, err
		}
		return n.Conflicts(ctx, p.ID, a.After, a.Limit)
	}),
	"settle": on(func(ctx context.Context, n *node.Node, a settleArgs) (registry.Conflict, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return registry.Conflict{}, err
		}
		return n.Settle(ctx, p.ID, a.Conflict, a.Option, a.By)
	}),
	"issue": on(func(ctx context.Context, n *node.Node, a issueArgs) (registry.Job, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return registry.Job{}, err
		}
		var ids []string
		for _, who := range a.Learners {
			l, err := n.FindLearner(ctx, p.ID, who)
			if err != nil {
				return registry.Job{}, err
			}
			ids = append(ids, l.ID)
		}
		return n.StartIssue(ctx, p.ID, ids, a.By)
	}),
	"job": on(func(ctx context.Context, n *node.Node, a idArgs) (registry.Job, error) {
		return n.Job(ctx, a.ID)
	}),
	"revoke": on(func(ctx context.Context, n *node.Node, a revokeArgs) (registry.Credential, error) {
		return n.Revoke(ctx, a.Credential, a.Reason, a.By)
	}),
	"set-domain": on(func(ctx context.Context, n *node.Node, a domainArgs) (registry.Publisher, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return p, err
		}
		return n.SetDomain(ctx, p.ID, a.Domain, a.By)
	}),
	"keys": on(func(ctx context.Context, n *node.Node, a pageArgs) ([]node.PublisherKey, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return nil, err
		}
		return n.Keys(ctx, p.ID)
	}),
	"signed-by": on(func(ctx context.Context, n *node.Node, a signedArgs) (node.SignedByKey, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return node.SignedByKey{}, err
		}
		return n.SignedByKey(ctx, p.ID, a.Key, a.After, pageRows)
	}),
	"change-key": on(func(ctx context.Context, n *node.Node, a keyArgs) (node.KeyChanged, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return node.KeyChanged{}, err
		}
		if a.Change.Key == "" {
			a.Change.Key = p.Key
		}
		return n.ChangeKey(ctx, p.ID, a.Change, a.By)
	}),
	"export": on(func(ctx context.Context, n *node.Node, a learnerArgs) (exported, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return exported{}, err
		}
		l, err := n.FindLearner(ctx, p.ID, a.Who)
		if err != nil {
			return exported{}, err
		}
		e := exported{Learner: l.ID}
		if e.Signed, e.Receipt, err = n.Export(ctx, l.ID); err == nil && e.Receipt != nil {
			if e.Issuer, err = n.ExportIssuer(ctx, l.ID); err == nil {
				e.Also, e.AlsoChain, err = n.ExportAlso(ctx, l.ID)
			}
		}
		return e, err
	}),
	"challenge-did": aboutLearner(challengeDID),
	"link-did":      aboutLearner(linkDID),
	"linked-dids":   aboutLearner(linkedDIDs),
	"ownership":     aboutLearner(ownership),
	"name-did":      aboutLearner(nameDID),
	"unlink-did":    aboutLearner(unlinkDID),
	"create-token": on(func(ctx context.Context, n *node.Node, a tokenArgs) (tokenResult, error) {
		secret, t, err := n.CreateToken(ctx, a.Publisher, a.Scopes, a.Lasts)
		return tokenResult{secret, t}, err
	}),
	"tokens": on(func(ctx context.Context, n *node.Node, a pageArgs) ([]registry.Token, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return nil, err
		}
		return n.Tokens(ctx, p.ID)
	}),
	"revoke-token": on(func(ctx context.Context, n *node.Node, a tokenArgs) (nothing, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return nothing{}, err
		}
		return nothing{}, n.RevokeToken(ctx, p.ID, a.ID)
	}),
	"status": on(func(ctx context.Context, n *node.Node, _ nothing) (node.Status, error) {
		return n.Status(ctx)
	}),
	"check": on(func(ctx context.Context, n *node.Node, _ nothing) (checkResult, error) {
		rows, faults, err := n.Check(ctx)
		if err != nil {
			return checkResult{}, err
		}
		cannot, err := n.CannotSign(ctx)
		return checkResult{rows, faults, cannot}, err
	}),
	"anchor": on(func(ctx context.Context, n *node.Node, a anchorArgs) (node.AnchorStatus, error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return node.AnchorStatus{}, err
		}
		if a.Now {
			return n.AnchorNow(ctx, p.ID, a.By)
		}
		return n.AnchorStatus(ctx, p.ID)
	}),
	"anchored": on(func(ctx context.Context, n *node.Node, a idArgs) (nothing, error) {
		return nothing{}, waitAnchored(ctx, n, a.ID)
	}),
}

// waitAnchored waits a while until nothing of the publisher waits for its anchor, if its
// batch comes within that while. That it takes longer is no error: the next node goes on
// with it.
func waitAnchored(ctx context.Context, n *node.Node, publisher string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	until, _ := ctx.Deadline()
	for {
		s, err := n.AnchorStatus(ctx, publisher)
		if errors.Is(err, context.DeadlineExceeded) || err == nil && (s.Waiting == 0 || s.Trouble != "" || s.Next.After(until)) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}
