package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"clrnode/anchor"
	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

const (
	typeVC = "application/vc"

	// cacheNewest: ask every time, and be told 304.
	cacheNewest = "no-cache"
	// cacheForever is for what is never changed at its address.
	cacheForever = "public, max-age=31536000, immutable"
	// cacheShort is how old a status list or a DID document may get.
	cacheShort = "public, max-age=30"
)

func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := s.node.Ready(r.Context()); err != nil {
		s.log.Warn("not ready", "error", err)
		return problem{http.StatusServiceUnavailable, "Not ready", "The node's store doesn't answer."}
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *server) asset(w http.ResponseWriter, r *http.Request) error {
	if !web.Asset(w, r) {
		return registry.ErrNotFound
	}
	return nil
}

// hosted serves the newest version of a hosted credential: its very bytes to
// programs, a page to browsers. What was revoked is 410 with the reason, hosted or
// not.
func (s *server) hosted(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Vary"] = varyAccept
	c, err := s.node.Hosted(r.Context(), part(r, "id"), 0)
	if err != nil {
		return err
	}
	if c.Signed == nil && c.Credential.Revoked == nil {
		return registry.ErrNotFound
	}
	if wantsPage(r) {
		return s.hostedPage(w, r, c)
	}
	if c.Credential.Revoked != nil {
		return gone(c)
	}
	return serveTagged(w, r, typeVC, cacheNewest, c.Digest, c.Signed)
}

func gone(c *node.HostedCopy) error {
	return problem{http.StatusGone, "Revoked on " + c.Credential.Revoked.At.UTC().Format("2 January 2006"), c.Credential.Revoked.Reason}
}

// hostedPage is the browser's form of a hosted credential.
func (s *server) hostedPage(w http.ResponseWriter, r *http.Request, c *node.HostedCopy) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	p, err := s.node.Publisher(r.Context(), c.Credential.Publisher)
	if err != nil {
		return err
	}
	page := web.Page{Title: "Hosted record", Demo: p.Demo}
	page.Who.Here = "verify"
	if c.Credential.Revoked != nil {
		page.Title = "Revoked"
		page.Body = struct {
			Publisher   string
			Achievement bool
			Revoked     *registry.Revoked
		}{p.Name, c.Credential.Kind == registry.KindAssertion, c.Credential.Revoked}
		return web.Render(w, http.StatusGone, "hosted_revoked", page)
	}
	if wait, ok := s.checks.allow(s.clientOf(r)); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		return problem{http.StatusTooManyRequests, "Too many requests", "You ask faster than this node answers one client."}
	}
	v, rep, err := s.node.VerifyHosted(r.Context(), c)
	if err != nil {
		return err
	}
	result := web.NewResult(v, rep, s.host)
	result.AgainHere, result.Issuer = true, p.Name
	page.Body = struct {
		Result  web.Result
		Version int
		Bytes   string
	}{result, c.Number, "/credentials/" + c.Credential.ID + "/" + strconv.Itoa(c.Number)}
	return web.Render(w, http.StatusOK, "hosted", page)
}

func (s *server) version(r *http.Request) (*node.HostedCopy, error) {
	n, err := strconv.Atoi(part(r, "n"))
	if err != nil || n < 1 {
		return nil, registry.ErrNotFound
	}
	c, err := s.node.Hosted(r.Context(), part(r, "id"), n)
	if err == nil && c.Signed == nil { // not hosted, but revoked
		err = registry.ErrNotFound
		if c.Credential.Revoked != nil {
			err = gone(c)
		}
	}
	return c, err
}

// hostedVersion serves one version, which never changes.
func (s *server) hostedVersion(w http.ResponseWriter, r *http.Request) error {
	c, err := s.version(r)
	if err != nil {
		return err
	}
	return serveTagged(w, r, typeVC, cacheForever, c.Digest, c.Signed)
}

// hostedReceipt serves the receipt of one version.
func (s *server) hostedReceipt(w http.ResponseWriter, r *http.Request) error {
	c, err := s.version(r)
	if err != nil {
		return err
	}
	return s.writeReceipt(w, r, c.Digest)
}

// receipt serves the receipt of the record, status list or DID document with a digest, of one
// of the node's chains, to everybody: see [node.Node.Receipt] for why it may.
func (s *server) receipt(w http.ResponseWriter, r *http.Request) error {
	digest := strings.ToLower(part(r, "digest"))
	if len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
		return problem{http.StatusBadRequest, "Not a digest", "Ask for /anchors/ and the SHA-256 of the record, status list or DID document in JCS form, 64 hexadecimal digits."}
	}
	return s.writeReceipt(w, r, digest)
}

// writeReceipt serves the receipt of a digest, of the chain in the path, or the one that
// the query names.
func (s *server) writeReceipt(w http.ResponseWriter, r *http.Request, digest string) error {
	receipt, err := s.node.ReceiptOn(r.Context(), digest, cmp.Or(part(r, "chain"), r.URL.Query().Get("chain")))
	if err != nil {
		return err
	}
	raw, err := receiptJSON(receipt)
	if err != nil {
		return err
	}
	return serveBytes(w, r, "application/json", cacheNewest, raw)
}

// receiptJSON is a receipt as it is served and saved.
func receiptJSON(r anchor.Receipt) ([]byte, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	return append(raw, '\n'), err
}

// statusList serves a status list credential.
func (s *server) statusList(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.node.SignedList(r.Context(), part(r, "list"))
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	return serveBytes(w, r, answerType(r), cacheShort, raw)
}
