package evm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/anchor"
)

// A server is one of the chain's nodes that a Client asks.
type server struct {
	rpc  *rpc.Client
	name string      // its host: the rest of a URL may be a secret
	line *transport  // nil for a connection inside the process
	odd  atomic.Bool // it was outvoted, which was said
}

// connect makes the connections to one URL, or to several with commas between them.
func connect(ctx context.Context, urls string, o Options) ([]*server, error) {
	if o.RPC != nil {
		return []*server{{rpc: o.RPC, name: "the chain in this process"}}, nil
	}
	var all []*server
	for _, u := range strings.Split(urls, ",") {
		u = strings.TrimSpace(u)
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, fmt.Errorf("the chain's URL should be like https://rpc.example.org, or several with commas between them, not %s", NameOf(u))
		}
		client := http.Client{Timeout: 20 * time.Second}
		if o.HTTP != nil {
			client = *o.HTTP
		}
		s := &server{name: parsed.Host, line: &transport{next: cmp.Or(client.Transport, http.DefaultTransport)}}
		client.Transport = s.line
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // it may lead anywhere
		if s.rpc, err = rpc.DialOptions(ctx, u, rpc.WithHTTPClient(&client)); err != nil {
			return nil, fmt.Errorf("connect to the chain: %w: %w", anchor.ErrCouldNotCheck, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// NameOf is what people may see of a chain's URL, or of several with commas between them: the
// rest may be a secret, by which its owner pays for answers.
func NameOf(urls string) string {
	var names []string
	for u := range strings.SplitSeq(urls, ",") {
		parsed, err := url.Parse(strings.TrimSpace(u))
		if err != nil || parsed.Host == "" {
			names = append(names, "one that can't be read")
			continue
		}
		name := parsed.Scheme + "://" + parsed.Host
		if strings.Trim(parsed.Path, "/")+parsed.RawQuery+parsed.Fragment != "" || parsed.User != nil {
			name += "/..."
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// maxAnswer bounds an answer of a chain's node, in bytes, and maxRefusal what it says
// beside an HTTP status or why it refuses, which becomes part of an error and may be stored. The events of a whole block have
// some megabytes. maxPause is the longest that a node is left alone that asks for it.
const (
	maxAnswer, maxRefusal = 32 << 20, 500
	maxPause              = 5 * time.Minute
)

// A transport is one whose responses end somewhere, so that a node that talks without
// end fills nobody's memory, and which leaves a node alone for as long as it asks for by
// Retry-After (RFC 9110, section 10.2.3).
type transport struct {
	next  http.RoundTripper
	until atomic.Int64 // when the pause ends, in nanoseconds since 1970
}

// errPause is for questions that weren't asked.
var errPause = errors.New("it asked to be left alone for a while")

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.pause() > 0 {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errPause
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		if pause := retryAfter(resp.Header.Get("Retry-After")); pause > 0 {
			t.until.Store(time.Now().Add(pause).UnixNano())
		}
	}
	resp.Body = &sparse{ReadCloser: http.MaxBytesReader(nil, resp.Body, maxAnswer)}
	if resp.StatusCode >= 300 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxRefusal), resp.Body}
	}
	return resp, nil
}

// A sparse body is JSON that isn't nothing but values of a few bytes, each of which would be a
// hundred in memory: events and blocks, of which an answer may have many, have more than fifty
// for each comma.
type sparse struct {
	io.ReadCloser
	bytes, values int
}

// What a body may have of values, however long it is, and how many bytes for each of the others.
const (
	fewValues     = 4 << 10
	bytesOfAValue = 24
)

// errDense is for an answer that isn't read.
var errDense = errors.New("its answer has more values than one of its length may have")

func (s *sparse) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.bytes += n
	for _, c := range p[:n] {
		if c == ',' || c == '[' || c == '{' {
			s.values++
		}
	}
	if s.values > fewValues+s.bytes/bytesOfAValue {
		return 0, errDense
	}
	return n, err
}

// pause is for how long the node wants to be left alone.
func (t *transport) pause() time.Duration {
	if t == nil {
		return 0
	}
	return time.Until(time.Unix(0, t.until.Load()))
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxPause)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(time.Until(at), maxPause)
	}
	return 0
}

// call asks one node, again while that may help.
func (s *server) call(ctx context.Context, patience int, answer any, method string, args ...any) error {
	err := s.rpc.CallContext(ctx, answer, method, args...)
	for tries := 0; err != nil && tries < patience && unanswered(method, err); tries++ {
		select {
		case <-time.After(max(250*time.Millisecond<<tries, min(s.line.pause(), time.Minute))):
			err = s.rpc.CallContext(ctx, answer, method, args...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = s.discreet(err)
	var refused rpc.Error
	if errors.As(err, &refused) && len(refused.Error()) > maxRefusal {
		err = refusal{refused}
	}
	if err != nil && strings.ContainsFunc(err.Error(), misleads) {
		return lineError{err}
	}
	return err
}

// A lineError is an error with a text of a chain's node in it, on one line: it is stored, and
// read on pages and terminals.
type lineError struct{ error }

func (e lineError) Error() string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case misleads(r):
			return unicode.ReplacementChar
		}
		return r
	}, e.error.Error())
}

