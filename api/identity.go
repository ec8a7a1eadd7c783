package api

import (
	"errors"
	"net/http"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// rootDocument serves the DID document at the root of a publisher's own domain, or of the
// public URL where there is one publisher alone. The Host header is the client's word: only
// domains that were registered are known.
func (s *server) rootDocument(w http.ResponseWriter, r *http.Request) error {
	d, err := s.node.DocumentAt(r.Context(), r.Host)
	if err != nil {
		return err
	}
	return serveAs(w, r, d.JSON(), "application/did+json", "application/did+ld+json", "application/did")
}

// rootLog serves the log of a did:webvh there.
func (s *server) rootLog(w http.ResponseWriter, r *http.Request) error {
	log, err := s.node.DIDLogAt(r.Context(), r.Host)
	if err != nil {
		return err
	}
	return serveBytes(w, r, "text/jsonl", cacheShort, log)
}

// didConfig serves the file in which the site that was asked says which
// DIDs are its own.
func (s *server) didConfig(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.node.DIDConfig(r.Context(), r.Host)
	if err != nil {
		return err
	}
	return serveBytes(w, r, "application/json", cacheShort, raw)
}

// self says which node this is, for whoever wants to know where a domain leads, and for which
// publisher its front says that it does.
func (s *server) self(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", node.PublisherHeader)
	return serveBytes(w, r, "application/json", cacheNewest, s.node.Self(r.Header.Get(node.PublisherHeader)))
}

// setDomain gives a publisher a domain of its own, or takes it away. The domain has to lead
// here already.
func (s *server) setDomain(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	_, err := s.node.ClaimDomain(r.Context(), p.ID, r.PostForm.Get("domain"), byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return s.showKeys(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Field: "domain", Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	s.say(r, "domain")
	return seeOther(w, r, "/p/"+p.ID+"/keys")
}

// didDocument serves a publisher's DID document where did:web looks for it.
func (s *server) didDocument(w http.ResponseWriter, r *http.Request) error {
	d, err := s.node.Document(r.Context(), part(r, "publisher"))
	if err != nil {
		return err
	}
	return serveAs(w, r, d.JSON(), "application/did+json", "application/did+ld+json", "application/did")
}

// didLog serves the log of a publisher's did:webvh where that looks for it.
func (s *server) didLog(w http.ResponseWriter, r *http.Request) error {
	log, err := s.node.DIDLog(r.Context(), part(r, "publisher"))
	if err != nil {
		return err
	}
	return serveBytes(w, r, "text/jsonl", cacheShort, log)
}

// issuerDocument serves a publisher's keys to those who know it by its web address.
func (s *server) issuerDocument(w http.ResponseWriter, r *http.Request) error {
	doc, err := s.node.IssuerDocument(r.Context(), part(r, "publisher"))
	if err != nil {
		return err
	}
	return serveAs(w, r, doc, "application/json", "application/ld+json", "application/cid")
}

// keyDocument serves one key: with its controller, or alone to who wants a JSON Web Key
// more than that.
func (s *server) keyDocument(w http.ResponseWriter, r *http.Request) error {
	forms := []string{"application/json", "application/ld+json", "application/cid"}
	jwk := []string{"application/jwk+json", "application/jwk"}
	asJWK := accepts(r, jwk...) > accepts(r, forms...)
	doc, err := s.node.KeyDocument(r.Context(), part(r, "publisher"), part(r, "key"), asJWK)
	if err != nil {
		return err
	}
	if asJWK {
		forms = jwk[:1]
	}
	return serveAs(w, r, doc, forms...)
}

// keySet serves the keys of all publishers.
func (s *server) keySet(w http.ResponseWriter, r *http.Request) error {
	set, err := s.node.KeySet(r.Context(), r.Host)
	if err != nil {
		return err
	}
	return serveAs(w, r, set, "application/json", "application/jwk-set+json")
}

// serveAs serves a document that is the same under several media types as the one that is
// wanted most, or as the first.
func serveAs(w http.ResponseWriter, r *http.Request, doc []byte, kinds ...string) error {
	best := kinds[0]
	for _, kind := range kinds[1:] {
		if accepts(r, kind) > accepts(r, best) {
			best = kind
		}
	}
	w.Header().Set("Vary", "Accept")
	return serveBytes(w, r, best, cacheShort, doc)
}
