package node

import (
	"errors"
	"fmt"
	"testing"

	"clrnode/did"
	"clrnode/registry"
)

// A job ends by what is wrong with its work, not by what passes: a full disk may have room
// again before the end of the job can be written down.
func TestPassing(t *testing.T) {
	for err, want := range map[error]bool{
		did.ErrCouldNotSign: true, registry.ErrTakenOver: true, registry.ErrUnavailable: true, registry.ErrUncertain: true, registry.ErrDiskFull: true,
		registry.ErrTooBig: false, errors.New("another"): false,
	} {
		if got := passing(fmt.Errorf("finish: %w", err)); got != want {
			t.Errorf("passing(%v) = %t, want %t", err, got, want)
		}
	}
}
