package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/vc"
)

// A found is what the check of a receipt found, as --json writes it.
type found struct {
	Code   string      `json:"code"`            // what package anchor calls it
	Digest anchor.Hash `json:"digest,omitzero"` // of the record
	Log    string      `json:"log,omitempty"`   // by its name across chains
	Block  uint64      `json:"block,omitempty"` // that proves it
	Time   time.Time   `json:"time,omitzero"`   // the record existed no later than then
	Local  bool        `json:"local"`           // the chain proves nothing to others
	Record bool        `json:"record"`          // it was compared with the record
}

// An asking is what is asked of the chain about a receipt.
type asking struct {
	receipt  anchor.Receipt
	digest   [32]byte // of the record
	noRecord error    // why what stands for the record is none: then it has the digest of no document
	check    func(context.Context, anchor.Reader) (anchor.Finding, error)
}

// notReceipt is why a file is no receipt, or no ownership: that is an answer, too.
type notReceipt struct{ err error }

func (n notReceipt) Error() string { return n.err.Error() }

// notA says why raw, which a flag names, isn't what it should be. Another of the files that
// are exported beside a record was only given to the wrong question.
func notA(flag string, raw []byte, err error) error {
	if other := besideOf(raw); other != "" {
		return usage(flag + ": the file is " + other)
	}
	return notReceipt{err}
}

// readReceipt reads what --receipt and --record name.
func readReceipt(a *audit) (asking, error) {
	raw, err := readMost(a.receipt, maxProof)
	if err != nil {
		return asking{}, fmt.Errorf("--receipt: %w", err)
	}
	r, err := anchor.ParseReceipt(raw)
	if err != nil {
		return asking{}, notA("--receipt", raw, err)
	}
	q := asking{receipt: r, digest: r.Digest}
	var logs []string // that the record names
	if a.record != "" {
		s, no, err := readRecord(a.record)
		if err != nil {
			return asking{}, err
		}
		q.digest, q.noRecord = s.Digest(), no
		_, logs = s.Elected()
	}
	q.check = func(ctx context.Context, reader anchor.Reader) (anchor.Finding, error) {
		return anchor.CheckRecord(ctx, logs, r, q.digest, reader)
	}
	return q, nil
}

// auditReceipt holds one receipt against the chain, and against the record if there is one.
func (p *program) auditReceipt(ctx context.Context, a *audit, o evm.Options) (audited, error) {
	read := readReceipt
	if a.ownership != "" {
		read = readOwnership
	}
	q, err := read(a)
	var no notReceipt
	if errors.As(err, &no) {
		f := &found{Code: anchor.CodeNotReceipt, Record: a.record != ""}
		return audited{Outcome: auditNot, Exit: exitNo, Sentence: fmt.Sprintf("NOT SOUND: %v.", no), Receipt: f}, nil
	}
	if err != nil {
		return audited{}, err
	}
	f := &found{Digest: q.digest, Log: q.receipt.LogID(), Record: a.record != ""}
	var reader anchor.Reader
	if a.offline {
		return p.auditOffline(ctx, a, q, o.Registry, f)
	}
	chain, err := p.auditedChain(ctx, a.rpc, o)
	switch {
	case err == nil:
		defer chain.Close()
		reader = chain
	case errors.Is(err, anchor.ErrCouldNotCheck):
		reader = anchor.Away{Err: err}
	case !errors.Is(err, errNoChain):
		return audited{}, err
	}
	finding, _ := q.check(ctx, reader) // the finding has the error's sentence
	return q.judged(finding, f), nil
}

// auditOffline checks a receipt by the state proof that it carries, and asks nobody.
func (p *program) auditOffline(ctx context.Context, a *audit, q asking, registry anchor.Address, f *found) (audited, error) {
	var block anchor.Hash
	if err := block.UnmarshalText([]byte(strings.ToLower(a.blockHash))); err != nil || block.IsZero() {
		return audited{}, usage("--offline needs --block-hash 0x...: the hash of the receipt's block, from somebody whom you trust")
	}
	var reader anchor.Reader
	offline, err := evm.NewOffline(q.receipt, block, registry)
	if err == nil {
		reader = offline
	}
	finding, _ := q.check(ctx, reader) // the finding has the error's sentence
	switch {
	case err != nil && finding.Code == anchor.CodeNoChain:
		finding.Sentence = err.Error() + "."
	case finding.Outcome == anchor.OK:
		finding.Sentence += " Nobody was asked: that the block is part of the chain is by your word, and whether the anchor was taken back later isn't known."
	}
	return q.judged(finding, f), nil
}

// judged is the outcome of a check, of which f gets the particulars.
func (q asking) judged(finding anchor.Finding, f *found) audited {
	f.Code, f.Block, f.Time, f.Local = finding.Code, finding.Block, finding.Time, finding.Local
	r := receiptJudged(finding, f)
	if q.noRecord != nil && finding.Outcome == anchor.Failed {
		r.Sentence += fmt.Sprintf(" It is no record: %v.", q.noRecord)
	}
	return r
}

// receiptJudged is the outcome of a check of a receipt. What is not in a final block yet
// could not be checked.
func receiptJudged(finding anchor.Finding, f *found) audited {
	if !f.Record {
		finding.Sentence += " No record was compared with the receipt."
	}
	switch {
	case finding.Outcome == anchor.Failed:
		return audited{Outcome: auditNot, Exit: exitNo, Sentence: "NOT SOUND: " + finding.Sentence, Receipt: f}
	case finding.Outcome == anchor.OK, finding.Code == anchor.CodeMoved:
		return audited{Outcome: auditSound, Exit: exitOK, Sentence: "Sound: " + finding.Sentence, Receipt: f}
	}
	return audited{Outcome: auditCouldNot, Exit: exitCouldNot, Sentence: "Could not check: " + finding.Sentence, Receipt: f}
}

// readRecord reads the record in a file. no says why what is in it is none, err why nothing
// could be read.
func readRecord(path string) (s vc.Signed, no, err error) {
	raw, err := readSome(path)
	if err != nil {
		return vc.Signed{}, nil, fmt.Errorf("--record: %w", err)
	}
	s, no = vc.ParseSigned(raw)
	return s, no, nil
}
