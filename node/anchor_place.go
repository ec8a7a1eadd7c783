package node

import (
	"encoding/json"
	"errors"
	"slices"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
)

// place notes where a publisher's log stands on this node's chains. What was noted of other
// chains stays, as the log does: an auditor asks of it when the node has left that chain, and
// another node on the same store may be on it still.
func (n *Node) place(p *registry.Publisher) {
	if chain, ok := n.chain(); ok {
		was := p.Anchors
		p.Anchors = placeOn(chain, *p)
		if was.Log != "" && was.Log != p.Anchors.Log {
			noteAlso(p, was)
		}
	}
	if chain, ok := n.AlsoChain(); ok {
		if place := placeOn(chain, *p); !samePlace(place, p.Anchors) {
			noteAlso(p, place)
		}
	}
}

// noteAlso notes a log beside the first chain's, in the place of what was noted of the same
// chain.
func noteAlso(p *registry.Publisher, place registry.AnchorPlace) {
	i := slices.IndexFunc(p.Also, func(a registry.AnchorPlace) bool { return a.Log == place.Log })
	if i < 0 {
		p.Also = append(p.Also, place)
		return
	}
	p.Also[i] = place
}

// placeOn is a publisher's anchor log on a chain, with what the log's key said of it there.
func placeOn(c anchor.Chain, p registry.Publisher) registry.AnchorPlace {
	place := registry.AnchorPlace{Log: chainLog(c, p), Registry: c.Registry.String()}
	for _, noted := range places(p) {
		if samePlace(noted, place) {
			return noted
		}
	}
	return place
}

// places are all that is noted of where a publisher's log stands, first on the first chain:
// that one may be empty.
func places(p registry.Publisher) []registry.AnchorPlace {
	return append([]registry.AnchorPlace{p.Anchors}, p.Also...)
}

// alsoNamed are the places that stand in a publisher's identifiers beside the first chain's.
func alsoNamed(p registry.Publisher) []registry.AnchorPlace {
	return slices.DeleteFunc(slices.Clone(p.Also), func(a registry.AnchorPlace) bool { return a.Log == p.Anchors.Log })
}

// samePlace tells whether two are of one log in one contract, whatever the log's key said.
func samePlace(a, b registry.AnchorPlace) bool { return a.Log == b.Log && a.Registry == b.Registry }

// unstated tells whether there is a place of which the log's key hasn't said yet that the
// log there is that of the issuer.
func unstated(p registry.Publisher) bool {
	return slices.ContainsFunc(places(p), func(a registry.AnchorPlace) bool { return a.Log != "" && a.DID != p.DID })
}

// state lets the log's key, a secp256k1 scalar, say of each place that the log there is that
// of the issuer.
func state(p *registry.Publisher, key []byte) (err error) {
	say := func(place *registry.AnchorPlace) error {
		if place.Log == "" {
			return nil
		}
		chain, log, err := anchor.ParseCAIP10(place.Log)
		if err != nil {
			return err
		}
		contract, err := anchor.ParseAddress(place.Registry)
		if err != nil {
			return err
		}
		signed, err := anchor.Statement{ChainID: chain, Registry: contract, Log: log, DID: p.DID}.Sign(key)
		place.DID, place.Statement = signed.DID, signed.Signature
		return err
	}
	err = say(&p.Anchors)
	for i := range p.Also {
		err = errors.Join(err, say(&p.Also[i]))
	}
	return err
}

// logEndpoint is what an identifier says of a log, and of where its receipts are.
func logEndpoint(place registry.AnchorPlace, receipts string) map[string]any {
	endpoint := map[string]any{"receipts": receipts}
	if place.Log != "" {
		endpoint["log"], endpoint["registry"] = place.Log, place.Registry
	}
	if place.Statement != "" {
		endpoint["statement"] = anchor.SignedStatement{DID: place.DID, Signature: place.Statement}
	}
	return endpoint
}

// receiptService is where the publisher of a DID document serves receipts of a log (CAIP-10),
// "" if it says nothing: of the chain at hand, where the document names the log on that one,
// and else what it names first. A log may stand on several chains.
func receiptService(doc *did.Document, log string, at anchor.Chain) (url string) {
	_, want, _ := anchor.ParseCAIP10(log) // a receipt for what is no log is refused later
	for _, s := range doc.Service {
		var endpoint struct {
			Log      string `json:"log"`
			Registry string `json:"registry"`
			Receipts string `json:"receipts"`
		}
		if !s.Is(anchorService) || json.Unmarshal(s.Endpoint, &endpoint) != nil || endpoint.Receipts == "" {
			continue
		}
		if url == "" {
			url = endpoint.Receipts
		}
		chain, address, err := anchor.ParseCAIP10(endpoint.Log)
		contract, e := anchor.ParseAddress(endpoint.Registry)
		if err == nil && e == nil && address == want && chain == at.ID && contract == at.Registry {
			return endpoint.Receipts
		}
	}
	return url
}
