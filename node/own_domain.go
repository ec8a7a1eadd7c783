package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/registry"
)

// readDomain is a host name as the DNS has it: lower case, other letters than a-z in
// punycode. Addresses, ports and names without a dot are none.
func readDomain(s string) (string, error) {
	domain, err := idna.Lookup.ToASCII(strings.TrimSpace(s))
	if err == nil {
		again, e := idna.Lookup.ToASCII(domain)
		_, address := netip.ParseAddr(domain)
		_, none := did.Web("https://" + domain)
		if e != nil || again != domain || address == nil || none != nil || !strings.Contains(domain, ".") || strings.Contains(domain, ":") {
			err = errors.New("it isn't the name of a host with a dot")
		}
	}
	if err != nil {
		return "", badRequest(fmt.Sprintf("%.200q can't be a domain: give a host name such as degrees.example.edu, without https:// and without a port", s))
	}
	return domain, nil
}

// SetDomain gives a publisher a domain of its own, for the node's operator, who is
// believed; empty takes it away. A TLS front has to
// lead that host to this node, which answers there for the publisher's identifiers. The
// did:webvh moves there. As long as nothing was issued, did:web:DOMAIN becomes the issuer;
// afterwards it is one more name, as the issuer stands in what was issued.
func (n *Node) SetDomain(ctx context.Context, publisher, domain, by string) (registry.Publisher, error) {
	if domain != "" {
		var err error
		if domain, err = readDomain(domain); err != nil {
			return registry.Publisher{}, err
		}
	}
	if err := n.roomInLog(ctx, publisher); err != nil {
		return registry.Publisher{}, err
	}
	issued := false
	look := func(tx *registry.Tx) (err error) { issued, err = tx.HasIssued(publisher); return err }
	if err := n.db.View(ctx, look); err != nil {
		return registry.Publisher{}, err
	}
	had := ""
	change := func(p *registry.Publisher) error {
		had, p.Domain = p.Domain, domain
		if had == domain {
			return badRequest("that is how it is already")
		}
		place, err := n.placeOf(*p)
		if err != nil {
			return err
		}
		if p.WebVH != "" {
			scid, _, _ := webOf(p.WebVH)
			p.Former, p.WebVH = p.WebVH, "did:webvh:"+scid+":"+strings.TrimPrefix(place.did, "did:web:")
		}
		switch {
		case !issued:
			rename(p, place.did)
		case had != "" && p.DID == "did:web:"+had:
			return badRequest(fmt.Sprintf("%s stands as the issuer in what was issued, so %s has to stay", p.DID, had))
		}
		return nil
	}
	err := n.changeIdentity(ctx, n.db, publisher, change, func(tx *registry.Tx, p registry.Publisher) error {
		was := issued
		if err := look(tx); err != nil {
			return err
		}
		if issued != was {
			return errOtherKeys // a first credential came between: the same again
		}
		if err := tx.PutDomain(p.ID, had, domain); errors.Is(err, registry.ErrTaken) {
			return badRequest(fmt.Sprintf("%s is another publisher's domain", domain))
		} else if err != nil {
			return err
		}
		return tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: by, What: "set domain", On: p.ID, Why: domain})
	})
	if err != nil {
		return registry.Publisher{}, err
	}
	return n.Publisher(ctx, publisher)
}

// ClaimDomain is SetDomain for who isn't the operator of the node: the domain's https has
// to lead to this node already, and among several publishers say which one it belongs to.
// Otherwise a publisher could make this node answer for a stranger's identifiers, or for
// those of another publisher that is just about to have the domain. This node's own name
// leads here too, and isn't any one publisher's to take: whose it is stands for all of them.
func (n *Node) ClaimDomain(ctx context.Context, publisher, domain, by string) (registry.Publisher, error) {
	if domain != "" {
		read, err := readDomain(domain)
		if public, e := url.Parse(n.publicURL); err == nil && e == nil && strings.EqualFold(read, public.Hostname()) {
			err = badRequest(fmt.Sprintf("%s is this node's own name, for all its publishers: only its operator can give it to one, with clrnode publishers domain", read))
		}
		if err == nil {
			err = n.leadsHere(ctx, read, publisher)
		}
		if err != nil {
			return registry.Publisher{}, err
		}
	}
	return n.SetDomain(ctx, publisher, domain, by)
}

// selfPath is where a node says which one it is.
const selfPath = "/.well-known/clrnode"

// PublisherHeader is the header by which the TLS front of a domain says, of all that it leads
// to a node, which publisher the domain is for.
const PublisherHeader = "Clrnode-Publisher"

// Self is what a node says of itself there: its public URL, and the publisher that the
// request was for, by its PublisherHeader, where that may be the id of one.
func (n *Node) Self(publisher string) []byte {
	self := map[string]any{"publicUrl": n.publicURL}
	if publisher != "" && len(publisher) <= 64 && !strings.ContainsFunc(publisher, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }) {
		self["publisher"] = publisher
	}
	raw, err := jcs.Marshal(self)
	if err != nil {
		panic(fmt.Sprintf("the public URL isn't text: %v", err)) // New read it
	}
	return raw
}

