package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"clrnode/node"
	"clrnode/testnet/wallet"
	"clrnode/vc"
)

// sendJSON sends a body as a program does that has a session.
func sendJSON(t testing.TB, b *browser, path string, body any) (int, object) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return readJSON(t, b.do("POST", path, strings.NewReader(string(raw)), map[string]string{"Content-Type": "application/json"}))
}

func readJSON(t testing.TB, a answer) (int, object) {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%d, which is no JSON: %s", a.status, a.body)
	}
	if isProblem := a.header.Get("Content-Type") == "application/problem+json"; isProblem != (a.status >= 400) {
		t.Errorf("%d as %s: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	return a.status, o
}

// Programs link, name and unlink in a learner's session; what is wrong is a problem
// document, and nothing of anybody else's is reached.
func TestIdentifiersForPrograms(t *testing.T) {
	s := filledSite(t)
	b := s.as(node.RoleLearner, "ada")
	_, c := sendJSON(t, b, "/v1/me/identifiers/challenges", object{"method": "presentation"})
	w := wallet.New(t)
	sign := func(c object, form vc.Form) string {
		return string(w.Present(form, c["challenge"].(string), c["domain"].(string)))
	}
	status, l := sendJSON(t, b, "/v1/me/identifiers", object{"challenge": c["challenge"], "presentation": json.RawMessage(sign(c, vc.FormRDFC))})
	if status != http.StatusCreated || l["did"] != w.DID || l["named"] != true || l["job"] == nil {
		t.Fatalf("a presentation gave %d %v", status, l)
	}
	if status, again := sendJSON(t, b, "/v1/me/identifiers", object{"challenge": c["challenge"], "presentation": sign(c, vc.FormJWT)}); status != http.StatusUnprocessableEntity || !strings.Contains(fmt.Sprint(again["detail"]), "was used") {
		t.Errorf("the same challenge gave %d %v", status, again)
	}
	a := wallet.NewAccount(t)
	_, c = sendJSON(t, b, "/v1/me/identifiers/challenges", object{"method": "ethereum", "did": "eip155:1:" + strings.ToLower(a.Address())})
	text := c["message"].(string)
	if status, e := sendJSON(t, b, "/v1/me/identifiers", object{"challenge": c["challenge"], "message": text, "signature": a.Sign(text)}); status != http.StatusCreated || e["did"] != "did:pkh:eip155:1:"+a.Address() || e["named"] != false {
		t.Errorf("a wallet's signature gave %d %v", status, e)
	}
	if status, n := sendJSON(t, b, "/v1/me/identifiers/named", object{"identifier": ""}); status != http.StatusOK || n["named"] != false {
		t.Errorf("naming none gave %d %v", status, n)
	}
	list := func(b *browser) []any {
		t.Helper()
		_, o := readJSON(t, b.do("GET", "/v1/me/identifiers", nil, nil))
		return o["identifiers"].([]any)
	}
	if all := list(b); len(all) != 2 || all[0].(map[string]any)["named"] != false {
		t.Errorf("the list is %v", all)
	}

	zoe := s.as(node.RoleLearner, "zoe")
	id := l["id"].(string)
	for path, body := range map[string]object{"/v1/me/identifiers/" + id + "/unlink": {}, "/v1/me/identifiers/named": {"identifier": id}} {
		if status, o := sendJSON(t, zoe, path, body); status != http.StatusNotFound {
			t.Errorf("somebody else's %s gave %d %v", path, status, o)
		}
		if status, o := sendJSON(t, s.browser(), path, body); status != http.StatusUnauthorized {
			t.Errorf("nobody's %s gave %d %v", path, status, o)
		}
	}
	if len(list(zoe)) != 0 {
		t.Error("Zoe has Ada's identifiers")
	}
	if status, o := sendJSON(t, b, "/v1/me/identifiers/"+id+"/unlink", object{}); status != http.StatusOK || len(list(b)) != 1 {
		t.Errorf("unlinking gave %d %v", status, o)
	}

	for name, c := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"no object": {"", []any{}, 400}, "an unknown member": {"", object{"challenge": "x", "vp": "y"}, 400}, "no text": {"", object{"challenge": 7}, 400},
		"nothing": {"", object{}, 422}, "another way": {"/challenges", object{"method": "password"}, 422}, "no account": {"/challenges", object{"method": "ethereum"}, 422},
		"a network that isn't known": {"/challenges", object{"method": "ethereum", "did": "did:ethr:" + a.Address()}, 503}, "far too long": {"", object{"challenge": strings.Repeat("x", 300<<10)}, 413},
	} {
		if status, o := sendJSON(t, b, "/v1/me/identifiers"+c.path, c.body); status != c.status {
			t.Errorf("%s gave %d %v, want %d", name, status, o, c.status)
		}
	}
	if r := b.do("POST", "/v1/me/identifiers", strings.NewReader("{}"), map[string]string{"Content-Type": "text/plain"}); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("text gave %d", r.status)
	}
	if r := b.do("POST", "/v1/me/identifiers", strings.NewReader("{}"), map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}); r.status != http.StatusForbidden {
		t.Errorf("another site's page gave %d", r.status)
	}
	// Each change signs the record anew: they are bounded.
	for range 12 {
		status, _ = sendJSON(t, b, "/v1/me/identifiers/named", object{"identifier": ""})
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("a dozen changes: %d", status)
	}
	if log := s.logs.String(); strings.Contains(log, fmt.Sprint(c["challenge"])) || strings.Contains(log, w.DID) {
		t.Error("a challenge or an identifier stands in the log")
	}
}

