package vc

import (
	"strings"
	"unicode"

	"clrnode/internal/jcs"
)

// How much of a stranger's text is shown, in runes.
const (
	maxNameShown     = 200
	maxAboutShown    = 1000 // ids, addresses, places
	maxStepShown     = 100  // names of members, in the places of credentials inside
	maxSentenceShown = 2000
	maxReasonShown   = 500 // of a revocation
	maxTypesShown    = 10
)

// Shown is a stranger's text, or an error with one in it, fit for one line on a terminal:
// what moves the cursor, ends the line or changes the direction of writing becomes U+FFFD,
// and what is longer than 2000 characters is cut off.
func Shown(s string) string { return oneLine(s, maxSentenceShown) }

// oneLine makes a text of others fit for a line on a terminal: what moves the cursor,
// ends the line, changes the direction of writing or can't be seen becomes U+FFFD, and
// what is longer than most runes is cut off. The text of a good name stays as it is.
func oneLine(s string, most int) string {
	if len(s) <= most && plain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == most {
			b.WriteRune('…')
			break
		}
		n++
		if misleads(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plain says whether s has nothing but the characters of ASCII that are seen.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// quoted puts a text of others in quotation marks, which it can't close by itself.
func quoted(s string) string { return "“" + noQuotes.Replace(s) + "”" }

var noQuotes = strings.NewReplacer("“", "'", "”", "'")

// misleads says whether a rune does something else than to stand there: C0, C1, DEL,
// line and paragraph separators, and format characters such as bidi overrides and
// isolates. Joiners, of which some scripts and emoji make use, and the number signs of
// Arabic and other scripts, which are seen, are good.
func misleads(r rune) bool {
	switch {
	case r < 0x7f:
		return r < 0x20
	case r == '\u200c' || r == '\u200d',
		r >= '\u0600' && r <= '\u0605', r == '\u06dd', r == '\u070f', r == '\u0890' || r == '\u0891', r == '\u08e2':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// plainText is a name or description as one text: of several languages the first
// (VC Data Model 2.0, 11.1).
func plainText(v *jcs.Value) string {
	items := v.Items()
	for i := range items {
		switch o := &items[i]; {
		case o.Is(jcs.String):
			return o.Text
		case o.Str("@value") != "":
			return o.Str("@value")
		}
	}
	return ""
}
