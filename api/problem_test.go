package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"clrnode/registry"
)

// While the database is away or its disk is full, whoever asks is told so, and the
// operator too; nobody is told that a thing isn't there, or that the node is at fault.
func TestProblemOfAnAbsentDatabase(t *testing.T) {
	for err, says := range map[error]string{
		registry.ErrUnavailable: "database is not available, and nothing was changed",
		registry.ErrUncertain:   "Look before you try again",
		registry.ErrDiskFull:    "disk is nearly full, and nothing was changed",
	} {
		p, logged := problemOf(fmt.Errorf("share ticket: %w", err))
		if p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Detail, says) || !logged {
			t.Errorf("problemOf(%v) = %+v, logged %v; want 503, %q, logged", err, p, logged, says)
		}
	}
}