// A wallet scans the code, follows the exchange, and the learner says yes on the page.
func TestAWalletScans(t *testing.T) {
	s := filledSite(t)
	b := s.as(node.RoleLearner, "ada")
	at := b.post("/me/identifiers/challenges", url.Values{"method": {"presentation"}}).header.Get("Location")
	page := b.get(at)
	_, rest, _ := strings.Cut(page.body, `id="scan" readonly value="`)
	code, _, _ := strings.Cut(rest, `"`)
	if page.status != http.StatusOK || !strings.HasPrefix(code, s.url+"/vc-api/exchanges/") || !strings.HasSuffix(code, "?iuv=1") || !strings.Contains(page.body, `<svg class="qr"`) {
		t.Fatalf("%s gave %d, and the code %q", at, page.status, code)
	}
	stranger := s.browser()
	if r := stranger.get(code); r.status != http.StatusOK || !strings.Contains(r.body, "wallet app") || strings.Contains(r.body, "Ada") {
		t.Errorf("a camera's browser sees %d %s", r.status, r.body)
	}
	_, protocols := readJSON(t, stranger.do("GET", code, nil, map[string]string{"Accept": "application/json"}))
	exchange := protocols["protocols"].(map[string]any)["vcapi"].(string)
	_, o := sendJSON(t, stranger, exchange, object{})
	request := o["verifiablePresentationRequest"].(map[string]any)
	if request["domain"] != s.url {
		t.Errorf("the request is %v", request)
	}
	w := wallet.New(t)
	if status, o := sendJSON(t, stranger, exchange, object{"verifiablePresentation": string(w.Present(vc.FormJWT, "another", s.url))}); status != http.StatusUnprocessableEntity {
		t.Errorf("another challenge gave %d %v", status, o)
	}
	good := object{"verifiablePresentation": json.RawMessage(w.Present(vc.FormJCS, request["challenge"].(string), s.url))}
	if status, o := sendJSON(t, stranger, exchange, good); status != http.StatusOK || len(o) != 0 {
		t.Fatalf("the answer gave %d %v", status, o)
	}
	if status, _ := sendJSON(t, stranger, exchange, good); status != http.StatusUnprocessableEntity {
		t.Errorf("a second answer gave %d", status)
	}
	if status, o := readJSON(t, b.do("GET", "/v1"+at, nil, nil)); status != http.StatusOK || o["answered"] != w.DID {
		t.Errorf("the state is %d %v", status, o)
	}
	if r := s.as(node.RoleLearner, "zoe").post(at+"/confirm", nil); r.status != http.StatusUnprocessableEntity {
		t.Errorf("somebody else's yes gave %d", r.status)
	}
	if r := b.get(at); !strings.Contains(r.body, w.DID) || !strings.Contains(r.body, "Yes, link it") {
		t.Errorf("the page asks for no yes: %s", r.body)
	}
	if r := b.post(at+"/confirm", nil); r.status != http.StatusSeeOther {
		t.Fatalf("the yes gave %d %s", r.status, r.body)
	}
	if r := b.get("/me/identifiers"); !strings.Contains(r.body, w.DID) || !strings.Contains(r.body, "named in your record") {
		t.Errorf("the list lacks it: %s", r.body)
	}
	for _, over := range []string{at, exchange} {
		if r := b.get(over); r.status != http.StatusSeeOther && r.status != http.StatusNotFound {
			t.Errorf("what is over, %s, gave %d", over, r.status)
		}
	}
}

// injected is a wallet as an extension puts it into each page: it answers when the test
// has signed what was asked.
const injected = `(() => {
	const provider = { asked: [], request({ method, params }) {
		if (method === "eth_requestAccounts") return Promise.resolve(["%s"]);
		if (method === "eth_chainId") return Promise.resolve("0x89");
		return new Promise((resolve, reject) => this.asked.push({ method, params, resolve, reject }));
	} };
	window.ethereum = provider;
	const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info: { uuid: "1", name: "Test Wallet", icon: "", rdns: "example.test" }, provider }) }));
	addEventListener("eip6963:requestProvider", announce);
	announce();
})()`

