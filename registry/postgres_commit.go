package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// pgWriteBytes is how much one statement writes, so that none becomes longer than
// the database takes.
const pgWriteBytes = 16 << 20

// What is noted of commits. Each Update writes one row with its documents, so that
// it can be found out whether they were stored. Old rows go in pieces, each of which
// ends in time, however many there are.
const (
	noteCommit  = "INSERT INTO " + pgSchema + ".commits (id, committed) VALUES ($1, true)"
	noteGivenUp = "INSERT INTO " + pgSchema + ".commits (id, committed) VALUES ($1, false) ON CONFLICT (id) DO NOTHING"
	askCommit   = "SELECT committed FROM " + pgSchema + ".commits WHERE id = $1"
	dropCommits = "DELETE FROM " + pgSchema + ".commits WHERE id IN (SELECT id FROM " + pgSchema + ".commits WHERE at < now() - interval '1 hour' ORDER BY at LIMIT 1000)"
)

// commit writes what was gathered, in the order of tables and keys so that two
// commits seldom wait for each other crosswise, and commits: all in one go. Once it
// has been sent, cancelling no longer matters.
func (d *pgDocs) commit() error {
	if !d.begun && len(d.writes.docs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), pgCommitTime)
	defer cancel()
	if d.conn == nil {
		c, err := d.e.acquire(d.ctx)
		if err != nil {
			return err
		}
		d.conn = c
	}
	var b pgx.Batch
	if !d.begun {
		b.Queue(d.begin)
	}
	id := ""
	if len(d.writes.docs) > 0 {
		d.queueWrites(&b)
		id = NewID()
		b.Queue(noteCommit, id)
	}
	b.Queue("COMMIT")
	d.begun = true
	results := d.conn.SendBatch(ctx, &b)
	var err error
	for range b.Len() {
		tag, failed := results.Exec()
		if err = failed; err != nil {
			break
		}
		d.begun = tag.String() != "COMMIT" // the last one's counts
	}
	if ended := results.Close(); err == nil {
		err = ended
	}
	var late error // another try would take as long, and who has to come after it would wait
	if err != nil && ctx.Err() != nil {
		late = &unavailable{fmt.Sprintf("%s does not answer: it took longer than %s to store something. See whether it hangs, or is overloaded. clrnode goes on by itself when it answers", d.e.where, pgCommitTime), err}
	}
	switch {
	case err == nil && d.begun:
		return fmt.Errorf("the database took the writes and didn't commit them; this is a fault of it, or of clrnode")
	case err == nil:
		return nil
	case refused(err):
		return fmt.Errorf("%w: %w", errAgain, d.e.sentence(err))
	case undone(err):
		return d.e.sentence(err)
	case id == "" && late != nil:
		return late
	case id == "":
		if cutOff(err) { // nothing was written, but what was read may not have been serializable
			return fmt.Errorf("%w: %w", errAgain, d.e.sentence(err))
		}
		return d.e.sentence(err)
	}
	d.end()
	asking, stop := context.WithTimeout(context.WithoutCancel(d.ctx), pgCommitTime)
	defer stop()
	committed, unknown := d.e.resolve(asking, id)
	switch {
	case unknown != nil && noRoom(err): // that is why, and why it doesn't come back
		return fmt.Errorf("%w, since the database ended during the commit: %w", ErrUncertain, d.e.sentence(err))
	case unknown != nil:
		return fmt.Errorf("%w, since the connection to the database broke during the commit: %w", ErrUncertain, unknown)
	case committed:
		return nil
	case late != nil:
		return late
	case cutOff(err) && !noRoom(err): // another try would end the database once more
		return fmt.Errorf("%w: %w", errAgain, d.e.sentence(err))
	}
	return d.e.sentence(err)
}

// queueWrites adds the statements that write what was gathered.
func (d *pgDocs) queueWrites(b *pgx.Batch) {
	all := d.writes.below("", "")
	for len(all) > 0 {
		name, _, _ := strings.Cut(all[0], "\x00")
		n := 0
		for n < len(all) && strings.HasPrefix(all[n], name+"\x00") {
			n++
		}
		d.queueTable(b, d.e.tables[name], name, all[:n])
		all = all[n:]
	}
}

func (d *pgDocs) queueTable(b *pgx.Batch, p *pgTable, name string, whole []string) {
	var gone, keys []string
	var docs [][]byte
	size := 0
	write := func() {
		if len(keys) == 0 {
			return
		}
		if p.opaque {
			b.Queue(p.write, keys, docs)
		} else {
			texts := make([]string, len(docs))
			for i, doc := range docs {
				texts[i] = string(toJSONB(doc))
			}
			b.Queue(p.write, keys, texts)
		}
		keys, docs, size = nil, nil, 0
	}
	for _, w := range whole {
		key, doc := w[len(name)+1:], d.writes.docs[w]
		if doc == nil {
			gone = append(gone, key)
			continue
		}
		keys, docs = append(keys, key), append(docs, doc)
		if size += len(key) + len(doc); size > pgWriteBytes {
			write()
		}
	}
	write()
	if len(gone) > 0 {
		b.Queue(p.remove, slices.Clip(gone))
	}
}

// resolve finds out whether the Update that noted its commit as id has committed. It
// notes that the commit was given up, unless there is a note already: that waits for
// the other transaction if it is still on its way, and if it comes later, it can't
// write its own note, and so not commit. Whichever note is there then is the answer,
// however often it is asked.
func (e *pgEngine) resolve(ctx context.Context, id string) (committed bool, err error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		committed, failed := e.askOnce(ctx, id)
		if failed == nil {
			return committed, nil
		}
		if err == nil || ctx.Err() == nil { // that the time is over says less than what was before
			err = failed
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false, err
		}
	}
}

func (e *pgEngine) askOnce(ctx context.Context, id string) (committed bool, err error) {
	c, err := e.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer c.Release()
	if _, err := c.Exec(ctx, noteGivenUp, id); err != nil {
		return false, e.sentence(err)
	}
	if err := c.QueryRow(ctx, askCommit, id).Scan(&committed); err != nil {
		return false, e.sentence(err)
	}
	return committed, nil
}
