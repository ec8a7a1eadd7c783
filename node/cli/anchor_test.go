package cli

import (
	"testing"

	"clrnode/anchor"
	"clrnode/registry"
)

// TestStanding: how far a batch came has a name, and only one in a block has a block.
func TestStanding(t *testing.T) {
	tx, block := anchor.Hash{1}, anchor.Hash{2}
	for _, c := range []struct {
		state anchor.State
		want  string
	}{
		{anchor.State{Phase: anchor.Pending}, "1 record, pending, in no block yet"},
		{anchor.State{Phase: anchor.Pending, TxHash: tx}, "1 record, pending, in no block yet"},
		{anchor.State{Phase: anchor.Submitted, TxHash: tx}, "1 record, submitted, in no block yet"},
		{anchor.State{Phase: anchor.Mined, TxHash: tx, BlockHash: block, BlockNumber: 7}, "1 record, block 7, mined, not final yet"},
		{anchor.State{Phase: anchor.Confirmed, TxHash: tx, BlockHash: block, BlockNumber: 7}, "1 record, block 7, confirmed, not final yet"},
		{anchor.State{Phase: anchor.Final, TxHash: tx, BlockHash: block, BlockNumber: 7}, "1 record, block 7, final"},
	} {
		if got := standing(&registry.Batch{Records: 1, State: c.state}); got != c.want {
			t.Errorf("%s: %s; want %s", c.state.Phase, got, c.want)
		}
	}
}
