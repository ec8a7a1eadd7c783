package registry

import (
	"errors"
	"time"

	"clrnode/anchor"
)

// How batches stand on a second chain, and up to which all of a publisher's are final there.
var (
	tableAlso     = Table{Name: "batches_also"}
	tableAlsoDone = Table{Name: "batches_also_done"}
)

// BatchAlso is a batch as it stands on the second chain; ErrNotFound where there is no
// such batch at all.
func (tx *Tx) BatchAlso(publisher string, number int) (Batch, error) {
	b, err := get[Batch](tx, tableAlso, publisher, batchKey(number))
	if !errors.Is(err, ErrNotFound) {
		return b, err
	}
	b, err = tx.Batch(publisher, number)
	b.Tx, b.Signed, b.Hashes, b.State, b.Chain, b.Trouble = nil, time.Time{}, nil, anchor.State{Phase: anchor.Pending}, anchor.Chain{}, ""
	return b, err
}

// PutBatchAlso writes how b stands on the second chain.
func (tx *Tx) PutBatchAlso(b Batch) error {
	done, err := tx.DoneAlso(b.Publisher)
	if err != nil {
		return err
	}
	now := done
	switch final := b.State.Phase == anchor.Final; {
	case final && b.Number == done+1:
		if now, err = tx.finalAlso(b.Publisher, b.Number); err != nil {
			return err
		}
	case !final && b.Number <= done: // a chain may go back
		now = b.Number - 1
	}
	if now != done {
		err = put(tx, tableAlsoDone, VersionRef{b.Publisher, now}, b.Publisher)
	}
	return errors.Join(err, put(tx, tableAlso, b, b.Publisher, batchKey(b.Number)))
}

// finalAlso is up to which number all batches after this one, too, are final on the second
// chain: a chain may lose one and keep newer ones.
func (tx *Tx) finalAlso(publisher string, number int) (int, error) {
	for {
		next, err := tx.BatchAlso(publisher, number+1)
		if errors.Is(err, ErrNotFound) {
			return number, nil
		}
		if err != nil || next.State.Phase != anchor.Final {
			return number, err
		}
		number++
	}
}

// DoneAlso tells up to which number all of a publisher's batches are final on the second
// chain.
func (tx *Tx) DoneAlso(publisher string) (int, error) {
	ref, err := get[VersionRef](tx, tableAlsoDone, publisher)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return ref.Number, err
}

// OpenBatchAlso is a publisher's oldest batch that isn't final on the second chain, if
// there is one. They go there one after the other, as they went to the first.
func (tx *Tx) OpenBatchAlso(publisher string) (b Batch, ok bool, err error) {
	done, err := tx.DoneAlso(publisher)
	if err != nil {
		return b, false, err
	}
	last, err := tx.lastBatch(publisher)
	if err != nil || done >= last {
		return b, false, err
	}
	b, err = tx.BatchAlso(publisher, done+1)
	return b, err == nil, err
}
