package evm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/anchor"
	"clrnode/contracts"
)

// atOnce is how many questions go into one request.
const atOnce = 100

// sent is what we need of a transaction, to know who called whom.
type sent struct {
	From common.Address  `json:"from"`
	To   *common.Address `json:"to"`
}

// An asked root is an event of one, and what the chain says of it beside the event.
type asked struct {
	happening
	contracts.Anchored
	block *header
	tx    *sent
	entry data
}

// tell tells a replay what happened, asking about the roots some at a time.
func (a *auditor) tell(ctx context.Context, r *anchor.Replay, events []happening) error {
	for len(events) > 0 {
		some := events[:min(atOnce/3, len(events))]
		events = events[len(some):]
		what := make([]any, len(some))
		var roots []*asked
		for i, e := range some {
			var err error
			if what[i], err = contracts.UnpackEvent(a.log, e.Topics, e.Data); err != nil {
				return fmt.Errorf("%w: an event in block %d can't be read: %w", anchor.ErrCouldNotCheck, uint64(e.Block), err)
			}
			if root, ok := what[i].(contracts.Anchored); ok {
				asked := &asked{happening: e, Anchored: root}
				what[i], roots = asked, append(roots, asked)
			}
		}
		if err := a.about(ctx, roots); err != nil {
			return err
		}
		for _, w := range what {
			switch w := w.(type) {
			case *asked:
				if err := a.tellRoot(r, w); err != nil {
					return err
				}
			case contracts.PosterSet:
				r.SetPoster(anchor.Address(w.Poster), w.Until)
			case contracts.Revoked:
				r.TakeBack()
			case contracts.Frozen:
				r.Freeze(w.Seq)
			}
		}
	}
	return nil
}

// errSeveral is why several nodes are asked one question after the other.
var errSeveral = errors.New("what is asked of several nodes is not asked in one request")

// about asks for the block and the transaction of each root, and for its entry now.
func (a *auditor) about(ctx context.Context, roots []*asked) error {
	var batch []rpc.BatchElem
	for _, r := range roots {
		find := map[string]any{"to": a.registry, "input": data(contracts.Find(a.log, r.Root, common.Hash{}))}
		batch = append(batch,
			rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexNumber(uint64(r.Block)), false}, Result: &r.block},
			rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{r.Tx}, Result: &r.tx},
			rpc.BatchElem{Method: "eth_call", Args: []any{find, "latest"}, Result: &r.entry})
	}
	if len(batch) == 0 {
		return nil
	}
	err := errSeveral
	if len(a.servers) == 1 {
		err = a.servers[0].discreet(a.servers[0].rpc.BatchCallContext(ctx, batch))
	}
	for i := range batch {
		if err == nil && batch[i].Error == nil {
			continue
		}
		if away(err) {
			return fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
		}
		// Some nodes take no batches, or not so many questions.
		if err := a.ask(ctx, batch[i].Result, batch[i].Method, batch[i].Args...); err != nil {
			return err
		}
	}
	return nil
}

// tellRoot tells of one root.
func (a *auditor) tellRoot(r *anchor.Replay, root *asked) error {
	if root.block == nil || root.tx == nil || root.block.Hash != root.Hash {
		return fmt.Errorf("%w: the chain's node doesn't know the block or the transaction of root number %d, which it named", anchor.ErrCouldNotCheck, root.Seq)
	}
	e, err := contracts.UnpackEntry(root.entry)
	if err != nil {
		return errors.Join(anchor.ErrCouldNotCheck, err)
	}
	appended := anchor.Appended{
		Seq: root.Seq, FirstLeaf: root.FirstLeaf, Count: root.Count, Root: anchor.Hash(root.Root), Head: anchor.Hash(root.Head),
		PrevBlock: root.PrevBlock, Block: uint64(root.Block), Time: root.block.time(),
	}
	if root.tx.To != nil && *root.tx.To == a.registry { // else another contract called it, which isn't seen here
		appended.Sender = anchor.Address(root.tx.From)
	}
	r.Append(appended)
	r.Recorded(appended, anchor.Entry{Seq: e.Seq, FirstLeaf: e.FirstLeaf, Count: e.Count, Block: e.Block})
	return nil
}

// compare holds what was told against the registry's state.
func (a *auditor) compare(ctx context.Context, audit *Audit) error {
	if err := a.held(ctx, &audit.Replay, uint64(a.head.Number)); err != nil {
		return err
	}
	if audit.Replay.LastBlock > 0 {
		h, err := a.block(ctx, hexNumber(audit.Replay.LastBlock))
		if err != nil {
			return err
		}
		audit.Newest = h.time()
	}
	return nil
}

// held compares a replay with what the registry says of its log at a block.
func (c *Client) held(ctx context.Context, r *anchor.Replay, block uint64) error {
	log, at := common.Address(r.Log), hexNumber(block)
	answer, err := c.view(ctx, contracts.Logs(log), at)
	if err != nil {
		return err
	}
	l, err := contracts.UnpackLog(answer)
	if err != nil {
		return fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	head, err := c.view(ctx, contracts.Head(log), at)
	if err != nil {
		return err
	}
	if len(head) != 32 {
		return fmt.Errorf("%w: the registry's answer for the head of the log has %d bytes", anchor.ErrCouldNotCheck, len(head))
	}
	r.Compare(l.Seq, l.Leaves, l.LastBlock, l.FrozenAt != 0, anchor.Hash(head))
	return nil
}

// ErrDisagree means that two nodes of a chain tell different things: at most one of them
// tells the truth.
var ErrDisagree = errors.New("the chain's nodes disagree")

// Agrees asks this node of the chain whether it says what another one said in an audit:
// the same newest block, and in it the same registry with the same log. The error wraps
// [ErrDisagree] where it doesn't, and [anchor.ErrCouldNotCheck] where it gives no answer;
// a node that is some seconds behind is waited for.
func (c *Client) Agrees(ctx context.Context, a Audit) error {
	h, err := c.block(ctx, hexNumber(a.Block))
	for tries := 0; err != nil && tries < c.patience; tries++ {
		select {
		case <-time.After(time.Second << tries):
			h, err = c.block(ctx, hexNumber(a.Block))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, ctx.Err())
		}
	}
	if err != nil {
		return err
	}
	if anchor.Hash(h.Hash) != a.Hash {
		return fmt.Errorf("%w: block %d is %s there, and not %s", ErrDisagree, a.Block, h.Hash, a.Hash)
	}
	code, err := c.code(ctx, c.registry)
	if err != nil {
		return err
	}
	if contracts.IsAnchorRegistry(code) != a.Code {
		return fmt.Errorf("%w: the contract has another code there", ErrDisagree)
	}
	r := a.Replay
	r.Wrong, r.Problems = 0, nil
	if err := c.held(ctx, &r, a.Block); err != nil {
		return err
	}
	if r.Wrong > 0 {
		return fmt.Errorf("%w: %s", ErrDisagree, r.Problems[0])
	}
	return nil
}
