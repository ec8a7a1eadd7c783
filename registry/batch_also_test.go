package registry

import (
	"testing"
	"time"

	"clrnode/anchor"
)

// Up to which batch all are final on the second chain goes forward batch by batch, and goes
// back only with a batch that isn't final any more.
func TestBatchesOnASecondChain(t *testing.T) {
	w := newWaitingRoom(t, "badger")
	for range 3 {
		w.issue(1, time.Second)
		seal(t, w.db)
	}
	for _, step := range []struct {
		number int
		phase  anchor.Phase
		done   int
	}{
		{1, anchor.Mined, 0}, {1, anchor.Final, 1}, {2, anchor.Final, 2}, {3, anchor.Submitted, 2}, {3, anchor.Final, 3},
		{1, anchor.Final, 3}, // written again
		{3, anchor.Pending, 2}, {2, anchor.Pending, 1}, {3, anchor.Mined, 1}, {2, anchor.Final, 2}, {3, anchor.Final, 3},
		{1, anchor.Pending, 0}, {1, anchor.Final, 3}, // and newer ones stayed
	} {
		update(t, w.db, func(tx *Tx) error {
			b, err := tx.BatchAlso("pub", step.number)
			if err != nil {
				return err
			}
			b.State.Phase = step.phase
			return tx.PutBatchAlso(b)
		})
		view(t, w.db, func(tx *Tx) error {
			done, err := tx.DoneAlso("pub")
			if err != nil || done != step.done {
				t.Errorf("batch %d is %s, and all up to %d are final, %v; want %d", step.number, step.phase, done, err, step.done)
			}
			b, ok, err := tx.OpenBatchAlso("pub")
			if open := step.done < 3; err != nil || ok != open || open && b.Number != step.done+1 {
				t.Errorf("batch %d is %s, and the oldest that isn't final is %d, %t, %v", step.number, step.phase, b.Number, ok, err)
			}
			return nil
		})
	}
}
