package testnet

import (
	"context"
	"log/slog"
	"strings"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// quiet sends what go-ethereum logs, from warnings up, to l; nil discards it.
// go-ethereum has one logger for the whole process.
func quiet(l *slog.Logger) {
	handler := slog.Handler(slog.DiscardHandler)
	if l != nil {
		handler = warnings{l.With("part", "chain").Handler()}
	}
	// Wrapped, because go-ethereum makes its own type of logger the default of
	// log/slog as well, and we don't want that.
	gethlog.SetDefault(struct{ gethlog.Logger }{gethlog.NewLogger(handler)})
}

// expected are the warnings that say nothing new: we have no peers, kill -9 is
// an ordinary end, a new chain has no head, and what
// callers ask wrongly is answered to them.
var expected = []string{"P2P server will be useless", "Unclean shutdown detected", "Old unclean shutdowns found", "Head block is not reachable", "Served "}

// warnings is a handler that drops what is below a warning, and what is expected.
type warnings struct{ slog.Handler }

func (w warnings) Handle(ctx context.Context, r slog.Record) error {
	for _, beginning := range expected {
		if strings.HasPrefix(r.Message, beginning) {
			return nil
		}
	}
	return w.Handler.Handle(ctx, r)
}

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
