package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/registry"
)

// The ways in which a learner proves control of a DID.
const (
	ControlByPresentation = "presentation" // a presentation signed by a key of the DID, for authentication
	ControlByEthereum     = "ethereum"     // a text (EIP-4361) signed by the account that holds it
)

const (
	ticketChallenge = "did-challenge"

	challengeLasts = 5 * time.Minute

	// linkStatement is what a wallet shows and signs.
	linkStatement = "I control this identifier and link it to my learner record on this site."

	// maxProof bounds a proof that is kept as evidence, and maxDID a DID that is to stand in
	// records, in bytes.
	maxProof = 64 << 10
	maxDID   = 2048
)

// A DIDChallenge is what a wallet is to sign so that a learner links a DID. It works
// once, for this learner, this site and this way, within five minutes.
type DIDChallenge struct {
	Nonce   string    `json:"challenge"`
	Method  string    `json:"method"`
	Domain  string    `json:"domain"` // this site's origin: a presentation's domain or aud
	Expires time.Time `json:"expires"`
	DID     string    `json:"did,omitempty"`     // with ControlByEthereum: which one it is
	Account string    `json:"account,omitempty"` // with ControlByEthereum: who holds it now, in CAIP-10 form
	Message string    `json:"message,omitempty"` // with ControlByEthereum: the text to sign

	// Answered is the DID that a wallet has proven by itself, see AnswerDIDChallenge. It is
	// linked when the learner says so.
	Answered string `json:"answered,omitempty"`
}

// challenge is what a ticket for one holds. The nonce is the ticket's secret, so that it
// isn't stored, nor the text in which it stands.
type challenge struct {
	DIDChallenge
	Learner string              `json:"learner"`
	Asked   time.Time           `json:"asked"`
	Answer  *registry.LinkedDID `json:"answer,omitempty"`
}

// put stores the challenge under its nonce.
func (c challenge) put(tx *registry.Tx) error {
	nonce := c.Nonce
	c.Nonce, c.Message = "", ""
	return tx.PutTicket(ticketChallenge, nonce, c, c.Expires)
}

// readChallenge reads a challenge that hasn't been taken, or registry.ErrNotFound.
func (n *Node) readChallenge(tx *registry.Tx, nonce string) (c challenge, err error) {
	if err = tx.ReadTicket(ticketChallenge, nonce, &c); err != nil {
		return c, err
	}
	if c.Domain != n.origin() {
		return c, fmt.Errorf("challenge of another site: %w", registry.ErrNotFound)
	}
	c.Nonce = nonce
	if c.Method == ControlByEthereum {
		c.Message, err = n.walletText(c)
	}
	return c, err
}

// walletText is what an Ethereum wallet is to sign.
func (n *Node) walletText(c challenge) (string, error) {
	account, err := did.ParseAccount(c.Account)
	if err != nil {
		return "", err
	}
	_, host, _ := strings.Cut(c.Domain, "://")
	return did.SignIn{
		Domain: host, Address: account.Address, Statement: linkStatement, URI: n.publicURL + "/me/identifiers", ChainID: account.Chain, Nonce: c.Nonce,
		IssuedAt: c.Asked.Format(time.RFC3339), ExpirationTime: c.Expires.Format(time.RFC3339), Resources: []string{c.DID},
	}.String(), nil
}