func (e lineError) Unwrap() error { return e.error }

// misleads says whether a rune does something else than to stand there: it moves a cursor, ends
// the line or changes the direction of writing.
func misleads(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// discreet takes a URL out of an error: people read this, and what stands behind its host may be
// a secret.
func (s *server) discreet(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		asked.URL = s.name
	}
	return err
}

// A refusal is what a node answered at length, of which maxRefusal is kept.
type refusal struct{ whole rpc.Error }

func (r refusal) Error() string { return strings.ToValidUTF8(r.whole.Error()[:maxRefusal], "") }

func (r refusal) ErrorCode() int { return r.whole.ErrorCode() }

func (r refusal) ErrorData() any {
	if detail, ok := r.whole.(rpc.DataError); ok {
		return detail.ErrorData()
	}
	return nil
}

// A reply is what one node said: a pointer to a value, or an error.
type reply struct {
	from  *server
	value any
	err   error
}

// replies asks all nodes for a value like the one that answer points to, until all have
// replied or enough of them.
func (c *Client) replies(ctx context.Context, answer any, enough func([]reply) bool, method string, args ...any) []reply {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan reply, len(c.servers))
	for _, s := range c.servers {
		go func() {
			r := reply{from: s, value: reflect.New(reflect.TypeOf(answer).Elem()).Interface()}
			r.err = s.call(ctx, c.patience, r.value, method, args...)
			came <- r
		}()
	}
	var all []reply
	var late <-chan time.Time
	for len(all) < len(c.servers) && !enough(all) {
		select {
		case r := <-came:
			all = append(all, r)
			if len(all) == c.majority() {
				late = time.After(slowest)
			}
		case <-late:
			return all
		}
	}
	return all
}

// slowest is how much longer than most of the nodes one of them may take, where all are
// waited for.
const slowest = 2 * time.Second

// majority is how many nodes have to say the same. With three, one may lie or be away;
// with two, both have to agree.
func (c *Client) majority() int { return len(c.servers)/2 + 1 }

// decided finds the value or the refusal that a majority gives.
func (c *Client) decided(all []reply) (r reply, ok bool) {
	for i, r := range all {
		same := 1
		for _, other := range all[i+1:] {
			if agree(r, other) {
				same++
			}
		}
		if same >= c.majority() {
			return r, true
		}
	}
	return reply{}, false
}

// agree tells whether two nodes say the same. Of refusals, the words are each program's own,
// and the registry's reason is not.
func agree(a, b reply) bool {
	if a.err == nil || b.err == nil {
		return a.err == nil && b.err == nil && reflect.DeepEqual(a.value, b.value)
	}
	var x, y rpc.Error
	return errors.As(a.err, &x) && errors.As(b.err, &y) && x.ErrorCode() == y.ErrorCode() && reason(a.err) == reason(b.err)
}

// call asks the nodes, and gives what a majority says: the same answer, or the same
// refusal.
func (c *Client) call(ctx context.Context, answer any, method string, args ...any) error {
	if len(c.servers) == 1 {
		return c.servers[0].call(ctx, c.patience, answer, method, args...)
	}
	if len(args) > 0 && args[len(args)-1] == "latest" { // which isn't the same block for all of them
		head, err := c.head(ctx)
		if err != nil {
			return err
		}
		args = append(slices.Clone(args[:len(args)-1]), hexNumber(uint64(head.Number)))
	}
	all := c.replies(ctx, answer, func(all []reply) bool { _, ok := c.decided(all); return ok }, method, args...)
	r, ok := c.decided(all)
	if !ok {
		return c.undecided(all)
	}
	c.outvoted(r, all, method)
	if r.err == nil {
		reflect.ValueOf(answer).Elem().Set(reflect.ValueOf(r.value).Elem())
	}
	return r.err
}

// outvoted tells of nodes that give another answer than most do, once until they agree
// again. That they have nothing yet is no other answer.
func (c *Client) outvoted(most reply, all []reply, method string) {
	for _, r := range all {
		switch other := reflect.ValueOf(r.value).Elem(); {
		case r.err != nil || most.err != nil || other.IsZero() || reflect.ValueOf(most.value).Elem().IsZero():
		case agree(most, r):
			r.from.odd.Store(false)
		case !r.from.odd.Swap(true):
			c.log.Warn("one of the chain's nodes says something else than most of them, which is not believed", "node", r.from.name, "method", method)
		}
	}
}

