package registry

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// WriteReport writes the import's bad rows as CSV: file, line, column, value,
// reason, fix. Cells that a spreadsheet would take for a formula are neutralised
// by an apostrophe. If there are more than are kept, the last row says how many.
func (i Import) WriteReport(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"file", "line", "column", "value", "reason", "fix"})
	for _, b := range i.Bad {
		line := ""
		if b.Line > 0 {
			line = strconv.Itoa(b.Line)
		}
		c.Write([]string{SafeCell(b.File), line, SafeCell(b.Column), SafeCell(b.Value), SafeCell(b.Reason), SafeCell(b.Fix)})
	}
	if more := i.Counts.Bad - len(i.Bad); more > 0 {
		c.Write([]string{"", "", "", "", strconv.Itoa(more) + " more rows are bad", "Fix these first."})
	}
	c.Flush()
	return c.Error()
}

// SafeCell is s as it may stand in a CSV that a spreadsheet opens: what would be a
// formula begins with an apostrophe (OWASP, CSV injection).
func SafeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(s[0])) {
		return "'" + s
	}
	return s
}