// ChallengeDID begins to link a DID to a learner. With ControlByEthereum about says which:
// a did:pkh or did:ethr, an account (eip155:1:0x...), or an address, which is taken to be
// on the main network. It is empty otherwise, as a presentation names its DID.
func (n *Node) ChallengeDID(ctx context.Context, learner, method, about string) (DIDChallenge, error) {
	now := n.now().UTC()
	c := challenge{DIDChallenge: DIDChallenge{Nonce: registry.NewSecret(), Method: method, Domain: n.origin(), Expires: now.Add(challengeLasts)}, Learner: learner, Asked: now}
	switch method {
	case ControlByPresentation:
		if about != "" {
			return DIDChallenge{}, badRequest("a presentation names its DID itself: leave it out")
		}
	case ControlByEthereum:
		d, err := walletDID(about)
		if err != nil {
			return DIDChallenge{}, refused{err}
		}
		owner, err := did.OwnerOf(ctx, n.networks(), d)
		if err != nil {
			return DIDChallenge{}, n.notProven(err)
		}
		c.DID, c.Account = d.String(), owner.Account.String()
		if c.Message, err = n.walletText(c); err != nil {
			return DIDChallenge{}, err
		}
	default:
		return DIDChallenge{}, badRequest(fmt.Sprintf("%q is no way to prove control of an identifier: use %s or %s", method, ControlByPresentation, ControlByEthereum))
	}
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		if _, err := present(tx, learner); err != nil {
			return err
		}
		return c.put(tx)
	})
	return c.DIDChallenge, err
}

// walletDID is the DID that a learner who has an Ethereum wallet names.
func walletDID(about string) (did.DID, error) {
	about = strings.TrimSpace(about)
	if strings.HasPrefix(about, "0x") {
		about = "eip155:1:" + about
	}
	if strings.HasPrefix(about, "eip155:") {
		account, err := did.ParseAccount(about)
		if err != nil {
			return did.DID{}, err
		}
		about = "did:pkh:" + account.String()
	}
	if !strings.HasPrefix(about, "did:") {
		return did.DID{}, errors.New("this is no account of an Ethereum wallet: give its address, 0x and 40 hexadecimal digits, or a did:pkh or did:ethr identifier")
	}
	d, err := did.Parse(about)
	if err == nil && d.Method() != "pkh" && d.Method() != "ethr" {
		err = fmt.Errorf("an Ethereum wallet holds a did:pkh or a did:ethr; a %s is proven by a presentation", "did:"+d.Method())
	}
	return d, err
}

// present is a learner who hasn't become another one.
func present(tx *registry.Tx, learner string) (registry.Learner, error) {
	l, err := tx.Learner(learner)
	if err == nil && l.MergedInto != "" {
		err = fmt.Errorf("learner: %w", registry.ErrNotFound)
	}
	return l, err
}

// errChallenge is what a proof gets whose challenge isn't there.
var errChallenge = badRequest("this challenge was used, has expired after five minutes, or isn't yours: begin again")

// challenge is the one of a learner that hasn't been taken.
func (n *Node) challenge(tx *registry.Tx, learner, nonce string) (c challenge, err error) {
	c, err = n.readChallenge(tx, nonce)
	if errors.Is(err, registry.ErrNotFound) || err == nil && c.Learner != learner {
		err = errChallenge
	}
	return c, err
}

// DIDChallenge returns a learner's challenge as it stands; what it refuses wraps
// ErrRefused.
func (n *Node) DIDChallenge(ctx context.Context, learner, nonce string) (DIDChallenge, error) {
	var c challenge
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) { c, err = n.challenge(tx, learner, nonce); return err })
	return c.DIDChallenge, err
}

// A DIDProof is what a wallet made of a challenge.
type DIDProof struct {
	Nonce        string // of the challenge
	Presentation []byte // with ControlByPresentation: JSON, or a JWT

	// With ControlByEthereum: the signature in hex, and the text, which may be empty where
	// it is that of the challenge.
	Signature, Message string
}

// A DIDLink is a DID of a learner.
type DIDLink struct {
	registry.LinkedDID
	Named bool   `json:"named"`         // in the learner's next record. One without an id was named by others, and is not proven
	Job   string `json:"job,omitempty"` // that issues the record again, where it is to name another DID
}

