// Package setup makes what a gate needs from a plan: the driver of its load, the sources
// that its targets are read by, and the run directory. It sends nothing of its own accord.
package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
)

// New prepares a run of a plan and its directory. Errors are the plan's or the
// directory's; no request is sent.
func New(p *plan.Plan, dir, tool string, now time.Time, watch gate.Observer) (*gate.Gate, error) {
	c := gate.Config{
		Settings: SettingsOf(p), Policy: p.VerdictPolicy(), Began: now, Observer: watch, Mask: p.Mask,
	}
	s, err := newSources(p, tool)
	if err != nil {
		return nil, err
	}
	c.Discover = s.find
	if s.pods != nil {
		c.Pods = s.pods
	}
	if c.Driver, err = newDriver(p, tool, dir, s.prom); err != nil {
		return nil, err
	}
	policy, err := json.Marshal(c.Policy)
	if err != nil {
		return nil, fmt.Errorf("encoding policy: %w", err)
	}
	h := record.Header{Tool: tool, Plan: p.Mask(p.Name), Started: now.UTC().Round(0), Settings: p.Hidden.Data(policy)}
	if c.Writer, err = record.Create(dir, h, p.MaskBytes(p.Text)); err != nil {
		return nil, err
	}
	c.Writer.Hide(p.Hidden.Data)
	return gate.New(c), nil
}

// SettingsOf is what a plan says about measuring.
func SettingsOf(p *plan.Plan) gate.Settings {
	l := p.Load
	return gate.Settings{
		Warmup: time.Duration(l.Warmup), Round: time.Duration(l.Round),
		Quiet: time.Duration(p.Settle.Quiet), Timeout: time.Duration(p.Settle.Timeout),
		Goroutines: p.Safety.Goroutines, Attribute: p.Attribute,
		Held: len(l.Streams) > 0, Connections: l.None != nil && l.None.Connections != "",
	}
}

// Look reaches every target of a plan, for commands that only look.
func Look(ctx context.Context, p *plan.Plan, tool string) ([]gate.Found, error) {
	s, err := newSources(p, tool)
	if err != nil {
		return nil, err
	}
	defer s.close()
	targets, failed := s.find(ctx)
	return append(gate.Identify(ctx, targets), failed...), nil
}
