package anchor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Outcome is the answer to one check. The values are those of package vc.
type Outcome string

const (
	OK            Outcome = "ok"
	Failed        Outcome = "failed"
	Warning       Outcome = "warning"
	CouldNotCheck Outcome = "could not check"
)

// What a Finding found, for programs.
const (
	CodeAnchored      = "anchored"             // ok: in the log, in a final block
	CodeNotFinal      = "anchor_not_final"     // warning: in the log, in a block that may still be replaced
	CodeMoved         = "anchor_moved"         // warning: in the log, in another block than the receipt says
	CodePending       = "anchor_pending"       // warning: not in the log, and the receipt doesn't say that it is
	CodeNotReceipt    = "not_a_receipt"        // failed: it can't be read as a receipt, or as an ownership
	CodeOtherDocument = "receipt_of_other"     // failed: the receipt is of another document
	CodeNotIncluded   = "not_under_root"       // failed: the path doesn't lead to the root
	CodeOtherLog      = "other_log"            // failed: not the log that the credential names
	CodeOtherRegistry = "other_registry"       // failed: not the registry that the verifier trusts
	CodeNotInLog      = "not_in_log"           // failed: the receipt says anchored, the registry says no
	CodeContradicted  = "receipt_contradicted" // failed: the registry has another place or size for the root
	CodeTakenBack     = "anchor_taken_back"    // failed: the log's owner took the root or the leaf back
	CodeOtherChain    = "other_chain"          // could not check: the chain at hand is another one
	CodeNoChain       = "no_chain"             // could not check: no chain was told
	CodeNoRecord      = "no_record"            // could not check: an ownership alone, without its record
	CodeNoAnswer      = "chain_no_answer"      // could not check: the chain gave no answer
)

// Finding is what a receipt proved.
type Finding struct {
	Outcome  Outcome
	Code     string    // one of the Code constants
	Sentence string    // for people
	Time     time.Time // the credential existed no later than then; zero: nothing is known
	Block    uint64    // the block that proves it
	Local    bool      // the chain is a node's own: it proves nothing to others
}

// CheckAnchor is [CheckReceipt] for a credential whose signed bytes name the
// log (CAIP-10) in which it has to be: a receipt of another log fails, since
// anybody may write into a log of his own. A log is whoever's key its address is, on
// every chain: on which one it is looked for is up to the reader.
func CheckAnchor(ctx context.Context, log string, r Receipt, digest [32]byte, reader Reader) (Finding, error) {
	if r.LeafType != LeafCredential {
		return failed(CodeOtherDocument, "The receipt is of something else than a credential.")
	}
	return checkIn(ctx, log, r, digest, reader)
}

// CheckRecord is [CheckReceipt] for a record whose signed bytes name these logs (CAIP-10) for its
// anchors, as in [CheckAnchor]. Where they name none, any log will do.
func CheckRecord(ctx context.Context, logs []string, r Receipt, digest [32]byte, reader Reader) (Finding, error) {
	if r.Digest != digest || len(logs) == 0 {
		return CheckReceipt(ctx, r, digest, reader)
	}
	return CheckAnchor(ctx, r.LogAmong(logs), r, digest, reader)
}

// checkIn is CheckReceipt for what has to be in a certain log.
func checkIn(ctx context.Context, log string, r Receipt, digest [32]byte, reader Reader) (Finding, error) {
	_, address, err := ParseCAIP10(log)
	if err != nil {
		return failed(CodeOtherLog, "No log is named that could be looked up: %v.", err)
	}
	if address != r.Log {
		return failed(CodeOtherLog, "The receipt is for the log %s, and should be for %s.", r.Log, address)
	}
	return CheckReceipt(ctx, r, digest, reader)
}