// LinkDID links the DID of which a proof shows that the learner controls it, and takes
// the challenge: of two who bring proofs for one, one links. The first DID is named in
// the learner's record from then on.
//
// What doesn't prove it wraps ErrRefused. Where somebody or something that had to be
// asked didn't answer, the error wraps did.ErrCouldNotCheck; the challenge is still good.
func (n *Node) LinkDID(ctx context.Context, learner string, proof DIDProof, by string) (DIDLink, error) {
	var c challenge
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) { c, err = n.challenge(tx, learner, proof.Nonce); return err })
	if err != nil {
		return DIDLink{}, err
	}
	l, err := n.prove(ctx, c, proof)
	if err != nil {
		return DIDLink{}, err
	}
	l.Evidence.By = by
	return n.link(ctx, l, by, func(c challenge) (*registry.LinkedDID, error) {
		if c.Answer != nil {
			return nil, errChallenge
		}
		return &l, nil
	})
}

// ConfirmDID links the DID that a wallet has proven by itself. The learner says so in
// their session: whoever saw the code that the wallet scanned could have answered it.
func (n *Node) ConfirmDID(ctx context.Context, learner, nonce, by string) (DIDLink, error) {
	l := registry.LinkedDID{Learner: learner, Evidence: registry.Evidence{Nonce: nonce}}
	return n.link(ctx, l, by, func(c challenge) (*registry.LinkedDID, error) {
		if c.Answer == nil {
			return nil, badRequest("no wallet has answered yet: scan the code with it first")
		}
		return c.Answer, nil
	})
}

// link takes the challenge and stores what choose makes of it.
func (n *Node) link(ctx context.Context, about registry.LinkedDID, by string, choose func(challenge) (*registry.LinkedDID, error)) (DIDLink, error) {
	var done DIDLink
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		done = DIDLink{}
		c, err := n.challenge(tx, about.Learner, about.Evidence.Nonce)
		if err != nil {
			return err
		}
		chosen, err := choose(c)
		if err != nil {
			return err
		}
		owner, err := present(tx, about.Learner)
		if err != nil {
			return err
		}
		l := *chosen
		l.Publisher, l.Linked = owner.Publisher, tx.Now
		l, err = tx.LinkDID(l)
		switch {
		case errors.Is(err, registry.ErrDIDTaken):
			// Whoever reads this controls the DID.
			return badRequest("this identifier is linked to another learner's account here. If that is also yours, ask the registrar to bring the two together; else use another identifier")
		case errors.Is(err, registry.ErrTooManyDIDs):
			return refused{err}
		case err != nil:
			return err
		}
		if done = (DIDLink{LinkedDID: l, Named: owner.DID == l.DID}); owner.DID == "" {
			done.Named = true
			err = tx.SetDID(owner.ID, l.DID)
		}
		return errors.Join(err, tx.DropTicket(ticketChallenge, c.Nonce),
			tx.Trail(registry.TrailEntry{Publisher: l.Publisher, Who: by, What: "link identifier", On: l.ID}))
	})
	if err != nil {
		return DIDLink{}, err
	}
	done.Job, err = n.reissue(ctx, done.Learner, by)
	return done, err
}

// AnswerDIDChallenge takes a presentation from a wallet that scanned a challenge, and
// keeps what it proves until the learner says that it is theirs. It can be answered once.
func (n *Node) AnswerDIDChallenge(ctx context.Context, nonce string, presentation []byte) error {
	read := func(tx *registry.Tx) (c challenge, err error) {
		if c, err = n.readChallenge(tx, nonce); errors.Is(err, registry.ErrNotFound) || err == nil && (c.Answer != nil || c.Method != ControlByPresentation) {
			err = badRequest("this code was used, or has expired after five minutes: show a new one")
		}
		return c, err
	}
	var c challenge
	if err := n.db.View(ctx, func(tx *registry.Tx) (err error) { c, err = read(tx); return err }); err != nil {
		return err
	}
	l, err := n.prove(ctx, c, DIDProof{Nonce: nonce, Presentation: presentation})
	if err != nil {
		return err
	}
	l.Evidence.By = "wallet"
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		c, err := read(tx)
		if err != nil {
			return err
		}
		c.Answer, c.Answered = &l, l.DID
		return c.put(tx)
	})
}

