package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/testnet"
	"clrnode/vc"
)

// An audit is what clrnode audit was asked for.
type audit struct {
	rpc, registry, finality string
	compare                 []string // URLs of other nodes of the chain

	log    string // address or CAIP-10: the whole log is looked at
	resume string // file
	first  uint64 // block with which it begins
	did    string // whose the log should be
	didDoc string // file with its document

	receipt   string // file: one receipt is
	ownership string // file: one ownership is
	record    string // file

	offline   bool // nobody is asked: the receipt's state proof is read
	blockHash string
}

func (p *program) auditCommand() *cobra.Command {
	a := &audit{}
	c := &cobra.Command{
		Use:   "audit --log LOG | --receipt FILE | --ownership FILE",
		Short: "Audit a log on the chain, or one receipt: exit code 0 sound, 1 not, 2 could not check",
		Long: `Audit an anchor log without asking who keeps it: every event since the chain began is
read, and held against what the contract says now. No root may be missing, stand twice or
out of its place; the hash chain and the sums have to be right; only the log's owner and
those whom he named may have appended. --log takes an address (0x...) or the name that
credentials carry (eip155:1:0x...). Where the contract came late onto a long chain,
--from-block spares the blocks before it: if it names a block after the log's first root,
that shows, and gives 2.

With --receipt, one receipt is held against the chain, and with --record the record to
which it belongs: where that names a log, the receipt has to be for that one, as anybody may
write into a log of their own. Receipts that wait for their anchor, or whose block is young, give 2.

With --ownership, it is said whether the record that --record names belonged to the
identifier (DID) that it names. Without --record that could not be checked, unless something
is wrong already. ` + anchor.NoProofOfOwnership + `

With --did, or --did-document for a document that was saved, it is also said whether the
log is this DID's: its document has to name the log, and the log's key the DID.

A node of the chain is believed where all that it says fits together. With --compare others
are asked too; where they disagree, that is 2.

With --offline nobody is asked at all: the receipt carries a proof (EIP-1186) of what the
contract had in the block of the anchor, and you give that block's hash, which two
explorers or your own node of the chain tell you, with --block-hash.

Neither a node nor a data folder is needed. Without --rpc the chain of the data folder at
hand is asked. A chain that doesn't answer, and a contract that isn't the one of this
program, give 2 and never 1. What a local chain says proves nothing to others.`,
		Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := p.audit(cmd.Context(), a)
			if err != nil && p.json { // who reads JSON gets some
				p.showAudited(audited{Outcome: auditCouldNot, Exit: exitCouldNot, Sentence: fmt.Sprintf("Could not check: %v.", err)})
			}
			if err != nil {
				return err
			}
			return p.showAudited(r)
		},
	}
	c.Flags().StringVar(&a.rpc, "rpc", "", "JSON-RPC URL of the chain to ask")
	c.Flags().StringArrayVar(&a.compare, "compare", nil, "JSON-RPC URL of another node of the chain, which has to say the same; may be repeated")
	c.Flags().StringVar(&a.registry, "registry", "", "address of the contract (default: where clrnode makes it on every chain)")
	c.Flags().StringVar(&a.finality, "finality", "", "when a block is final: tag:finalized, or depth:N with N blocks on it (default: tag:finalized, and depth:0 on a local chain)")
	c.Flags().StringVar(&a.log, "log", "", "the log: its address, or its name such as eip155:1:0x...")
	c.Flags().StringVar(&a.resume, "resume", "", "file in which it is kept how far the audit came; if it is there, the audit goes on from it")
	c.Flags().Uint64Var(&a.first, "from-block", 0, "first block that is looked at, such as that in which the contract was made; what --resume goes on from keeps its own")
	c.Flags().StringVar(&a.did, "did", "", "the DID whose log it should be")
	c.Flags().StringVar(&a.didDoc, "did-document", "", "file with its document, instead of --did")
	c.Flags().StringVar(&a.receipt, "receipt", "", "file with a receipt")
	c.Flags().StringVar(&a.ownership, "ownership", "", "file with an ownership (clrnode learners ownership)")
	c.Flags().BoolVar(&a.offline, "offline", false, "ask nobody: check the receipt by the state proof in it; needs --block-hash")
	c.Flags().StringVar(&a.blockHash, "block-hash", "", "with --offline: hash of the receipt's block, from a source that you trust")
	c.Flags().StringVar(&a.record, "record", "", "file with the record that the receipt should be of")
	return c
}