// CheckReceipt says whether the document with this digest was anchored as r
// says. The reader asks a chain that the verifier trusts, never one that r
// names; nil is no chain. The error isn't nil exactly when the outcome is
// CouldNotCheck, wraps [ErrCouldNotCheck] and has the cause.
func CheckReceipt(ctx context.Context, r Receipt, digest [32]byte, reader Reader) (Finding, error) {
	if err := r.consistent(); err != nil {
		return failed(CodeContradicted, "The receipt is not sound: %v.", err)
	}
	if r.Digest != digest {
		return failed(CodeOtherDocument, "The receipt belongs to another document, or the document was changed.")
	}
	if r.Count == 0 {
		return Finding{Outcome: Warning, Code: CodePending,
			Sentence: "Not anchored yet: the receipt says that it waits for the next batch. Fetch the receipt again later."}, nil
	}
	leaf := r.Leaf().Hash()
	path := make([][32]byte, len(r.Path))
	for i, h := range r.Path {
		path[i] = h
	}
	if err := VerifyInclusion(r.Root, leaf, r.Index, r.Count, path); err != nil {
		return failed(CodeNotIncluded, "The receipt doesn't prove that the document is under its root: %v.", err)
	}
	if reader == nil {
		return couldNot(CodeNoChain, nil, "The receipt is sound, but no chain was given that answers, so it was compared with none. Name one with --rpc.")
	}
	if away, ok := reader.(Away); ok {
		return couldNot(CodeNoAnswer, away.Err, "The receipt is sound in itself, but the chain gave no answer (%v). Try again later.", away.Err)
	}
	chain := reader.Chain()
	if chain.ID != r.Chain.ID || chain.Genesis != Hash(r.Chain.Genesis) {
		return couldNot(CodeOtherChain, nil, "The receipt is for the chain %d (genesis %s), and the chain at hand is %d (genesis %s): ask the right one.",
			r.Chain.ID, brief(r.Chain.Genesis), chain.ID, brief(chain.Genesis))
	}
	if chain.Registry != r.Chain.Registry {
		return failed(CodeOtherRegistry, "The receipt is for the registry %s, which is not the one that counts here (%s).", r.Chain.Registry, chain.Registry)
	}
	return compare(ctx, r, leaf, reader)
}

// compare holds a sound receipt against what the registry says.
func compare(ctx context.Context, r Receipt, leaf [32]byte, reader Reader) (Finding, error) {
	entry, there, err := reader.Entry(ctx, r.Log, r.Root, leaf)
	if err != nil {
		return couldNot(CodeNoAnswer, err, "The chain gave no answer, so nobody knows whether it is anchored. Try again later.")
	}
	if !there {
		if r.Phase == Pending || r.Phase == Submitted {
			return Finding{Outcome: Warning, Code: CodePending,
				Sentence: "Not anchored yet: its batch is on the way to the chain. Fetch the receipt again later."}, nil
		}
		return failed(CodeNotInLog, "The log %s has no such root: the receipt says what isn't so, or the chain lost its newest blocks.", r.Log)
	}
	if entry.Count != r.Count {
		return failed(CodeContradicted, "The log has this root for %d leaves, the receipt says %d.", entry.Count, r.Count)
	}
	if r.Block != nil && (entry.Seq != r.Seq || entry.FirstLeaf != r.FirstLeaf) {
		return failed(CodeContradicted, "The log has this root in place %d (after %d leaves), the receipt says %d (after %d).",
			entry.Seq, entry.FirstLeaf, r.Seq, r.FirstLeaf)
	}
	if !entry.Revoked.IsZero() {
		return failed(CodeTakenBack, "The publisher took this anchor back on %s.", day(entry.Revoked))
	}
	block, err := reader.Block(ctx, entry.Block)
	if err != nil {
		return couldNot(CodeNoAnswer, err, "The chain gave no answer about the block of the anchor. Try again later.")
	}
	f := Finding{Outcome: OK, Code: CodeAnchored, Time: block.Time, Block: block.Number, Local: reader.Chain().Local}
	f.Sentence = fmt.Sprintf("It existed no later than %s: block %d of chain %d.", moment(block.Time), block.Number, r.Chain.ID)
	if f.Local {
		f.Sentence = fmt.Sprintf("It existed no later than %s, by block %d of the local chain of a node. A local chain proves nothing to others: who runs the node could rewrite it.",
			moment(block.Time), block.Number)
	}
	switch {
	case !block.Final:
		f.Outcome, f.Code = Warning, CodeNotFinal
		f.Sentence += " The block is young and may still be replaced."
	case r.Block != nil && r.Block.Hash != block.Hash:
		f.Outcome, f.Code = Warning, CodeMoved
		f.Sentence += " The receipt names another block; the chain was reorganized since. Fetch the receipt again."
	case r.Block != nil && (r.Block.Number != block.Number || !r.Block.Time.Equal(block.Time)):
		return failed(CodeContradicted, "The receipt has a wrong number or time for the block of the anchor.")
	}
	return f, nil
}

func failed(code, format string, args ...any) (Finding, error) {
	return Finding{Outcome: Failed, Code: code, Sentence: fmt.Sprintf(format, args...)}, nil
}

func couldNot(code string, cause error, format string, args ...any) (Finding, error) {
	f := Finding{Outcome: CouldNotCheck, Code: code, Sentence: fmt.Sprintf(format, args...)}
	switch {
	case cause == nil:
		return f, fmt.Errorf("%s: %w", code, ErrCouldNotCheck)
	case errors.Is(cause, ErrCouldNotCheck):
		return f, cause
	default:
		return f, fmt.Errorf("%w: %w", ErrCouldNotCheck, cause)
	}
}

func brief(h Hash) string       { return h.String()[:10] + "..." }
func day(t time.Time) string    { return t.UTC().Format("2 January 2006") }
func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04:05 UTC") }