// The pages in a browser: a wallet in it signs, by the keyboard; one elsewhere answers
// while the page waits; and without scripts a signature is pasted.
func TestIdentifiersInABrowser(t *testing.T) {
	s := filledSite(t)
	a := wallet.NewAccount(t)
	b := newTab(t, s, newBrowser(t))
	both := func(name string) {
		t.Helper()
		for _, width := range []int64{1280, 320} {
			b.width(width)
			b.look(fmt.Sprintf("%s-%d", name, width))
		}
	}
	b.enter(node.RoleLearner, "ada")
	b.open("/me/identifiers")
	time.Sleep(200 * time.Millisecond) // a button would come by now
	if shown := b.script(`[...document.querySelectorAll("[data-wallets] button")].map(e => e.textContent).join()`); shown != "" {
		t.Errorf("a browser without a wallet has the buttons %q", shown)
	}
	b.wants("Link one")
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(injected, strings.ToLower(a.Address()))})
	b.open("/me")
	b.wants("Your identifiers")
	b.open("/me/identifiers")
	both("identifiers-none")
	buttons := func() string {
		return b.script(`[...document.querySelectorAll("[data-wallets] button")].map(e => e.textContent).join()`)
	}
	s.wait("the wallet's button", func() bool { return buttons() != "" })
	time.Sleep(200 * time.Millisecond) // a second button would come by now
	if got := buttons(); got != "Use Test Wallet" {
		t.Errorf("the wallet's buttons are %q", got)
	}
	b.press(`[data-wallets] button`)
	b.wants("Sign with your wallet", "- did:pkh:eip155:137:"+a.Address(), "I control this identifier")
	both("identifiers-sign")

	asked := func() string {
		t.Helper()
		s.wait("the wallet is asked", func() bool { return b.script(`String(window.ethereum.asked.length)`) == "1" })
		return b.script(`window.ethereum.asked[0].method + " " + window.ethereum.asked[0].params[1] + " " + new TextDecoder().decode(Uint8Array.from(window.ethereum.asked[0].params[0].slice(2).match(/../g), h => parseInt(h, 16)))`)
	}
	b.do(chromedp.Focus(`[data-wallets] button`), chromedp.SendKeys(`[data-wallets] button`, "\r"))
	asked()
	b.script(`window.ethereum.asked.pop().reject({ code: 4001, message: "rejected" }), ""`)
	b.waitFor("You said no in your wallet")
	b.do(chromedp.Focus(`[data-wallets] button`), chromedp.SendKeys(`[data-wallets] button`, "\r"))
	text, ok := strings.CutPrefix(asked(), "personal_sign "+strings.ToLower(a.Address())+" ")
	if !ok || !strings.Contains(text, "localhost") {
		t.Fatalf("the wallet was asked to %q", text)
	}
	b.script(fmt.Sprintf(`window.ethereum.asked.pop().resolve(%q), ""`, a.Sign(text)))
	b.waitFor("Linked.")
	b.wants("did:pkh:eip155…"+a.Address()[34:], "named in your record", "Ethereum wallet")

	// A wallet elsewhere: the page notices by itself.
	b.press(`form.card [name=method][value=presentation] ~ button`)
	b.wants("Scan it", "Waiting for your wallet")
	both("identifiers-scan")
	nonce := b.script(`document.getElementById("scan").value.split("/").pop().split("?")[0]`)
	w := wallet.New(t)
	if err := s.node.AnswerDIDChallenge(context.Background(), nonce, w.Present(vc.FormRDFC, nonce, s.url)); err != nil {
		t.Fatal(err)
	}
	b.waitFor("A wallet has answered")
	both("identifiers-answered")
	b.press(`main form button`)
	b.wants("Linked.", w.DID[:12])
	both("identifiers-two")
	b.press(`section:nth-of-type(2) form button`)
	b.wants("signed again")
	b.press(`section:nth-of-type(1) form:nth-of-type(2) button`)
	b.wants("Unlinked.")

	// Without scripts.
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open("/me/identifiers")
	b.press(`form.card [name=method][value=presentation] ~ button`)
	nonce = b.script(`document.getElementById("scan").value.split("/").pop().split("?")[0]`)
	b.do(chromedp.SendKeys("#presentation", "nothing"))
	b.press(`form.card button.wide`)
	b.wants("This needs a change")
	both("identifiers-refused")
	b.do(chromedp.SetValue("#presentation", string(wallet.New(t).Present(vc.FormJWT, nonce, s.url))))
	b.press(`form.card button.wide`)
	b.wants("Linked.")
	b.do(chromedp.SendKeys("#did", a.Address()))
	b.press(`#by-account button.wide`)
	b.wants("The text to sign")
	text = b.script(`document.getElementById("text").textContent`)
	b.script(`document.querySelector("details").open = true, ""`)
	b.do(chromedp.SetValue("#signature", a.Sign(text)))
	b.press(`details button.wide`)
	b.wants("Linked.")
	b.open("/me/identifiers")
	b.do(chromedp.SendKeys("#did", "0x12"))
	b.press(`#by-account button.wide`)
	b.wants("This needs a change", "0x and 40 hexadecimal digits")
}
