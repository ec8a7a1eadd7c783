package api

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/mux"
	"golang.org/x/time/rate"

	"clrnode/node"
	"clrnode/vc"
)

// Options are what Handler needs beside the node. The zero value logs to
// slog.Default and takes the time from time.Now.
type Options struct {
	Log *slog.Logger
	Now func() time.Time

	// TrustedProxies are the networks of proxies that are believed about whom
	// they speak for (X-Forwarded-For); this machine always is.
	TrustedProxies []netip.Prefix

	// Dev is developer mode: the VC-API takes no token from this machine, and has no
	// limit of requests for it. The node should have its profiles for tests.
	Dev bool
}

type server struct {
	node     *node.Node
	log      *slog.Logger
	now      func() time.Time
	host     string   // of the public URL: how pages name this node
	secure   bool     // the public URL is https
	headers  []header // of every answer
	dev      bool
	sessions *scs.SessionManager
	router   *mux.Router
	csrf     *http.CrossOriginProtection
	proxies  []netip.Prefix

	logins, opens, checks, resolves, proofs *limiter // per client address
	changes                                 *limiter // of the DID in a record, per learner

	places, resolvePlaces places // of what strangers have checked, and have resolved
}

// Handler serves n. Who may call a route stands on its line: anyone, or somebody
// whose browser session or token has the role.
func Handler(n *node.Node, o Options) http.Handler {
	s := newServer(n, o)
	r := s.router
	get := func(path string, h http.Handler) { r.Handle(path, s.logged(s.guarded(h))).Methods("GET", "HEAD") }
	post := func(path string, h http.Handler) { r.Handle(path, s.logged(s.guarded(h))).Methods("POST") }
	open := func(path string, h http.Handler) { r.Handle(path, s.logged(s.headed(h))).Methods("POST") } // to pages of other sites too

	// For programs. Anyone. Routes are tried in this order, so the first is the one that
	// is asked for most.
	get("/credentials/{id}", s.anyProgram(s.hosted)) // a page to browsers
	get("/receipt-checker.html", s.anyProgram(s.receiptChecker))
	get("/receipt-checker.js", s.anyProgram(s.receiptChecker))
	get("/healthz", s.anyProgram(s.health))
	get("/readyz", s.anyProgram(s.ready))
	get("/p/{publisher}/did.json", s.anyProgram(s.didDocument))
	get("/p/{publisher}/did.jsonl", s.anyProgram(s.didLog))      // of the did:webvh
	get("/p/{publisher}/issuer", s.anyProgram(s.issuerDocument)) // the same for who resolves no DIDs
	get("/p/{publisher}/keys/{key}", s.anyProgram(s.keyDocument))
	get("/.well-known/did.json", s.anyProgram(s.rootDocument)) // these four by the host that was asked
	get("/.well-known/did.jsonl", s.anyProgram(s.rootLog))
	get("/.well-known/jwks.json", s.anyProgram(s.keySet))
	get(vc.DIDConfigPath, s.anyProgram(s.didConfig))
	get("/.well-known/clrnode", s.anyProgram(s.self))
	get("/credentials/{id}/{n:[0-9]+}", s.anyProgram(s.hostedVersion))
	get("/credentials/{id}/{n:[0-9]+}/anchor", s.anyProgram(s.hostedReceipt))
	get("/anchors/{digest}", s.anyProgram(s.receipt)) // whoever knows the digest has the record, or it is published
	get("/anchors/{chain}/{digest}", s.anyProgram(s.receipt))
	get("/status/{list}", s.anyProgram(s.statusList))
	get("/1.0/identifiers/{did:.*}", s.resolving(s.identifier)) // DID Resolution
	open("/1.0/identifiers/{did:.*}", s.resolving(s.identifier))
	open("/v1/verify", s.limited(s.checks, s.placed(maxCredential, s.anyProgram(s.verifyJSON))))

	// The VC-API. Anyone verifies; a publisher's token for issuing, or in developer mode
	// anyone on this machine, issues and sets a status.
	get("/vc-api/issuers/{profile}", s.vcAPI(s.vcIssuer))
	post("/vc-api/issuers/{profile}/credentials/issue", s.issuing(s.vcIssue))
	post("/vc-api/credentials/status", s.issuing(s.vcStatus))
	post("/vc-api/credentials/verify", s.vcChecking(s.vcVerify))
	post("/vc-api/presentations/verify", s.vcChecking(s.vcVerifyPresentation))

	// The wallet that scanned a learner's challenge.
	get("/vc-api/exchanges/{challenge}", s.limited(s.opens, s.anyProgram(s.exchange))) // a page to browsers
	open("/vc-api/exchanges/{challenge}", s.limited(s.proofs, s.placed(maxAnswer, s.anyProgram(s.answerExchange))))

	// For programs with a publisher's token.
	post("/v1/publishers/{publisher}/imports", s.token(node.ScopeImport, s.importFile))
	post("/v1/publishers/{publisher}/issue", s.token(node.ScopeIssue, s.issueRecords))
	get("/v1/publishers/{publisher}/keys/{key}/credentials", s.token(node.ScopeIssue, s.signedJSON))
	get("/v1/imports/{id}", s.token(node.ScopeImport, s.importState))
	get("/v1/jobs/{id}", s.token(node.ScopeIssue, s.jobState))

	// Pages. Anyone.
	get("/", s.anyone(s.landing))
	get("/assets/{file}", s.anyProgram(s.asset))
	get("/verify", s.anyone(s.verifyForm))
	post("/verify", s.limited(s.checks, s.placed(maxForm, s.anyone(s.verify))))
	get("/in", s.anyone(s.in))
	get("/in/{ticket}", s.anyone(s.peekLogin)) // uses nothing up: mail scanners open links
	post("/in/{ticket}", s.limited(s.logins, s.anyone(s.takeLogin)))
	post("/out", s.anyone(s.out))
	get("/s/{secret}", s.limited(s.opens, s.anyone(s.share))) // bytes to programs
	post("/s/{secret}", s.limited(s.opens, s.anyone(s.openShare)))

	// Pages of a publisher: its registrar and IT.
	get("/p/{publisher}", s.publisher(s.overview))
	get("/p/{publisher}/learners", s.publisher(s.learners))
	get("/p/{publisher}/learners/{learner}", s.publisher(s.learner))
	get("/p/{publisher}/learners/{learner}/revoke", s.publisher(s.revokeForm))
	post("/p/{publisher}/learners/{learner}/revoke", s.publisher(s.revoke))
	get("/p/{publisher}/learners/{learner}/achievements/{achievement}/revoke", s.publisher(s.revokeForm))
	post("/p/{publisher}/learners/{learner}/achievements/{achievement}/revoke", s.publisher(s.revoke))
	get("/p/{publisher}/policy", s.publisher(s.policyForm))
	post("/p/{publisher}/policy", s.publisher(s.setPolicy))
	get("/p/{publisher}/keys", s.publisher(s.keysPage))
	post("/p/{publisher}/keys", s.publisher(s.rotateKey))
	post("/p/{publisher}/domain", s.publisher(s.setDomain))
	get("/p/{publisher}/keys/{key}/credentials", s.publisher(s.signedPage))
	get("/p/{publisher}/keys/{key}/revoke", s.publisher(s.revokeKeyForm))
	post("/p/{publisher}/keys/{key}/revoke", s.publisher(s.revokeKey))
	get("/p/{publisher}/conflicts", s.publisher(s.conflicts))
	post("/p/{publisher}/conflicts/{conflict}", s.publisher(s.settle))
	get("/p/{publisher}/import", s.publisher(s.importForm))
	get("/p/{publisher}/import/achievements.csv", s.publisher(s.achievementsTemplate))
	post("/p/{publisher}/import", s.publisher(s.stageImport))
	get("/p/{publisher}/imports/{import}", s.publisher(s.importPage))
	get("/p/{publisher}/imports/{import}/bad.csv", s.publisher(s.badRows))
	get("/p/{publisher}/imports/{import}/events", s.publisher(s.importEvents))
	post("/p/{publisher}/imports/{import}/apply", s.publisher(s.applyImport))
	post("/p/{publisher}/imports/{import}/discard", s.publisher(s.discardImport))
	get("/p/{publisher}/issue", s.publisher(s.issueForm))
	post("/p/{publisher}/issue", s.publisher(s.issue))
	get("/p/{publisher}/issue/{job}", s.publisher(s.jobPage))
	get("/p/{publisher}/issue/{job}/events", s.publisher(s.jobEvents))

	// A page of a publisher that its auditors read too.
	get("/p/{publisher}/anchors", s.auditor(s.anchors))
	post("/p/{publisher}/anchors", s.publisher(s.anchorNow))

	// Pages of a learner.
	get("/me", s.me(s.record))
	get("/me/record.json", s.me(s.download))
	get("/me/receipt.json", s.me(s.downloadReceipt))
	get("/me/record.zip", s.me(s.downloadProofs))
	get("/me/shares", s.me(s.shares))
	post("/me/shares", s.me(s.createShare))
	post("/me/shares/{share}/end", s.me(s.endShare))
	get("/me/identifiers", s.me(s.identifiers))
	get("/me/ownership.json", s.me(s.ownership))
	post("/me/identifiers/named", s.me(s.sparing(s.nameDID)))
	post("/me/identifiers/challenges", s.limited(s.proofs, s.me(s.challenge)))
	get("/me/identifiers/challenges/{challenge}", s.me(s.challengePage))
	post("/me/identifiers/challenges/{challenge}", s.limited(s.proofs, s.placed(maxAnswer, s.me(s.prove))))
	post("/me/identifiers/challenges/{challenge}/confirm", s.me(s.confirmDID))
	post("/me/identifiers/{identifier}/unlink", s.me(s.sparing(s.unlinkDID)))

	// The same for programs that have a learner's session.
	get("/v1/me/identifiers", s.meProgram(s.identifiersJSON))
	get("/v1/me/ownership", s.meProgram(s.ownership))
	post("/v1/me/identifiers", s.limited(s.proofs, s.placed(maxAnswer, s.meProgram(s.linkJSON))))
	post("/v1/me/identifiers/named", s.meProgram(s.sparing(s.nameJSON)))
	post("/v1/me/identifiers/challenges", s.limited(s.proofs, s.meProgram(s.challengeJSON)))
	get("/v1/me/identifiers/challenges/{challenge}", s.meProgram(s.challengeStateJSON))
	post("/v1/me/identifiers/{identifier}/unlink", s.meProgram(s.sparing(s.unlinkJSON)))

	// What programs in pages of other sites may fetch: none of it knows a session.
	for _, path := range []string{
		"/credentials/{id}", "/credentials/{id}/{n:[0-9]+}", "/credentials/{id}/{n:[0-9]+}/anchor", "/anchors/{digest}", "/anchors/{chain}/{digest}", "/status/{list}",
		"/p/{publisher}/did.json", "/p/{publisher}/did.jsonl", "/p/{publisher}/issuer", "/p/{publisher}/keys/{key}",
		"/.well-known/did.json", "/.well-known/did.jsonl", "/.well-known/jwks.json", vc.DIDConfigPath, "/.well-known/clrnode",
		"/1.0/identifiers/{did:.*}", "/v1/verify", "/vc-api/exchanges/{challenge}",
	} {
		r.Handle(path, s.logged(s.headed(http.HandlerFunc(preflight)))).Methods("OPTIONS")
	}

	return front{r}
}

func newServer(n *node.Node, o Options) *server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{
		node: n, log: o.Log, now: o.Now, router: mux.NewRouter(), csrf: http.NewCrossOriginProtection(), proxies: o.TrustedProxies, dev: o.Dev,
		logins:   newLimiter(rate.Every(2*time.Second), 15, o.Now),
		opens:    newLimiter(2, 60, o.Now),
		checks:   newLimiter(1, 40, o.Now),
		resolves: newLimiter(5, 240, o.Now),
		proofs:   newLimiter(1, 40, o.Now),
		changes:  newLimiter(rate.Every(time.Minute), 10, o.Now),
	}
	if u, err := url.Parse(n.PublicURL()); err == nil {
		s.host, s.secure = u.Host, u.Scheme == "https"
		// Behind a TLS front the Host header may be another one.
		if err := s.csrf.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			s.log.Warn("the public URL is no origin", "error", err)
		}
	}
	s.headers = headersOfAll(s.secure)
	s.sessions = newSessions(n.Sessions(), s.secure, s.sessionError)
	s.router.NotFoundHandler = s.logged(s.guarded(s.anyone(s.notFound)))
	s.router.MethodNotAllowedHandler = s.logged(s.guarded(s.anyone(s.notAllowed)))
	return s
}