// The outcomes of an audit.
const (
	auditSound    = "sound"
	auditNot      = "not sound"
	auditCouldNot = "could not check"
)

// audited is what an audit found, as --json writes it.
type audited struct {
	Outcome  string          `json:"outcome"`
	Exit     int             `json:"exit"`
	Sentence string          `json:"sentence"`
	Log      *evm.Audit      `json:"audit,omitempty"`   // of a whole log
	Binding  *anchor.Binding `json:"binding,omitempty"` // of that log to a DID
	Receipt  *found          `json:"receipt,omitempty"`
}

// one counts the texts that aren't empty.
func one(texts ...string) (n int) {
	for _, t := range texts {
		if t != "" {
			n++
		}
	}
	return n
}

// audit looks at what was asked for. The error is for what can't be asked so.
func (p *program) audit(ctx context.Context, a *audit) (audited, error) {
	switch {
	case one(a.log, a.receipt, a.ownership) != 1:
		return audited{}, usage("audit takes --log LOG or --receipt FILE, or --ownership FILE. See clrnode audit --help")
	case a.record != "" && a.log != "":
		return audited{}, usage("--record is compared with a receipt: name that with --receipt FILE")
	case a.resume != "" && a.log == "":
		return audited{}, usage("--resume is for the audit of a whole log")
	case (a.offline || a.blockHash != "") && a.log != "":
		return audited{}, usage("--offline and --block-hash are for the check of a receipt: name it with --receipt FILE")
	case a.offline != (a.blockHash != ""):
		return audited{}, usage("--offline and --block-hash go together: --offline --block-hash 0x...")
	case a.offline && a.rpc != "":
		return audited{}, usage("--offline asks nobody, so it takes no --rpc")
	case a.offline && (len(a.compare) > 0 || a.did != ""):
		return audited{}, usage("--offline asks nobody, so it takes no --compare, and --did-document instead of --did")
	case a.did != "" && a.didDoc != "":
		return audited{}, usage("--did asks for the document of a DID, --did-document names a file with it: give one of them")
	}
	o := evm.Options{Finality: a.finality, Patience: 3}
	if a.registry != "" {
		var err error
		if o.Registry, err = anchor.ParseAddress(a.registry); err == nil && o.Registry.IsZero() {
			err = errors.New("there is no contract at the zero address")
		}
		if err != nil {
			return audited{}, usage("--registry: " + err.Error())
		}
	}
	if a.log == "" {
		return p.receiptEverywhere(ctx, a, o)
	}
	log, err := anchor.ParseAddress(a.log)
	if strings.Contains(a.log, ":") {
		o.ChainID, log, err = anchor.ParseCAIP10(a.log)
	}
	if err == nil && log.IsZero() {
		err = errors.New("the zero address is nobody's log")
	}
	if err != nil {
		return audited{}, usage("--log: " + err.Error())
	}
	return p.auditLog(ctx, a, log, o)
}