// leadsHere asks a domain which node answers for it, and for which publisher. One that is
// alone on the node has all that leads here.
func (n *Node) leadsHere(ctx context.Context, domain, publisher string) error {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return err
	}
	address := "https://" + domain + selfPath
	no := func(why string) error {
		return badRequest(fmt.Sprintf("%s doesn't lead to this node yet: %s was asked, and %s. Let it lead here first, with the Host header as it came", domain, address, why))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return no(err.Error())
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return no(discreet(err).Error())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch {
	case resp.Request.URL.Host != domain:
		return no("it leads to another site")
	case err != nil || resp.StatusCode != http.StatusOK:
		return no("another server answered")
	case bytes.Equal(body, n.Self(publisher)):
		return nil
	case !bytes.Equal(body, n.Self("")):
		return no("another server answered")
	case len(pubs) > 1:
		return badRequest(fmt.Sprintf("%s leads here, and this node has several publishers: let its TLS front say that it is yours, by the header %s: %s on what it sends here", domain, PublisherHeader, publisher))
	}
	return nil
}

// rename makes another DID the issuer of what a publisher issues.
func rename(p *registry.Publisher, issuer string) {
	p.DID, p.Method = issuer, issuer+"#"+fragment(p.Method)
	for i := range p.Earlier {
		p.Earlier[i].Method = issuer + "#" + fragment(p.Earlier[i].Method)
	}
}

// homeOf is a publisher's place below the public URL.
func (n *Node) homeOf(p registry.Publisher) (name, error) {
	d, err := did.Web(n.publicURL, "p", p.ID)
	return name{d.String(), n.publicURL + "/p/" + p.ID + "/"}, err
}

// placeOf is a publisher's domain, or its home if it has none: where its did:webvh lies.
func (n *Node) placeOf(p registry.Publisher) (name, error) {
	if p.Domain == "" {
		return n.homeOf(p)
	}
	d, err := did.Web("https://" + p.Domain)
	return name{d.String(), "https://" + p.Domain + "/"}, err
}

// ownerOfHost is the publisher whose documents lie at the root of a host: the one that has
// the domain, or at the public URL's own host the only one that there is.
// registry.ErrNotFound for all others. The host is as a client sent it.
func (n *Node) ownerOfHost(ctx context.Context, host string) (p registry.Publisher, own name, err error) {
	public, err := url.Parse(n.publicURL)
	if err != nil {
		return p, own, err
	}
	host = strings.ToLower(host)
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		domain := strings.TrimSuffix(host, ":443")
		id, err := tx.OwnerOf(domain)
		if err == nil {
			p, err = tx.Publisher(id)
			own = name{"did:web:" + domain, "https://" + domain + "/"}
			return err
		}
		if !errors.Is(err, registry.ErrNotFound) || !sameHost(host, public) || public.Path != "" {
			return err
		}
		pubs, err := tx.Publishers()
		if err != nil {
			return err
		}
		if len(pubs) != 1 {
			return registry.ErrNotFound
		}
		p = pubs[0]
		d, err := did.Web(n.publicURL)
		own = name{d.String(), n.publicURL + "/"}
		return err
	})
	return p, own, err
}

// sameHost tells whether a client that sent this host asked for the public URL.
func sameHost(host string, public *url.URL) bool {
	if host == strings.ToLower(public.Host) {
		return true
	}
	port := map[string]string{"https": "443", "http": "80"}[public.Scheme]
	return public.Port() == "" && host == net.JoinHostPort(strings.ToLower(public.Hostname()), port)
}

// DocumentAt is the DID document at the root of a host, or registry.ErrNotFound. host is
// what the client sent as that.
func (n *Node) DocumentAt(ctx context.Context, host string) (*did.Document, error) {
	p, own, err := n.ownerOfHost(ctx, host)
	if err != nil {
		return nil, err
	}
	return n.documentOf(p, own)
}

// DIDLogAt is the log of the did:webvh at the root of a host, or registry.ErrNotFound.
func (n *Node) DIDLogAt(ctx context.Context, host string) ([]byte, error) {
	p, own, err := n.ownerOfHost(ctx, host)
	if err != nil {
		return nil, err
	}
	if place, err := n.placeOf(p); err != nil || place.did != own.did {
		return nil, errors.Join(err, registry.ErrNotFound) // it lies below the publisher's own path
	}
	return n.DIDLog(ctx, p.ID)
}

// nameOf finds the publisher and the name that a DID is, or registry.ErrNotFound. ok is
// false if it can't be one of this node's.
func (n *Node) nameOf(ctx context.Context, d did.DID) (p registry.Publisher, own name, ok bool, err error) {
	sample, err := did.Web(n.publicURL, "p", "x")
	if err != nil {
		return p, own, false, err
	}
	text := d.String()
	scid, web, isWebVH := webOf(text)
	if isWebVH {
		text = web
	}
	host, isWeb := strings.CutPrefix(text, "did:web:")
	id, below := strings.CutPrefix(text, strings.TrimSuffix(sample.String(), "x"))
	switch {
	case !isWeb:
		return p, own, false, nil
	case below && !strings.Contains(id, ":"):
		p, err = n.Publisher(ctx, id)
	case strings.Contains(host, ":"):
		return p, own, false, nil
	default:
		if p, own, err = n.ownerOfHost(ctx, strings.ReplaceAll(host, "%3A", ":")); errors.Is(err, registry.ErrNotFound) {
			return p, own, false, nil // any other site
		}
	}
	if err != nil || own.did == d.String() {
		return p, own, true, err
	}
	for _, own := range n.names(p) {
		if own.did == d.String() {
			return p, own, true, nil
		}
	}
	if now, _, ok := webOf(p.WebVH); ok && isWebVH && scid == now { // as it was once; the log says when
		return p, name{did: d.String()}, true, nil
	}
	return p, own, true, registry.ErrNotFound
}
