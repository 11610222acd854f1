package loadgen

import (
	"context"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Together runs several drivers at once as one. Their lines in the results follow one
// another.
type Together struct {
	drivers []Driver
	lines   []int // of each driver's results
}

// NewTogether combines several drivers, given how many lines of results each has.
func NewTogether(drivers []Driver, lines []int) *Together {
	return &Together{drivers: drivers, lines: lines}
}

// Progress is the sum of the drivers' own.
func (t *Together) Progress() (n uint64) {
	for _, d := range t.drivers {
		n += d.Progress()
	}
	return n
}

// Run sends one phase with every driver that takes part in it.
func (t *Together) Run(ctx context.Context, phase Phase) record.Load {
	loads := make([]record.Load, len(t.drivers))
	var wg sync.WaitGroup
	first := 0
	for i, d := range t.drivers {
		part := phase
		if phase.Only != nil {
			part.Only = []int{}
			for _, line := range phase.Only {
				if line >= first && line < first+t.lines[i] {
					part.Only = append(part.Only, line-first)
				}
			}
			if len(part.Only) == 0 { // nothing of this one
				loads[i].Entries = make([]record.Entry, t.lines[i])
				first += t.lines[i]
				continue
			}
		}
		if line := first; phase.Took != nil {
			part.Took = func(l int, took time.Duration) { phase.Took(line+l, took) }
		}
		first += t.lines[i]
		wg.Go(func() { loads[i] = d.Run(ctx, part) })
	}
	wg.Wait()
	out := record.Load{Planned: phase.Duration}
	for _, l := range loads {
		out.Asked, out.Expected = out.Asked+l.Asked, out.Expected+l.Expected
		out.Workers, out.Connections, out.Held = out.Workers+l.Workers, out.Connections+l.Connections, out.Held+l.Held
		out.Opened += l.Opened
		out.Sent, out.Answered, out.Succeeded, out.Abandoned = out.Sent+l.Sent, out.Answered+l.Answered,
			out.Succeeded+l.Succeeded, out.Abandoned+l.Abandoned
		out.CPU, out.Delay = max(out.CPU, l.CPU), max(out.Delay, l.Delay)
		out.Entries = append(out.Entries, l.Entries...)
		if out.Stopped == "" {
			out.Stopped = l.Stopped
		}
		if l.Open != nil {
			out.Open = l.Open
		}
	}
	return out
}

var _ Driver = (*Together)(nil)
