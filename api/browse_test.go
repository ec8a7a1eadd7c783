package api

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"clrnode/api/web"
	"clrnode/node"
)

const chromium = "/usr/bin/chromium"

// A tab is a page in a real browser, with all that went wrong in it.
type tab struct {
	t    *testing.T
	site *site
	ctx  context.Context

	mu    sync.Mutex
	wrong []string
}

// chrome is the one Chromium of all tests, started with an empty profile by the
// first that wants it.
var chrome = sync.OnceValues(func() (context.Context, context.CancelFunc) {
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, cancel := chromedp.NewContext(ctx)
	chromeStarted = true
	return ctx, func() { cancel(); stop() }
})

var chromeStarted bool

func TestMain(m *testing.M) {
	code := m.Run()
	if chromeStarted {
		_, stop := chrome()
		stop()
	}
	os.Exit(code)
}

// newBrowser is a window of its own, with cookies of its own.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIP: no real browser with -short")
	}
	if _, err := os.Stat(chromium); err != nil {
		t.Skip("SKIP: there is no " + chromium + ", so no page was opened in a real browser")
	}
	ctx, _ := chrome()
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatalf("start the browser: %v", err)
	}
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newTab is a tab that notes every error, refused content and foreign request.
func newTab(t *testing.T, s *site, ctx context.Context) *tab {
	t.Helper()
	b := &tab{t: t, site: s, ctx: ctx}
	b.do()
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			bad := m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning
			if bad && !strings.Contains(m.Text, "status of 4") { // a page that says what is wrong
				b.note(m.Text)
			}
		}
	}()
	go func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			if u := r.Request.URL; !strings.HasPrefix(u, s.url) && !strings.HasPrefix(u, "about:") && !strings.HasPrefix(u, "data:") { // the browser's own icons
				b.note("request to " + u)
			}
		}
	}()
	return b
}

func (b *tab) note(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, s)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// call sends a command whose answer is of no interest.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return r
}

// script is the string that an expression gives in the page. Pages with progress
// reload themselves, and one may do so in the middle of it.
func (b *tab) script(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	for range 50 {
		if err == nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context") {
			break
		}
		time.Sleep(100 * time.Millisecond)
		s, err = chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	}
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return s
}

func (b *tab) width(px int64) {
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: px, Height: 800, DeviceScaleFactor: 1, Mobile: px < 500})
}

func (b *tab) open(path string) {
	b.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.site.url + path
	}
	b.do(chromedp.Navigate(path), chromedp.WaitReady("main"))
}

// look checks what holds on every page, and takes a picture where CLRNODE_SHOTS
// names a folder.
func (b *tab) look(name string) {
	b.t.Helper()
	overflow := b.script(`(() => {
		const w = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= w) return "";
		return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > w + 1).map(e => e.tagName + "." + e.className).slice(0, 5).join(", ") || "somewhere";
	})()`)
	small := b.script(`[...document.querySelectorAll("button, a.button, a.target, summary, nav a, input:not([type=hidden], [type=checkbox], [type=radio]), .tick")]
		.filter(e => e.offsetParent && !e.closest(".skip, .sr, [readonly]") && e.getBoundingClientRect().height < 43.5).map(e => e.tagName + " " + e.textContent.trim().slice(0, 30) + " " + e.getBoundingClientRect().height).slice(0, 5).join("; ")`)
	if overflow != "" {
		b.t.Errorf("%s: sideways scroll because of %s", name, overflow)
	}
	if small != "" {
		b.t.Errorf("%s: targets under 44 px: %s", name, small)
	}
	b.shoot(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) > 0 {
		b.t.Errorf("%s: %s", name, strings.Join(b.wrong, "; "))
		b.wrong = nil
	}
}

func (b *tab) shoot(name string) {
	dir := os.Getenv("CLRNODE_SHOTS")
	if dir == "" {
		return
	}
	size := call(b, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize
	png := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true),
		Clip: &page.Viewport{Width: size.Width, Height: min(size.Height, 2600), Scale: 1}}).Data
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// enter logs in by a link, with the button.
func (b *tab) enter(role, who string) {
	b.t.Helper()
	link, err := b.site.node.Login(context.Background(), role, b.site.publisher.ID, who)
	if err != nil {
		b.t.Fatal(err)
	}
	b.open(link)
	b.press("main form button")
}