// undecided is the error for replies of which no majority is the same.
func (c *Client) undecided(all []reply) error {
	var why []error
	answers := 0
	for _, r := range all {
		if r.err != nil {
			var refused rpc.Error
			if errors.As(r.err, &refused) { // which counts for nothing, as too few refuse for that reason
				why = append(why, fmt.Errorf("%s: %v", r.from.name, r.err))
			} else {
				why = append(why, fmt.Errorf("%s: %w", r.from.name, r.err))
			}
			continue
		}
		answers++
	}
	what := fmt.Errorf("%d of the chain's %d nodes have to say the same", c.majority(), len(c.servers))
	if answers >= c.majority() {
		what = fmt.Errorf("%w, and they don't", what)
	}
	for _, err := range why {
		what = fmt.Errorf("%w; %w", what, err)
	}
	return what
}

// number asks for a number that nodes may have different ones of, and gives the greatest
// that a majority reaches: one that exaggerates or lags behind doesn't count.
func (c *Client) number(ctx context.Context, method string, args ...any) (*big.Int, error) {
	var n bigQuantity
	if len(c.servers) == 1 {
		err := c.servers[0].call(ctx, c.patience, &n, method, args...)
		return n.Int(), err
	}
	good, err := c.good(c.replies(ctx, &n, func([]reply) bool { return false }, method, args...))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(good, func(a, b reply) int { return b.value.(*bigQuantity).Int().Cmp(a.value.(*bigQuantity).Int()) })
	return good[c.majority()-1].value.(*bigQuantity).Int(), nil
}

// good are the replies with an answer, if a majority has one.
func (c *Client) good(all []reply) ([]reply, error) {
	if r, ok := c.decided(all); ok && r.err != nil {
		return nil, r.err
	}
	good := slices.DeleteFunc(slices.Clone(all), func(r reply) bool { return r.err != nil })
	if len(good) < c.majority() {
		return nil, c.undecided(all)
	}
	return good, nil
}

// reached is the newest block that a majority of the nodes has and calls latest, or
// finalized.
func (c *Client) reached(ctx context.Context, tag string) (h *header, err error) {
	if len(c.servers) == 1 {
		err = c.servers[0].call(ctx, c.patience, &h, "eth_getBlockByNumber", tag, false)
		return h, err
	}
	good, err := c.good(c.replies(ctx, &h, func([]reply) bool { return false }, "eth_getBlockByNumber", tag, false))
	if err != nil {
		return nil, err
	}
	number := func(r reply) uint64 {
		if h := *r.value.(**header); h != nil {
			return uint64(h.Number)
		}
		return 0
	}
	slices.SortFunc(good, func(a, b reply) int { return cmp.Compare(number(b), number(a)) })
	err = c.call(ctx, &h, "eth_getBlockByNumber", hexNumber(number(good[c.majority()-1])), false)
	return h, err
}

// knows tells whether one of the nodes at least knows a transaction.
func (c *Client) knows(ctx context.Context, hash common.Hash) (bool, error) {
	var tx *known
	there := func(r reply) bool { return r.err == nil && *r.value.(**known) != nil }
	all := c.replies(ctx, &tx, func(all []reply) bool { return slices.ContainsFunc(all, there) }, "eth_getTransactionByHash", hash)
	if slices.ContainsFunc(all, there) {
		return true, nil
	}
	if _, err := c.good(all); err != nil {
		return false, fmt.Errorf("%w: eth_getTransactionByHash: %w", anchor.ErrCouldNotCheck, err)
	}
	return false, nil
}

// one asks for what shows by itself whether it is true, as sound finds, so that one node's
// answer is enough: it asks one after the other.
func (c *Client) one(ctx context.Context, answer any, sound func() error, method string, args ...any) error {
	var errs []error
	for _, s := range c.servers {
		reflect.ValueOf(answer).Elem().SetZero()
		err := s.call(ctx, c.patience, answer, method, args...)
		if err == nil {
			err = sound()
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("%w: %s: %w", anchor.ErrCouldNotCheck, method, errors.Join(errs...))
}

// send hands signed bytes to all nodes. It is enough that one takes them, or has them;
// otherwise the error is the refusal of most.
func (c *Client) send(ctx context.Context, raw []byte) error {
	var got common.Hash
	all := c.replies(ctx, &got, func([]reply) bool { return false }, "eth_sendRawTransaction", data(raw))
	for _, r := range all {
		if r.err == nil || says(r.err, "already known", "known transaction", "already imported", "alreadyknown") {
			return nil
		}
	}
	if r, ok := c.decided(all); ok {
		return r.err
	}
	return c.undecided(all)
}
