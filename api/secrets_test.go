package api

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// secretForms are the ways in which a secret could be written somewhere.
func secretForms(secret []byte) []string {
	multicodec := append([]byte{0x80, 0x26}, secret...) // ed25519-priv
	return []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
		base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		did.EncodeMultibase(secret)[1:], did.EncodeMultibase(multicodec)[1:]}
}

// secrets are all private keys that the node has now, and the key that seals them.
func (s *site) secrets() (all [][]byte) {
	s.t.Helper()
	sealing, err := os.ReadFile(s.sealing)
	if err != nil {
		s.t.Fatal(err)
	}
	all = append(all, bytes.TrimSpace(sealing))
	if raw, err := hex.DecodeString(string(all[0])); err == nil {
		all = append(all, raw)
	}
	p, err := s.node.Publisher(s.t.Context(), s.publisher.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.db.View(s.t.Context(), func(tx *registry.Tx) error {
		for _, id := range []string{p.Key, p.UpdateKey, p.LogKey} {
			k, err := tx.Key(id)
			if err != nil {
				return err
			}
			secret, err := s.sealer.OpenKey(k)
			if err != nil {
				return err
			}
			all = append(all, secret)
			if key, err := x509.ParsePKCS8PrivateKey(secret); err == nil {
				if seed, ok := key.(interface{ Seed() []byte }); ok {
					all = append(all, seed.Seed())
				}
			}
		}
		return nil
	})
	if err != nil || len(all) < 4 {
		s.t.Fatalf("%d secrets, %v", len(all), err)
	}
	return all
}

// leaked are the secrets that stand in text, in any form.
func leaked(text string, secrets [][]byte) (found int) {
	for _, secret := range secrets {
		if slices.ContainsFunc(secretForms(secret), func(form string) bool { return strings.Contains(text, form) }) {
			found++
		}
	}
	return found
}

var links = regexp.MustCompile(`(?:href|src|action)="([^"#]+)`)

// No answer of any route, whoever asks, no page that leads on from there, no line of the
// log and no backup has a private key in it, or the key that seals them.
func TestNoSecretLeaves(t *testing.T) {
	s := filledSite(t)
	secrets := s.secrets()
	if leaked("d: "+base64.RawURLEncoding.EncodeToString(secrets[len(secrets)-1]), secrets) != 1 {
		t.Fatal("a secret isn't found where there is one")
	}
	old := s.publisher.Key
	if _, err := s.node.ChangeKey(t.Context(), s.publisher.ID, node.KeyChange{Key: old}, "test"); err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, s.secrets()...) // those of before and of now
	now, err := s.node.Publisher(t.Context(), s.publisher.ID)
	if err != nil {
		t.Fatal(err)
	}
	record := s.record("ada")
	known := map[string][]string{
		"publisher": {now.ID}, "learner": {s.learners["ada"]}, "key": {old, now.Key, now.UpdateKey, now.LogKey},
		"id": {record.Credential.ID}, "did": {now.DID, now.WebVH}, "list": {record.Credential.List},
	}
	var begin []string
	err = Handler(s.node, Options{}).(front).Router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		methods, methodsErr := route.GetMethods()
		if errors.Join(err, methodsErr) != nil || !slices.Contains(methods, "GET") || strings.HasSuffix(template, "/events") {
			return errors.Join(err, methodsErr)
		}
		paths := []string{template}
		for _, v := range regexp.MustCompile(`\{([a-z]+)[^}]*\}`).FindAllStringSubmatch(template, -1) {
			values := known[v[1]]
			if values == nil {
				values = []string{"1"}
			}
			var next []string
			for _, p := range paths {
				for _, value := range values {
					next = append(next, strings.Replace(p, v[0], value, 1))
				}
			}
			paths = next
		}
		begin = append(begin, paths...)
		return nil
	})
	if err != nil || len(begin) < 40 {
		t.Fatalf("%d routes, %v", len(begin), err)
	}
	token, _, err := s.node.CreateToken(t.Context(), now.ID, []string{node.ScopeIssue, node.ScopeImport}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	answers, good := 0, 0
	look := func(who, path string, a answer) {
		answers++
		if a.status == http.StatusOK {
			good++
		}
		if n := leaked(a.body, secrets) + leaked(fmt.Sprint(a.header), secrets); n > 0 {
			t.Errorf("%s finds %d secrets at %s (%d)", who, n, path, a.status)
		}
	}
	for who, b := range map[string]*browser{
		"a stranger": s.browser(), "a registrar": s.as(node.RolePublisher, ""), "an auditor": s.as(node.RoleAuditor, ""), "a learner": s.as(node.RoleLearner, s.learners["ada"]),
	} {
		seen, next := map[string]bool{}, slices.Clone(begin)
		for len(next) > 0 && len(seen) < 600 {
			path := next[0]
			if next = next[1:]; seen[path] {
				continue
			}
			seen[path] = true
			a := b.get(path)
			look(who, path, a)
			for _, l := range links.FindAllStringSubmatch(a.body, -1) {
				if link := html.UnescapeString(l[1]); strings.HasPrefix(link, "/") && !strings.HasSuffix(link, "/events") && !strings.HasPrefix(link, "//") {
					next = append(next, link)
				}
			}
		}
		for _, path := range begin {
			look(who+"'s program", path, program(b, "GET", path, "", "Accept", "application/json"))
			if who == "a stranger" {
				look("a program with a token", path, program(b, "GET", path, "", "Authorization", "Bearer "+token))
			}
		}
	}
	if good < 100 {
		t.Errorf("of %d answers %d are good: little was seen", answers, good)
	}
	if n := leaked(s.logs.String(), secrets); n > 0 {
		t.Errorf("%d secrets are in the log", n)
	}
	var backup bytes.Buffer
	if err := s.node.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&backup)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := io.ReadAll(zip)
	if err != nil || len(rows) < 10_000 {
		t.Fatalf("%d bytes of the backup, %v", len(rows), err)
	}
	if n := leaked(string(rows), secrets); n > 0 {
		t.Errorf("%d secrets are in the backup", n)
	}
	t.Logf("%d answers, of which %d are good", answers, good)
}