// WalletRequest is what a wallet is asked that scanned a challenge, or registry.ErrNotFound.
func (n *Node) WalletRequest(ctx context.Context, nonce string) (DIDChallenge, error) {
	var c challenge
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) { c, err = n.readChallenge(tx, nonce); return err })
	if err == nil && (c.Method != ControlByPresentation || c.Answer != nil) {
		err = fmt.Errorf("challenge: %w", registry.ErrNotFound)
	}
	return c.DIDChallenge, err
}

// LinkedDIDs returns a learner's DIDs, the oldest first.
func (n *Node) LinkedDIDs(ctx context.Context, learner string) (links []DIDLink, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		links = []DIDLink{}
		l, err := present(tx, learner)
		if err != nil {
			return err
		}
		all, err := tx.LinkedDIDs(learner)
		known := l.DID == ""
		for _, one := range all {
			links = append(links, DIDLink{LinkedDID: one, Named: one.DID == l.DID})
			known = known || one.DID == l.DID
		}
		if !known { // given by the publisher, not proven
			links = append(links, DIDLink{LinkedDID: registry.LinkedDID{Publisher: l.Publisher, Learner: l.ID, DID: l.DID}, Named: true})
		}
		return err
	})
	return links, err
}

// NameDID names one of a learner's linked DIDs in their record, or none if id is "".
func (n *Node) NameDID(ctx context.Context, learner, id, by string) (DIDLink, error) {
	var done DIDLink
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		done = DIDLink{Named: id != ""}
		l, err := present(tx, learner)
		if err != nil {
			return err
		}
		if id != "" {
			if done.LinkedDID, err = linkedDID(tx, learner, id); err != nil {
				return err
			}
		}
		done.Learner = learner
		if l.DID == done.DID {
			return nil
		}
		return errors.Join(tx.SetDID(learner, done.DID),
			tx.Trail(registry.TrailEntry{Publisher: l.Publisher, Who: by, What: "name identifier", On: id}))
	})
	if err != nil {
		return DIDLink{}, err
	}
	done.Job, err = n.reissue(ctx, learner, by)
	return done, err
}

// UnlinkDID ends the link to a DID. If the learner's record names it, the next version
// names none. The evidence goes too, unless a signed version names the DID.
func (n *Node) UnlinkDID(ctx context.Context, learner, id, by string) (job string, err error) {
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		l, err := linkedDID(tx, learner, id)
		if err != nil {
			return err
		}
		return errors.Join(tx.UnlinkDID(l), tx.Trail(registry.TrailEntry{Publisher: l.Publisher, Who: by, What: "unlink identifier", On: id}))
	})
	if err != nil {
		return "", err
	}
	return n.reissue(ctx, learner, by)
}

func linkedDID(tx *registry.Tx, learner, id string) (registry.LinkedDID, error) {
	l, err := tx.LinkedDID(learner, id)
	if err == nil && !l.Unlinked.IsZero() {
		err = fmt.Errorf("identifier: %w", registry.ErrNotFound)
	}
	return l, err
}

// reissue signs a learner's record again because it is to name another DID, and only
// then: what else has changed in it waits until its publisher issues it. The job's id is
// "" where there is nothing to sign.
func (n *Node) reissue(ctx context.Context, learner, by string) (job string, err error) {
	var r registry.Record
	err = n.db.View(ctx, func(tx *registry.Tx) (err error) { r, err = tx.Record(learner); return err })
	if errors.Is(err, registry.ErrNotFound) || err == nil && !(r.Renamed() && r.Changed() && r.Fingerprint == r.Issued) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	j, err := n.StartIssue(ctx, r.Publisher, []string{learner}, by)
	return j.ID, err
}
