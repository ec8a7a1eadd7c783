package cli

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
)

// The demo publisher, and the learner whom every example shows.
const (
	demoName    = "Quillhaven University (demo)"
	demoLearner = "ada.lovell"
)

// makeDemo makes the demo publisher: its files come in by the ordinary door, and
// its records are issued like any others.
func (p *program) makeDemo(ctx context.Context, n *node.Node) error {
	pub, err := n.AddPublisher(ctx, demoName, []string{"signature", "hosted", "blockchain"}, true)
	if err != nil {
		return err
	}
	p.say("Making a demo publisher: 40 learners, four terms.")
	var roster, achievements bytes.Buffer
	if err := testnet.WriteDemo(&roster, &achievements, time.Now()); err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		raw  []byte
	}{{"quillhaven-oneroster.zip", roster.Bytes()}, {"quillhaven-achievements.csv", achievements.Bytes()}} {
		i, err := n.StageImport(ctx, pub.ID, file.name, bytes.NewReader(file.raw), int64(len(file.raw)), "demo")
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		if i, err = n.StartImport(ctx, i.ID, registry.ApplyOptions{}, "demo"); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		for i.State == registry.ImportApplying && i.Failure == "" {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			if i, err = n.Import(ctx, i.ID); err != nil {
				return err
			}
		}
		if i.State != registry.ImportApplied {
			return fmt.Errorf("%s: the import is %s: %s", file.name, i.State, i.Failure)
		}
	}
	j, err := n.StartIssue(ctx, pub.ID, nil, "demo")
	if err != nil {
		return err
	}
	for j.State == registry.JobRunning {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		if j, err = n.Job(ctx, j.ID); err != nil {
			return err
		}
	}
	l, err := n.FindLearner(ctx, pub.ID, demoLearner)
	if err != nil {
		return err
	}
	_, err = n.CreateShare(ctx, l.ID, "My application", time.Now().Add(30*24*time.Hour), "demo")
	return err
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
