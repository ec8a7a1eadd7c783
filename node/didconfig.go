package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// How long a credential holds by which a publisher's DID and this site are one's, and how
// many publishers the file names. It is made anew after half that time, and when the
// publisher signs with another key.
const (
	linkHolds = 30 * 24 * time.Hour
	maxLinked = 200
)

// linkages are the credentials that link publishers' DIDs to this site and to their own
// domains, by the site and the key that signed them.
type linkages struct {
	mu   sync.Mutex
	made map[string]linkage
}

type linkage struct {
	proof, token vc.Signed
	until        time.Time
}

// DIDConfig is the file in which a site says that the DIDs of its publishers are its own
// (DIF Well Known DID Configuration), for 200 of them at most: the public URL's site of all
// publishers, and a publisher's own domain of that one. host is what the client sent as
// that; of any that isn't a publisher's domain the answer is the public URL's.
func (n *Node) DIDConfig(ctx context.Context, host string) ([]byte, error) {
	origin := n.origin()
	var pubs []registry.Publisher
	p, own, err := n.ownerOfHost(ctx, host)
	if pubs = []registry.Publisher{p}; errors.Is(err, registry.ErrNotFound) {
		pubs, err = n.Publishers(ctx)
	} else if own.folder == "https://"+p.Domain+"/" {
		origin = "https://" + p.Domain
	}
	if err != nil {
		return nil, err
	}
	n.links.mu.Lock()
	defer n.links.mu.Unlock()
	if n.links.made == nil {
		n.links.made = map[string]linkage{}
	}
	now := n.now().UTC()
	maps.DeleteFunc(n.links.made, func(_ string, l linkage) bool { return now.After(l.until) })
	var all []vc.Signed
	var away error // of publishers whose keys aren't to be had now, which the file leaves out
	for _, p := range pubs[:min(len(pubs), maxLinked)] {
		l, err := n.linkageOf(ctx, p, origin, now)
		if errors.Is(err, did.ErrCouldNotSign) {
			away = err
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("link publisher %s to %s: %w", p.ID, origin, err)
		}
		all = append(all, l.proof, l.token)
	}
	if len(all) == 0 && away != nil {
		return nil, away
	}
	return vc.DIDConfig(all...), nil
}

func (n *Node) linkageOf(ctx context.Context, p registry.Publisher, origin string, now time.Time) (linkage, error) {
	kept, ok := n.links.made[origin+" "+p.Method]
	if ok && now.Before(kept.until.Add(-linkHolds/2)) {
		return kept, nil
	}
	_, key, err := n.signing(ctx, p.ID)
	l := linkage{until: now.Add(linkHolds)}
	if err == nil {
		l.proof, l.token, err = vc.LinkDomain(ctx, origin, key, now, l.until)
	}
	switch {
	case err == nil:
		n.links.made[origin+" "+key.Method] = l
	case ok && errors.Is(err, did.ErrCouldNotSign):
		return kept, nil // which still holds
	}
	return l, err
}

// origin is the public URL's scheme and host, by which wallets and others know this site.
func (n *Node) origin() string {
	scheme, rest, _ := strings.Cut(n.publicURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
