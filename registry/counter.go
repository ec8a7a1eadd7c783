package registry

import (
	"errors"
	"math/rand/v2"
	"strconv"
)

var tableCounters = Table{Name: "counters"}

// counterShards is over how many rows one counter is spread, so that writers at
// the same time seldom meet. One transaction counts in one of them.
const counterShards = 8

type counter struct {
	Value int64 `json:"value"`
}

// Count adds delta to the publisher's counter of that name. Counters live in the
// transaction that makes them true, so they are never off.
func (tx *Tx) Count(publisher, name string, delta int64) error {
	if delta == 0 {
		return nil
	}
	if tx.shard == "" {
		tx.shard = strconv.Itoa(rand.IntN(counterShards))
	}
	c, err := get[counter](tx, tableCounters, publisher, name, tx.shard)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	c.Value += delta
	return put(tx, tableCounters, c, publisher, name, tx.shard)
}

// CountersAhead says that several of the publisher's counters will be read next.
func (tx *Tx) CountersAhead(publisher string) {
	tx.docs.Ahead(tableCounters, []string{prefixOf(publisher)})
}

// Counter is the sum of all that was counted under that name.
func (tx *Tx) Counter(publisher, name string) (int64, error) {
	shards, err := list[counter](tx, tableCounters, prefixOf(publisher, name), "", 0)
	var sum int64
	for _, c := range shards {
		sum += c.Value
	}
	return sum, err
}
