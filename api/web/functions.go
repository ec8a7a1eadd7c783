package web

import (
	"fmt"
	"html/template"
	"path"
	"strconv"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/vc"
)

// functions are what templates may call. They format; they decide nothing.
var functions = template.FuncMap{
	"asset":    assetURL,
	"icon":     icon,
	"date":     date,
	"moment":   moment,
	"num":      number,
	"many":     many,
	"cut":      cut,
	"kind":     outcomeClass,
	"words":    Words,
	"qr":       qr,
	"error":    func(p Page, field string) string { return p.ErrorFor(field) },
	"inc":      func(n int) int { return n + 1 },
	"depth":    func(finality string) int { return after(finality, "depth:") },
	"tag":      func(finality string) string { t, _ := strings.CutPrefix(finality, "tag:"); return t },
	"tail":     path.Base,
	"hash":     func(url string) string { _, after, _ := strings.Cut(url, "#"); return after },
	"trouble":  trouble,
	"hostless": func(url string) string { _, after, _ := strings.Cut(url, "://"); return after },
}

// after is the number behind a prefix, -1 if there is none.
func after(s, prefix string) int {
	rest, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.Atoi(rest)
	if !ok || err != nil {
		return -1
	}
	return n
}

// shapes are the icons: each verdict has a shape of its own, so that it is told
// without colour. They are hidden from screen readers; a word stands beside.
var shapes = map[string]string{
	"ok":      `<circle cx="12" cy="12" r="10.5" fill="none" stroke="currentColor" stroke-width="2.2"/><path d="m7 12.4 3.5 3.6L17 8.6" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/>`,
	"failed":  `<path d="M7.8 1.6h8.4l6.2 6.2v8.4l-6.2 6.2H7.8l-6.2-6.2V7.8z" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round"/><path d="m8 8 8 8m0-8-8 8" stroke="currentColor" stroke-width="2.6" stroke-linecap="round"/>`,
	"unsure":  `<rect x="2" y="2" width="20" height="20" rx="2" fill="none" stroke="currentColor" stroke-width="2.2"/><path d="M8.8 9.2a3.2 3.2 0 1 1 4.6 2.9c-1 .5-1.4 1-1.4 2.1" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/><circle cx="12" cy="17.6" r="1.5" fill="currentColor"/>`,
	"warning": `<path d="M12 2 23 21.5H1z" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round"/><path d="M12 9v5.4" stroke="currentColor" stroke-width="2.6" stroke-linecap="round"/><circle cx="12" cy="18" r="1.5" fill="currentColor"/>`,
	"mark":    `<rect x="3" y="2" width="18" height="20" rx="3" fill="none" stroke="currentColor" stroke-width="2"/><path d="M7 7h10M7 11h6" stroke="currentColor" stroke-width="2" stroke-linecap="round"/><circle cx="15.5" cy="16" r="3.6" fill="currentColor"/><path d="m13.9 16 1.2 1.2 2.1-2.3" fill="none" stroke="var(--paper, #fff)" stroke-width="1.3" stroke-linecap="round" stroke-linejoin="round"/>`,
	"down":    `<path d="M12 3v13m-5-5 5 5 5-5M4 21h16" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>`,
}

func icon(name any) template.HTML {
	n := fmt.Sprint(name)
	if o, ok := name.(vc.Outcome); ok {
		n = outcomeClass(o)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + shapes[n] + `</svg>`)
}

// outcomeClass is the class and the icon of an outcome.
func outcomeClass(o vc.Outcome) string {
	switch o {
	case vc.OK:
		return "ok"
	case vc.Failed:
		return "failed"
	case vc.Warning:
		return "warning"
	}
	return "unsure"
}

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

func day(t time.Time) string {
	return fmt.Sprintf("%d %s %d", t.Day(), months[t.Month()-1], t.Year())
}

// date writes a day as "15 May 2026", in UTC as the record has it.
func date(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.DateOnly) + `">` + day(t) + `</time>`)
}

// moment writes a day and a time of day, with its zone.
func moment(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + day(t) + `, ` + t.Format("15:04") + ` UTC</time>`)
}

// trouble says in plain words why anchoring stands still: of what a node notes for whoever
// runs it, which names calls and hashes.
func trouble(noted string) string {
	switch {
	case strings.Contains(noted, anchor.ErrFeeLimit.Error()):
		return "The chain asks for higher fees than this node may pay (--max-fee). It goes on by itself when they fall; whoever runs the node can allow more."
	case strings.Contains(noted, anchor.ErrCouldNotCheck.Error()):
		return "The chain gives no answer, or none that fits together. It goes on by itself when the chain is back; if it stays away, tell whoever runs this node."
	case strings.Contains(noted, "0x") || noted == "":
		return "The chain doesn’t take what is sent to it: whoever runs this node has to look into it."
	}
	return strings.ToUpper(noted[:1]) + strings.TrimSuffix(noted[1:], ".") + "."
}

// number writes a whole number with a comma at the thousands.
func number(v any) string {
	s := fmt.Sprint(v)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// many writes a number and its noun in the right form: 1 record, 2 records.
func many(n any, one, more string) string {
	if fmt.Sprint(n) == "1" {
		return "1 " + one
	}
	return number(n) + " " + more
}

// cut shortens a long identifier in its middle.
func cut(v any) string {
	s := fmt.Sprint(v)
	if r := []rune(s); len(r) > 28 {
		return string(r[:14]) + "…" + string(r[len(r)-8:])
	}
	return s
}

// Words makes people's words of a term of the standard: BachelorDegree becomes
// "Bachelor degree".
func Words(term string) string {
	term = strings.TrimPrefix(term, "ext:")
	var b strings.Builder
	for i, r := range term {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	switch s := b.String(); s {
	case "Co curricular":
		return "Co-curricular"
	default:
		return s
	}
}