// press presses a button by the keyboard and waits for the next page.
func (b *tab) press(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Focus(selector), chromedp.SendKeys(selector, kb.Enter)); err != nil {
		b.t.Fatalf("press %s: %v", selector, err)
	}
	b.do(chromedp.WaitReady("main"))
}

func (b *tab) text() string {
	b.t.Helper()
	return b.script(`document.querySelector("main")?.innerText ?? ""`)
}

func (b *tab) wants(words ...string) {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("the page lacks %q:\n%s", w, text)
		}
	}
}

func (b *tab) waitFor(words string) {
	b.t.Helper()
	b.site.wait(words, func() bool { return strings.Contains(b.text(), words) })
}

// The screens, wide and narrow, light and dark: no sideways scroll, no error, no
// request to another host.
func TestScreens(t *testing.T) {
	s := filledSite(t)
	ctx := context.Background()
	share, err := s.node.CreateShare(ctx, s.learners["ada"], "Acme Ltd, application", time.Now().AddDate(0, 0, 30), "learner")
	if err != nil {
		t.Fatal(err)
	}
	p := "/p/" + s.publisher.ID
	spring := roster(rosterChange{without: "zoe", badGrades: true, badUser: "minh"})
	staged, err := s.node.StageImport(ctx, s.publisher.ID, "spring.zip", strings.NewReader(string(spring)), int64(len(spring)), "publisher")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.seal()
	}
	for _, e := range web.NewRecord(s.record("dov").Verified).Entries() {
		if _, err := s.node.Revoke(ctx, e.ID, "copied", "publisher"); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ada.json")
	forged := filepath.Join(dir, "forged.json")
	signed := s.record("ada").Signed
	if err := os.WriteFile(file, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(forged, []byte(strings.Replace(string(signed), "First class", "Third class", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(dir, "screenshot.png")
	if err := os.WriteFile(picture, []byte("\x89PNG\r\n\x1a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, s, newBrowser(t))
	b.enter(node.RolePublisher, "")
	b.enter(node.RoleLearner, "ada")
	both := func(name string) {
		for _, width := range []int64{320, 1280} {
			b.width(width)
			b.look(fmt.Sprintf("%s-%d", name, width))
		}
	}
	changed, err := s.node.ChangeKey(ctx, s.publisher.ID, node.KeyChange{Key: s.publisher.Key}, "test")
	if err != nil {
		t.Fatal(err)
	}
	revokeKey := p + "/keys/" + changed.Current.ID + "/revoke"
	link, err := s.node.Login(ctx, node.RoleLearner, s.publisher.ID, "layla")
	if err != nil {
		t.Fatal(err)
	}
	for _, screen := range []struct{ name, path string }{
		{"keys", p + "/keys"}, {"revokekey", revokeKey},
		{"landing", "/"}, {"in", "/in"}, {"ticket", link}, {"overview", p}, {"learners", p + "/learners"}, {"emptied", p + "/learners?show=emptied"}, {"learner", p + "/learners/" + s.learners["ada"]},
		{"learner-rtl", p + "/learners/" + s.learners["layla"]}, {"revoke", p + "/learners/" + s.learners["ada"] + "/revoke"},
		{"conflicts", p + "/conflicts"}, {"import", p + "/import"}, {"dry-run", p + "/imports/" + staged.ID}, {"issue", p + "/issue"},
		{"revoke-achievement", p + "/learners/" + s.learners["ada"] + "/achievements/" + pathOf(s.embedded("ada", "Databases")) + "/revoke"}, {"policy", p + "/policy"},
		{"anchors", p + "/anchors"}, {"me", "/me"}, {"shares", "/me/shares"}, {"identifiers", "/me/identifiers"}, {"cover", share.URL}, {"verify", "/verify"},
		{"hosted", "/credentials/" + s.record("ada").Credential.ID}, {"missing", "/nothing"},
	} {
		b.open(screen.path)
		if screen.name == "learner" {
			b.script(`document.querySelector("main > details").open = true, ""`)
		}
		both(screen.name)
	}
	b.open(p + "/learners/" + s.learners["ada"] + "/revoke")
	if gap := b.script(`(() => { // between the words and the name
		const a = document.querySelector(".crumb a"), words = document.createRange();
		words.setStart(a.firstChild, 0);
		words.setEnd(a.firstChild, a.firstChild.data.trimEnd().length);
		return String(a.querySelector("bdi").getBoundingClientRect().left - words.getBoundingClientRect().right > 2);
	})()`); gap != "true" {
		t.Errorf("the way back has no space before the name: %q", b.script(`document.querySelector(".crumb a").innerText`))
	}
	for name, f := range map[string]string{"valid": file, "forged": forged, "picture": picture} {
		b.open("/verify")
		b.do(chromedp.SetUploadFiles("#file", []string{f}))
		b.press("main form button.wide")
		both(name)
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	for name, path := range map[string]string{"overview": p, "me": "/me", "dry-run": p + "/imports/" + staged.ID} {
		b.open(path)
		b.look(name + "-dark")
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	b.open("/me")
	b.shoot("me-print")
}

// The whole way by the keyboard, once with scripts and once without: import,
// settle, issue, share, open, verify, revoke.
func TestTheWholeWay(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts=%v", scripts), func(t *testing.T) {
			s := newSite(t)
			dir := t.TempDir()
			zip := filepath.Join(dir, "roster.zip")
			if err := os.WriteFile(zip, roster(rosterChange{}), 0o600); err != nil {
				t.Fatal(err)
			}
			b := newTab(t, s, newBrowser(t))
			b.width(320)
			call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
			p := "/p/" + s.publisher.ID
			b.enter(node.RolePublisher, "")

			b.open(p + "/import")
			b.do(chromedp.SetUploadFiles("#file", []string{zip}))
			b.press("main form button.wide")
			b.wants("Nothing is written yet", "roster.zip")
			b.look(fmt.Sprintf("way-dry-run-%v", scripts))
			b.press(`main form button:not([formaction])`)
			b.waitFor("Applied")

			b.open(p + "/conflicts")
			b.wants("Databases")
			b.press(".pick form button")
			b.wants("Settled", "No conflicts")

			b.open(p + "/issue")
			b.look(fmt.Sprintf("way-issue-%v", scripts))
			b.press(`button[name=all]`)
			b.waitFor("Issued 7 records")
			b.look(fmt.Sprintf("way-issued-%v", scripts))

			b.enter(node.RoleLearner, "ada")
			b.wants("Ada Lovell", "Valid", "Databases")
			b.open("/me/shares")
			b.do(chromedp.SendKeys("#note", "Acme"))
			b.press("main form button.wide")
			b.wants("The link is ready")
			link := b.script(`document.querySelector("input[readonly]").value`)

			b.open("/")
			b.press(".top nav form button")
			b.open(link)
			b.wants("Open the record")
			b.press("main form button")
			b.wants("The record of Ada Lovell", "Databases")
			b.look(fmt.Sprintf("way-shared-%v", scripts))
			b.do(chromedp.Reload(), chromedp.WaitReady("main"))

			b.enter(node.RoleLearner, "ada")
			b.open("/me/shares")
			b.wants("Opened 1 time by people,")
			b.look(fmt.Sprintf("way-shares-%v", scripts))

			signed := filepath.Join(dir, "record.json")
			for _, l := range []string{"ada"} {
				found, err := s.node.FindLearner(context.Background(), s.publisher.ID, l)
				if err != nil {
					t.Fatal(err)
				}
				raw, _, err := s.node.Export(context.Background(), found.ID)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(signed, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				b.open("/verify")
				b.do(chromedp.SetUploadFiles("#file", []string{signed}))
				b.press("main form button.wide")
				b.wants("Valid", "Databases")

				b.enter(node.RolePublisher, "")
				b.open(p + "/learners/" + found.ID + "/revoke")
				b.do(chromedp.SendKeys("#reason", "mixed up"))
				b.press("button.danger")
				b.wants("Revoked", "mixed up")
				b.open("/verify")
				b.do(chromedp.SetUploadFiles("#file", []string{signed}))
				b.press("main form button.wide")
				b.wants("Not valid")
				b.look(fmt.Sprintf("way-revoked-%v", scripts))
			}
		})
	}
}
