package registry

import (
	"context"
	"fmt"
	"io"
	"strconv"
)

// chunkBytes is how much of a staged file one document holds, and chunksPerStep
// how many of them one transaction.
const (
	chunkBytes    = 256 << 10
	chunksPerStep = 8
)

func chunkKey(importID string, n int) string { return keyOf(importID, fmt.Sprintf("%08d", n)) }

// A chunkWriter stores a file in the registry, in bounded steps.
type chunkWriter struct {
	ctx      context.Context
	db       *DB
	importID string
	size     int64
	next     int // number of the first chunk of buf
	buf      []byte
}

func (w *chunkWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	w.size += int64(len(b))
	if len(w.buf) < chunkBytes*chunksPerStep {
		return len(b), nil
	}
	return len(b), w.flush(len(w.buf) / chunkBytes)
}

// flush writes the first n chunks of the buffer; the last may be shorter.
func (w *chunkWriter) flush(n int) error {
	err := w.db.Update(w.ctx, func(tx *Tx) error {
		for i := range n {
			chunk := w.buf[i*chunkBytes : min(len(w.buf), (i+1)*chunkBytes)]
			if err := tx.docs.Put(tableImportChunks, chunkKey(w.importID, w.next+i), chunk); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.next += n
	w.buf = append(w.buf[:0], w.buf[min(len(w.buf), n*chunkBytes):]...)
	return nil
}

// close writes what is left.
func (w *chunkWriter) close() error {
	if len(w.buf) == 0 {
		return nil
	}
	return w.flush((len(w.buf) + chunkBytes - 1) / chunkBytes)
}

// A chunkReader reads a staged file back. It keeps the last few chunks, as zip
// files are read here and there.
type chunkReader struct {
	ctx      context.Context
	db       *DB
	importID string
	size     int64
	kept     map[int][]byte
}

func (r *chunkReader) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		if off >= r.size {
			return n, io.EOF
		}
		chunk, err := r.chunk(int(off / chunkBytes))
		if err != nil {
			return n, err
		}
		if off%chunkBytes >= int64(len(chunk)) {
			return n, io.ErrUnexpectedEOF
		}
		c := copy(b[n:], chunk[off%chunkBytes:])
		n, off = n+c, off+int64(c)
	}
	return n, nil
}

func (r *chunkReader) chunk(n int) ([]byte, error) {
	if c, ok := r.kept[n]; ok {
		return c, nil
	}
	var c []byte
	err := r.db.View(r.ctx, func(tx *Tx) (err error) {
		c, err = tx.docs.Get(tableImportChunks, chunkKey(r.importID, n))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read part %s of the staged file: %w", strconv.Itoa(n), err)
	}
	if len(r.kept) >= 8 || r.kept == nil {
		r.kept = map[int][]byte{}
	}
	r.kept[n] = c
	return c, nil
}

// dropStaged removes what was stored of an import's file, in bounded steps.
func dropStaged(ctx context.Context, db *DB, importID string) error {
	for _, t := range []Table{tableImportChunks, tableImportBad} {
		for more := true; more; {
			err := db.Update(ctx, func(tx *Tx) error {
				n := 0
				for row, err := range tx.docs.Scan(t, prefixOf(importID), "", 50) {
					if err != nil {
						return err
					}
					if t == tableImportBad && lastPart(row.Key) == badShown {
						continue // people may still want to read it
					}
					if err := tx.docs.Delete(t, row.Key); err != nil {
						return err
					}
					n++
				}
				more = n > 0
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
