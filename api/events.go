package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	eventEvery = 400 * time.Millisecond
	eventLimit = 10 * time.Minute // then the browser connects again
)

// follow sends how far something is as server-sent events, until it is at its
// end. Closing the page stops only this.
func (s *server) follow(w http.ResponseWriter, r *http.Request, how func() (done, total int, running bool, err error)) error {
	done, total, running, err := how()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	out := http.NewResponseController(w)
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	for end := time.Now().Add(eventLimit); ; {
		// A server's limit for ordinary answers would cut this one off.
		if err := out.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		if _, err := fmt.Fprintf(w, "data: {\"done\":%d,\"total\":%d}\n\n", done, total); err != nil {
			return nil // the browser went away
		}
		if !running {
			fmt.Fprint(w, "event: end\ndata: {}\n\n")
		}
		if err := out.Flush(); err != nil || !running || time.Now().After(end) {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
		}
		if done, total, running, err = how(); err != nil {
			return nil // the header is out; the browser connects again and is told then
		}
	}
}
