package api

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

func (s *server) keysPage(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showKeys(w, r, p, http.StatusOK)
}

func (s *server) showKeys(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, errs ...web.FieldError) error {
	keys, err := s.node.Keys(r.Context(), p.ID)
	if err != nil {
		return err
	}
	algorithms := node.RecordAlgorithms()
	if keys[0].Store != node.KeysSealed {
		algorithms = node.TokenAlgorithms()
	}
	return s.page(w, r, status, "keys", "keys", p, web.Page{Title: "Identity and keys", Errors: errs, Body: struct {
		Publisher  registry.Publisher
		Current    node.PublisherKey
		Earlier    []node.PublisherKey
		Algorithms []string
		InToken    bool   // the key is in a token, and so will be the next one
		Domain     string // as it was typed
	}{p, keys[0], keys[1:], algorithms, keys[0].Store != node.KeysSealed, cmp.Or(r.PostForm.Get("domain"), p.Domain)}})
}

func (s *server) rotateKey(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	_, err := s.node.ChangeKey(r.Context(), p.ID, node.KeyChange{Key: r.PostForm.Get("key"), Algorithm: r.PostForm.Get("algorithm")}, byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return s.showKeys(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Field: "algorithm", Sentence: sentence(err)})
	}
	if errors.Is(err, did.ErrCouldNotSign) {
		return s.showKeys(w, r, p, http.StatusServiceUnavailable, web.FieldError{Field: "algorithm", Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	s.say(r, "rotated")
	return seeOther(w, r, "/p/"+p.ID+"/keys")
}

// revokeKeyForm says what it means that a key is compromised.
func (s *server) revokeKeyForm(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showRevokeKey(w, r, p, http.StatusOK)
}

func (s *server) showRevokeKey(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, errs ...web.FieldError) error {
	keys, err := s.node.Keys(r.Context(), p.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k node.PublisherKey) bool { return k.ID == part(r, "key") })
	if i < 0 {
		return registry.ErrNotFound
	}
	return s.page(w, r, status, "revokekey", "keys", p, web.Page{Title: "A key in wrong hands", Errors: errs, Body: struct {
		Key   node.PublisherKey
		Since string
	}{keys[i], r.PostForm.Get("since")}})
}

// sinceForm is how browsers send a date and time; ours are in UTC.
const sinceForm = "2006-01-02T15:04"

func (s *server) revokeKey(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	refused := func(field, sentence string) error {
		return s.showRevokeKey(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Field: field, Sentence: sentence})
	}
	since, err := time.Parse(sinceForm, r.PostForm.Get("since"))
	if err != nil || !since.After(time.Time{}) { // a time of zero would be that of a key that isn't compromised
		return refused("since", "Say since when the key may be in wrong hands, as a date and a time, such as 2026-11-23T12:00.")
	}
	done, err := s.node.ChangeKey(r.Context(), p.ID, node.KeyChange{Key: part(r, "key"), Compromised: since}, byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return refused("since", sentence(err))
	}
	if err != nil {
		return err
	}
	s.say(r, "key-revoked")
	return seeOther(w, r, "/p/"+p.ID+"/issue/"+done.Job.ID)
}

// signedByKey tells what the key that the path names signed, from the place in ?after= on.
func (s *server) signedByKey(r *http.Request, publisher string) (node.SignedByKey, error) {
	signed, err := s.node.SignedByKey(r.Context(), publisher, part(r, "key"), r.URL.Query().Get("after"), pageLength)
	if errors.Is(err, node.ErrRefused) { // there is no such key
		err = registry.ErrNotFound
	}
	return signed, err
}

// nextSigned is the address of the page behind this one, at that of the list; "" if this
// is the last.
func nextSigned(signed node.SignedByKey, at string) string {
	n := len(signed.Records)
	if n < pageLength {
		return ""
	}
	return at + "?after=" + url.QueryEscape(signed.Records[n-1].Place)
}

func (s *server) signedPage(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	signed, err := s.signedByKey(r, p.ID)
	if err != nil {
		return err
	}
	at := "/p/" + p.ID + "/keys/" + signed.Key.ID + "/credentials"
	return s.page(w, r, http.StatusOK, "signed", "keys", p, web.Page{Title: "What a key signed", Body: struct {
		node.SignedByKey
		At, Next string
		First    bool
	}{signed, at, nextSigned(signed, at), r.URL.Query().Get("after") == ""}})
}

func (s *server) signedJSON(w http.ResponseWriter, r *http.Request, t registry.Token) error {
	signed, err := s.signedByKey(r, t.Publisher)
	if err != nil {
		return err
	}
	at := s.node.PublicURL() + "/v1/publishers/" + t.Publisher + "/keys/" + signed.Key.ID + "/credentials"
	return writeJSON(w, http.StatusOK, struct {
		node.SignedByKey
		Next string `json:"next,omitempty"`
	}{signed, nextSigned(signed, at)})
}
