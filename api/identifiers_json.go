package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"clrnode/api/web"
	"clrnode/internal/jcs"
	"clrnode/node"
)

// maxAnswer bounds what a wallet or a learner's program sends, in bytes.
const maxAnswer = 256 << 10

// meProgram serves programs that have the session of a learner: errors are problem
// documents, and who isn't logged in gets 401.
func (s *server) meProgram(h func(w http.ResponseWriter, r *http.Request, learner string) error) http.Handler {
	return s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		learner, err := s.who(r).Learner, error(nil)
		if learner == "" {
			err = problem{http.StatusUnauthorized, "Not logged in", "Open a learner's log-in link first, and send the cookie that it gives."}
		} else {
			err = h(w, r, learner)
		}
		if err != nil {
			s.explain(w, r, err, false, web.Who{})
		}
	}))
}

// sparing serves a learner so often, whose records are signed anew for what they do.
func (s *server) sparing(h func(http.ResponseWriter, *http.Request, string) error) func(http.ResponseWriter, *http.Request, string) error {
	return func(w http.ResponseWriter, r *http.Request, learner string) error {
		if wait, ok := s.changes.allow(learner); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			return problem{http.StatusTooManyRequests, "Too many changes", "Your record is signed anew for each change of its identifier. Wait a minute before the next one."}
		}
		return h(w, r, learner)
	}
}

// readObject reads a JSON object of strict form.
func readObject(w http.ResponseWriter, r *http.Request) (*jcs.Value, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, problem{http.StatusUnsupportedMediaType, "Unsupported media type", "Send JSON, as Content-Type: application/json."}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, problem{http.StatusRequestEntityTooLarge, "Too large", "What you sent is larger than " + strconv.Itoa(maxAnswer>>10) + " KB, the most that is taken here."}
	}
	if err != nil {
		return nil, problem{http.StatusBadRequest, "Not whole", "The body could not be read to its end; send it again."}
	}
	body, err := jcs.Read(raw)
	if err != nil {
		return nil, problem{http.StatusBadRequest, "Not strict JSON", sentence(err)}
	}
	if !body.Is(jcs.Object) {
		return nil, problem{http.StatusBadRequest, "No object", "Send a JSON object."}
	}
	return body, nil
}

// only refuses members that nobody reads: a mistyped name would be passed over.
func only(body *jcs.Value, names ...string) error {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	for i := range body.List() {
		if m := &body.List()[i]; !known[m.Name] {
			return problem{http.StatusBadRequest, "Unknown member", sentence(errors.New("the member " + strconv.Quote(m.Name) + " means nothing here"))}
		} else if m.Name != "presentation" && m.Name != "verifiablePresentation" && !m.Is(jcs.String) {
			return problem{http.StatusBadRequest, "Not text", sentence(errors.New("the member " + strconv.Quote(m.Name) + " should be text"))}
		}
	}
	return nil
}

// presentationIn is a presentation that stands in a body: an object, or a JWT.
func presentationIn(v *jcs.Value) []byte {
	if v.Is(jcs.Object) {
		return v.Append(nil)
	}
	return []byte(v.String())
}

func (s *server) identifiersJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	links, err := s.node.LinkedDIDs(r.Context(), learner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"identifiers": links})
}

func (s *server) challengeJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	body, err := readObject(w, r)
	if err == nil {
		err = only(body, "method", "did")
	}
	if err != nil {
		return err
	}
	c, err := s.node.ChallengeDID(r.Context(), learner, body.Str("method"), body.Str("did"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, c)
}

// challengeStateJSON tells how a challenge stands: whether a wallet has answered it.
func (s *server) challengeStateJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	c, err := s.node.DIDChallenge(r.Context(), learner, part(r, "challenge"))
	if errors.Is(err, node.ErrRefused) {
		return problem{http.StatusNotFound, "Not found", sentence(err)}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, c)
}

func (s *server) linkJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	body, err := readObject(w, r)
	if err == nil {
		err = only(body, "challenge", "presentation", "message", "signature")
	}
	if err != nil {
		return err
	}
	l, err := s.node.LinkDID(r.Context(), learner, node.DIDProof{
		Nonce: body.Str("challenge"), Presentation: presentationIn(body.Get("presentation")), Message: body.Str("message"), Signature: body.Str("signature"),
	}, byLearner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, l)
}

func (s *server) nameJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	body, err := readObject(w, r)
	if err == nil {
		err = only(body, "identifier")
	}
	if err != nil {
		return err
	}
	l, err := s.node.NameDID(r.Context(), learner, body.Str("identifier"), byLearner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, l)
}

func (s *server) unlinkJSON(w http.ResponseWriter, r *http.Request, learner string) error {
	job, err := s.node.UnlinkDID(r.Context(), learner, part(r, "identifier"), byLearner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"job": job})
}

// The exchange (VCALM 1.0) by which a wallet answers a challenge that it scanned. Whoever
// has its address has the challenge; what they prove waits for the learner's yes.

// exchange says which protocols a wallet can use; a browser gets a page that says that
// this is for a wallet.
func (s *server) exchange(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	c, err := s.node.WalletRequest(r.Context(), part(r, "challenge"))
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return web.Render(w, http.StatusOK, "exchange", web.Page{Title: "For a wallet app", Body: s.walletURL(c.Nonce)})
	}
	return writeJSON(w, http.StatusOK, map[string]any{"protocols": map[string]string{"vcapi": s.node.PublicURL() + "/vc-api/exchanges/" + c.Nonce}})
}

// answerExchange asks a wallet that sends nothing for a presentation, and takes one.
func (s *server) answerExchange(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	var body *jcs.Value // nothing
	if r.ContentLength != 0 {
		var err error
		if body, err = readObject(w, r); err != nil {
			return err
		}
	}
	nonce := part(r, "challenge")
	if body.Get("verifiablePresentation") == nil {
		c, err := s.node.WalletRequest(r.Context(), nonce)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, map[string]any{"verifiablePresentationRequest": map[string]any{
			"query":     []any{map[string]any{"type": "DIDAuthentication", "acceptedCryptosuites": suitesOfWallets}},
			"challenge": c.Nonce, "domain": c.Domain,
		}})
	}
	if err := s.node.AnswerDIDChallenge(r.Context(), nonce, presentationIn(body.Get("verifiablePresentation"))); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{})
}

// suitesOfWallets are the ways of signing that are asked for; more are read.
var suitesOfWallets = []any{
	map[string]string{"cryptosuite": "eddsa-rdfc-2022"}, map[string]string{"cryptosuite": "eddsa-jcs-2022"},
	map[string]string{"cryptosuite": "ecdsa-rdfc-2019"}, map[string]string{"cryptosuite": "ecdsa-jcs-2019"}, map[string]string{"cryptosuite": "Ed25519Signature2020"},
}
