package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"clrnode/did"
	"clrnode/vc"
)

// How long a list at a web address is used without a look at it: as long as its answer
// lets copies live (Cache-Control: max-age), within bounds. One that could not be had is
// asked for again after the shortest time.
const (
	trustKept      = time.Hour
	trustKeptLeast = time.Minute
	trustKeptMost  = 24 * time.Hour
)

// trustLook is how often files are looked at, and web addresses whose time has come asked.
const trustLook = 2 * time.Second

// TrustLists are the lists of issuers that an operator trusts, in files and at web
// addresses, kept current: a file is read again when it changes, an address asked again
// when its answer is old. A list that can't be read again stays in use as it was, and says
// so; one that never could be read is not available, which isn't the same as empty.
// It is safe for goroutines.
type TrustLists struct {
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	reading sync.Mutex // one round at a time
	mu      sync.Mutex
	lists   []*trustSource // their fields but list: of who is reading; list: guarded by mu
}

// A trustSource is one list and where it lies.
type trustSource struct {
	where string // a path, or a URL
	web   bool
	list  *vc.TrustList

	seen os.FileInfo // of a file, when it was read
	next time.Time   // of a web address: when to ask again
	etag string
}

// NewTrustLists makes lists of their places, paths of files and https URLs, and reads the
// files: one that can't be read is an error, since it is a mistake of who named it. Web
// addresses are asked by [TrustLists.Refresh]; without a client never.
func NewTrustLists(client *http.Client, log *slog.Logger, now func() time.Time, places ...string) (*TrustLists, error) {
	t := &TrustLists{client: client, log: log, now: now}
	for _, where := range places {
		s := &trustSource{where: where, web: strings.Contains(where, "://")}
		if u, err := url.Parse(where); s.web && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			return nil, badRequest(fmt.Sprintf("the list of trusted issuers %s: give a file, or an https URL", where))
		}
		s.list = &vc.TrustList{Name: s.name(), Problem: "it was not asked for yet"}
		if client == nil {
			s.list.Problem = "no connection is opened"
		}
		if !s.web {
			list, err := s.readFile(now())
			if err != nil {
				return nil, badRequest(fmt.Sprintf("the list of trusted issuers %s: %v", where, err))
			}
			s.list = list
		}
		t.lists = append(t.lists, s)
	}
	return t, nil
}

// name is what a list is called that has no name of its own.
func (s *trustSource) name() string {
	if s.web {
		return s.where
	}
	return filepath.Base(s.where)
}

// Lists are the lists as they are now. Nobody changes what is returned.
func (t *TrustLists) Lists() []*vc.TrustList {
	t.mu.Lock()
	defer t.mu.Unlock()
	lists := make([]*vc.TrustList, len(t.lists))
	for i, s := range t.lists {
		lists[i] = s.list
	}
	return lists
}

// Refresh reads the files that changed and asks the web addresses whose time has come.
func (t *TrustLists) Refresh(ctx context.Context) {
	t.reading.Lock()
	defer t.reading.Unlock()
	for _, s := range t.lists {
		list, err := s.again(ctx, t.client, t.now())
		if ctx.Err() != nil {
			return
		}
		if list == nil && err == nil {
			continue // nothing is new
		}
		if err != nil {
			was := *s.list
			was.Problem = "it could not be read"
			list = &was
		}
		switch said := s.list.Problem; {
		case err != nil && said != list.Problem:
			t.log.Warn("a list of trusted issuers could not be read", "list", s.where, "in_use", list.Len(), "error", err)
		case err == nil && said != "" && !s.list.Loaded.IsZero():
			t.log.Info("a list of trusted issuers could be read again", "list", s.where, "issuers", list.Len())
		}
		t.mu.Lock()
		s.list = list
		t.mu.Unlock()
	}
}

// again reads a list if it may have changed. Without an error, nil is that it hasn't.
func (s *trustSource) again(ctx context.Context, client *http.Client, now time.Time) (*vc.TrustList, error) {
	if !s.web {
		info, err := os.Stat(s.where)
		if err == nil && s.seen != nil && os.SameFile(info, s.seen) && info.ModTime().Equal(s.seen.ModTime()) && info.Size() == s.seen.Size() {
			return nil, nil
		}
		return s.readFile(now)
	}
	if client == nil || now.Before(s.next) {
		return nil, nil
	}
	s.next = now.Add(trustKeptLeast)
	return s.fetch(ctx, client, now)
}

func (s *trustSource) readFile(now time.Time) (*vc.TrustList, error) {
	f, err := os.Open(s.where)
	if err != nil {
		s.seen = nil
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s.seen = info // a file that is no list isn't read again until it changes
	raw, err := io.ReadAll(io.LimitReader(f, vc.MaxTrustList+1))
	if err != nil {
		s.seen = nil
		return nil, err
	}
	return s.parse(raw, now)
}

func (s *trustSource) parse(raw []byte, now time.Time) (*vc.TrustList, error) {
	list, err := vc.ParseTrustList(raw)
	if err != nil {
		return nil, err
	}
	if list.Name == "" {
		list.Name = s.name()
	}
	list.Loaded = now
	return list, nil
}

func (s *trustSource) fetch(ctx context.Context, client *http.Client, now time.Time) (*vc.TrustList, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if s.etag != "" {
		req.Header.Set("If-None-Match", s.etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && s.etag != "":
		s.next = now.Add(kept(resp.Header))
		same := *s.list
		same.Loaded, same.Problem = now, ""
		return &same, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, vc.MaxTrustList+1))
	if errors.Is(err, did.ErrTooLarge) {
		return nil, errors.New("it is too large")
	}
	if err != nil {
		return nil, err
	}
	list, err := s.parse(raw, now)
	if err != nil {
		return nil, err
	}
	s.next, s.etag = now.Add(kept(resp.Header)), resp.Header.Get("ETag")
	return list, nil
}

// kept is how long an answer may be used (RFC 9111, 5.2.2).
func kept(h http.Header) time.Duration {
	for part := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "no-store", "no-cache":
			return trustKeptLeast
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return trustKeptLeast
			}
			return min(max(time.Duration(seconds)*time.Second, trustKeptLeast), trustKeptMost)
		}
	}
	return trustKept
}

// keepTrust keeps the lists current until the node ends.
func (n *Node) keepTrust() {
	for n.background.Err() == nil {
		n.trust.Refresh(n.background)
		select {
		case <-n.background.Done():
		case <-time.After(trustLook):
		}
	}
}