// auditLog replays a whole log.
func (p *program) auditLog(ctx context.Context, a *audit, log anchor.Address, o evm.Options) (audited, error) {
	from, err := readCheckpoint(a.resume)
	if err != nil {
		return audited{}, err
	}
	if from.Replay.Log.IsZero() {
		from.First = a.first
	}
	chain, err := p.auditedChain(ctx, a.rpc, o)
	if errors.Is(err, anchor.ErrCouldNotCheck) {
		return audited{Outcome: auditCouldNot, Exit: exitCouldNot, Sentence: fmt.Sprintf("Could not check: %v.", err)}, nil
	}
	if err != nil {
		return audited{}, err
	}
	defer chain.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	show := p.progress("blocks of the chain")
	found, err := chain.Audit(ctx, log, from, func(at evm.Checkpoint, newest uint64) {
		show(int(at.Block), int(newest))
		if a.resume == "" {
			return
		}
		if err := writeCheckpoint(a.resume, at); err != nil {
			stop(fmt.Errorf("--resume: %w", err))
		}
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return audited{}, cause
	}
	if errors.Is(err, anchor.ErrCouldNotCheck) {
		return audited{Outcome: auditCouldNot, Exit: exitCouldNot, Sentence: fmt.Sprintf("Could not check: %v.", err)}, nil
	}
	if errors.Is(err, evm.ErrOtherAudit) {
		return audited{}, fmt.Errorf("%w: name another file with --resume", err)
	}
	if err != nil {
		return audited{}, err
	}
	r := judged(found)
	if found.Incomplete() {
		return r, nil
	}
	if err := p.disagreed(ctx, a, found, &r); err != nil {
		return audited{}, err
	}
	return p.bound(ctx, a, chain.Chain(), chain, log, r)
}

// judged says in a sentence what the audit of a log found.
func judged(f evm.Audit) audited {
	r := audited{Outcome: auditSound, Exit: exitOK, Log: &f}
	switch {
	case f.Incomplete():
		r.Outcome, r.Exit = auditCouldNot, exitCouldNot
		r.Sentence = fmt.Sprintf("Could not check: something is missing, and blocks before %d were not looked at. Begin with an earlier one (--from-block).", f.First)
	case f.Replay.Wrong > 0:
		r.Outcome, r.Exit = auditNot, exitNo
		r.Sentence = fmt.Sprintf("NOT SOUND: %s. The log isn't as it should be, or this node of the chain doesn't tell the truth: ask another one.", count(int64(f.Replay.Wrong), "problem"))
	case !f.Code:
		r.Outcome, r.Exit = auditCouldNot, exitCouldNot
		r.Sentence = "Could not check: the contract isn't the registry of this program, so nobody knows by which rules it keeps the log, or whether somebody may change it."
	case f.Replay.Roots == 0:
		r.Sentence = "Sound, and empty: nothing was ever appended to this log."
	default:
		r.Sentence = fmt.Sprintf("Sound: %s, over %d leaves, without a gap.", count(int64(f.Replay.Roots), "root"), f.Replay.Leaves)
		if f.Final < f.Replay.Roots {
			r.Sentence += fmt.Sprintf(" By %s %d of them are final; the blocks of the others may still be replaced.", f.Chain.Finality, f.Final)
		}
	}
	if f.Chain.Local {
		r.Sentence += " It is a local chain, which proves nothing to others: who runs it could rewrite it."
	}
	return r
}

const errNoChain = usage("name the chain with --rpc URL, or with --data the folder of a node that has one")

// auditedChain connects to the chain that --rpc names, or to the one of the data folder at
// hand. No answer wraps anchor.ErrCouldNotCheck.
func (p *program) auditedChain(ctx context.Context, rpc string, o evm.Options) (*evm.Client, error) {
	local := func(id uint64) bool { return id == testnet.ChainID }
	if rpc == "" {
		note, ok := readChainNote(p.cfg)
		if !ok {
			return nil, errNoChain
		}
		if o.ChainID != 0 && o.ChainID != note.ChainID {
			return nil, usage(fmt.Sprintf("the log is on chain %d, and the data folder at hand is of chain %d: name the right one with --rpc URL", o.ChainID, note.ChainID))
		}
		rpc, o.ChainID, o.Genesis = note.RPC, note.ChainID, note.Genesis
		local = func(uint64) bool { return note.Local }
	}
	c, err := evm.Dial(ctx, rpc, o)
	if err != nil || !local(c.Chain().ID) {
		return c, err
	}
	c.Close()
	if o.Local = true; o.Finality == "" {
		o.Finality = localFinality
	}
	return evm.Dial(ctx, rpc, o)
}

// readCheckpoint reads how far an audit came; from an absent file, that it didn't begin.
func readCheckpoint(path string) (evm.Checkpoint, error) {
	if path == "" {
		return evm.Checkpoint{}, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return evm.Checkpoint{}, nil
	}
	if err != nil {
		return evm.Checkpoint{}, fmt.Errorf("--resume: %w", err)
	}
	c, err := parseCheckpoint(raw)
	if err != nil {
		return evm.Checkpoint{}, fmt.Errorf("--resume: %s is not what an audit left (%w): name another file, or move it away to begin again", path, err)
	}
	return c, nil
}

func parseCheckpoint(raw []byte) (evm.Checkpoint, error) {
	var c evm.Checkpoint
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return evm.Checkpoint{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return evm.Checkpoint{}, errors.New("more follows behind it")
	}
	if c.Replay.Log.IsZero() || c.Hash.IsZero() {
		return evm.Checkpoint{}, errors.New("it names no log, or no block")
	}
	return c, nil
}

func writeCheckpoint(path string, c evm.Checkpoint) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeBeside(path, append(raw, '\n'))
}

