package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/btcsuite/btcd/btcec/v2"
	"golang.org/x/crypto/sha3"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc/clr"
)

// enrolFor is how long a publisher's log lets the node's poster write.
const enrolFor = 10 * 365 * 24 * time.Hour

// Publishers returns all publishers of this node.
func (n *Node) Publishers(ctx context.Context) (pubs []registry.Publisher, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { pubs, err = tx.Publishers(); return err })
	return pubs, err
}

// Publisher returns one publisher, or registry.ErrNotFound.
func (n *Node) Publisher(ctx context.Context, id string) (p registry.Publisher, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { p, err = tx.Publisher(id); return err })
	return p, err
}

// ErrDemoMade is returned by AddPublisher for a demo publisher where there is a
// publisher already: another node on this store was faster.
var ErrDemoMade = errors.New("there is a publisher already, so no demo is made")

// AddPublisher makes a publisher with a did:web identity, a did:webvh beside it, a
// signing key and an anchor log of its own. verify are the elected ways of verification. A demo publisher
// is only made in a store without any.
func (n *Node) AddPublisher(ctx context.Context, name string, verify []string, demo bool) (registry.Publisher, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 200 || !utf8.ValidString(name) {
		return registry.Publisher{}, badRequest("a publisher needs a name of 1 to 200 characters")
	}
	verify, err := registry.ParseElection(strings.Join(verify, ","))
	if err != nil {
		return registry.Publisher{}, badRequest(err.Error())
	}
	id := registry.NewID()
	d, err := did.Web(n.publicURL, "p", id)
	if err != nil {
		return registry.Publisher{}, err
	}
	key, err := n.newKey(ctx, id, "Ed25519", KeysSealed)
	if err != nil {
		return registry.Publisher{}, err
	}
	log, err := btcec.NewPrivateKey()
	if err != nil {
		return registry.Publisher{}, err
	}
	address := logAddress(log.PubKey())
	logKey, err := n.sealed(id, registry.KeySecp256k1, address.String(), log.Serialize())
	if err != nil {
		return registry.Publisher{}, err
	}
	p := registry.Publisher{
		ID: id, Name: name, Demo: demo, DID: d.String(), Method: d.String() + "#" + key.Public,
		Key: key.ID, LogKey: logKey.ID, Log: address.String(), Policy: registry.DefaultPolicy(), Created: n.now().UTC(),
	}
	p.Policy.Verify = verify
	n.place(&p)
	if err := state(&p, log.Serialize()); err != nil {
		return registry.Publisher{}, err
	}
	named, err := n.nextEntry(ctx, p, nil)
	if err != nil {
		return registry.Publisher{}, err
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		url, err := tx.Setting(settingURL)
		if err != nil {
			return err
		}
		if url != n.publicURL { // another node on this store has started with another one since
			return badRequest(fmt.Sprintf("this store's public URL is %s now, and this node writes %s: start all nodes with the same --public-url", url, n.publicURL))
		}
		if demo {
			if pubs, err := tx.Publishers(); err != nil || len(pubs) > 0 {
				return errors.Join(err, ErrDemoMade)
			}
		}
		return errors.Join(tx.PutKey(key), tx.PutKey(logKey), named.store(tx, &p), tx.PutPublisher(p),
			tx.Trail(registry.TrailEntry{Publisher: id, Who: "operator", What: "add publisher", On: id}))
	})
	return p, err
}

// SetPolicy changes what a publisher decided; change gets the policy as it is. It
// holds from now on: learner roles and the category of final grades from the next
// import, the rest from the next version of each record.
func (n *Node) SetPolicy(ctx context.Context, publisher, by string, change func(*registry.Policy)) (p registry.Publisher, err error) {
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		if p, err = tx.Publisher(publisher); err != nil {
			return err
		}
		change(&p.Policy)
		if p.Policy.Verify, err = registry.ParseElection(strings.Join(p.Policy.Verify, ",")); err != nil {
			return refused{err}
		}
		if len(p.Policy.LearnerRoles) == 0 {
			return badRequest("name at least one role that makes a learner, such as student")
		}
		if strings.TrimSpace(p.Policy.FinalCategory) == "" {
			return badRequest("name the category of final grades, such as \"Final grade\"")
		}
		return errors.Join(tx.PutPublisher(p),
			tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: by, What: "change policy", On: p.ID}))
	})
	return p, err
}

// profile is how the publisher stands in credentials as their issuer.
func profile(p registry.Publisher) clr.Profile { return clr.Profile{ID: p.DID, Name: p.Name} }

// chainLog names the publisher's log on a chain, in CAIP-10 form.
func chainLog(c anchor.Chain, p registry.Publisher) string {
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		return ""
	}
	return anchor.CAIP10(c.ID, log)
}

// logAddress is the Ethereum address of a public key: the last 20 bytes of the
// Keccak-256 of its two coordinates.
func logAddress(k *btcec.PublicKey) (a anchor.Address) {
	h := sha3.NewLegacyKeccak256()
	h.Write(k.SerializeUncompressed()[1:])
	copy(a[:], h.Sum(nil)[12:])
	return a
}

// ownResolver answers the DIDs of this node's publishers from the registry, and
// asks next for others.
type ownResolver struct {
	node *Node
	next did.Resolver
}

func (r ownResolver) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	p, own, ok, err := r.node.nameOf(ctx, d)
	if errors.Is(err, registry.ErrNotFound) {
		return did.Resolution{}, fmt.Errorf("%s: this node has no such publisher: %w", d, did.ErrNotFound)
	}
	if err != nil {
		return did.Resolution{}, err
	}
	if ok && d.Method() == "webvh" {
		log, err := r.node.DIDLog(ctx, p.ID)
		if err != nil {
			return did.Resolution{}, err
		}
		return did.ResolveWebVH(d, log, nil, o, r.node.now().Add(logSkew))
	}
	if !ok {
		found, err := r.next.Resolve(ctx, d, o)
		if errors.Is(err, did.ErrCouldNotCheck) {
			err = fmt.Errorf("%w: %w", did.ErrCouldNotCheck, discreet(err))
		}
		return found, err
	}
	if !o.Newest() {
		return r.node.copyOf(ctx, p.ID, d, o)
	}
	doc, err := r.node.documentOf(p, own)
	return did.Resolution{Document: doc}, err
}

func hexDigest(d [32]byte) string { return hex.EncodeToString(d[:]) }