// showAudited writes what an audit found, and sets the exit code.
func (p *program) showAudited(r audited) error {
	err := p.show(r, func(w *tabwriter.Writer) {
		if r.Log != nil {
			tableOfLog(w, r.Log)
		}
		if b := r.Binding; b != nil {
			fmt.Fprintf(w, "DID\t%s\n", vc.Shown(b.DID))
			fmt.Fprintf(w, "It names the log\t%s\n", yes(b.Listed))
			fmt.Fprintf(w, "The log names it\t%s\n", yes(b.Stated))
		}
		fmt.Fprintln(w, vc.Shown(r.Sentence))
	})
	if err == nil && r.Exit != exitOK {
		err = exit(r.Exit)
	}
	return err
}

func tableOfLog(w io.Writer, f *evm.Audit) {
	l := f.Replay
	code := "the contract of this program, which nobody can change"
	if !f.Code {
		code = "another contract than that of this program"
	}
	fmt.Fprintf(w, "Log\t%s\n", anchor.CAIP10(f.Chain.ID, l.Log))
	fmt.Fprintf(w, "Contract\t%s\t%s\n", f.Chain.Registry, code)
	fmt.Fprintf(w, "Roots\t%d\tover %d leaves, padding included\n", l.Roots, l.Leaves)
	fmt.Fprintf(w, "Final\t%d\tby %s\n", f.Final, f.Chain.Finality)
	if !f.Newest.IsZero() {
		fmt.Fprintf(w, "Newest\t%s\tblock %d\n", f.Newest.Format(time.RFC3339), l.LastBlock)
	}
	fmt.Fprintf(w, "Head\t%s\n", l.Head)
	for _, poster := range slices.SortedFunc(maps.Keys(l.Posters), func(a, b anchor.Address) int { return bytes.Compare(a[:], b[:]) }) {
		fmt.Fprintf(w, "Poster\t%s\tuntil %s\n", poster, time.Unix(int64(min(l.Posters[poster], 1<<37)), 0).UTC().Format(time.RFC3339))
	}
	if l.TakenBack > 0 {
		fmt.Fprintf(w, "Taken back\t%d\troots and leaves\n", l.TakenBack)
	}
	if l.Frozen {
		fmt.Fprintln(w, "Ended\tyes\tnothing can be appended any more")
	}
	fmt.Fprintf(w, "Looked at\t%d\tblocks, from block %d on\n", f.Block+1-f.First, f.First)
	for _, problem := range l.Problems {
		fmt.Fprintf(w, "Problem\t%s\n", problem)
	}
	if more := l.Wrong - uint64(len(l.Problems)); more > 0 {
		fmt.Fprintf(w, "Problem\t... and %d more\n", more)
	}
}
