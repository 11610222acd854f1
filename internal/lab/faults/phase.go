package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// moment is where a run is, as far as its journal shows.
type moment struct {
	kind  record.Kind
	round int
}

// The moments at which faults begin. The journal tells of a phase when it is over, and
// of a long look by its first capture.
var (
	preflight = moment{record.Preflight, 0}
	warmup    = moment{record.Warmup, 0}
	baseline  = moment{record.Baseline, 0}
	round1    = moment{record.Round, 1}
	settle1   = moment{record.Settling, 1}
	round2    = moment{record.Round, 2}
	settle2   = moment{record.Settling, 2}
	longLook  = moment{record.Confirm, 2}
	evidence  = moment{record.Evidence, 0}
)

// order is the order in which moments come, for comparisons.
func (m moment) order() int {
	within := map[record.Kind]int{record.Warmup: 1, record.Baseline: 2, record.Round: 3, record.Settling: 4,
		record.Confirm: 5}
	if m.kind == record.Evidence || m.kind == record.Trying {
		return 1000
	}
	return 10*m.round + within[m.kind]
}

// clock follows the journal of a run.
type clock struct {
	file string

	mu      sync.Mutex
	now     moment
	changed chan struct{} // closed when now changes
	times   map[moment]time.Time
	ended   bool
}

func newClock(file string) *clock {
	return &clock{file: file, now: preflight, changed: make(chan struct{}), times: map[moment]time.Time{}}
}

// at is where the run is.
func (c *clock) at() moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// wait waits for a moment, or a later one; false if the run ended before.
func (c *clock) wait(ctx context.Context, m moment) bool {
	for {
		c.mu.Lock()
		now, changed, ended := c.now, c.changed, c.ended
		c.mu.Unlock()
		switch {
		case now.order() >= m.order():
			return true
		case ended:
			return false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// readEvery is how often the journal is looked at: a small part of any phase.
const readEvery = 20 * time.Millisecond

// since is the time since a moment was seen.
func (c *clock) since(m moment) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.times[m])
}

// follow reads the journal as it grows, until ctx ends.
func (c *clock) follow(ctx context.Context) {
	var f *os.File
	var rest []byte
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	defer c.end()
	for {
		select {
		case <-ctx.Done():
			if f != nil {
				f.Close()
			}
			return
		case <-tick.C:
		}
		if f == nil {
			var err error
			if f, err = os.Open(c.file); err != nil {
				continue
			}
		}
		text, err := io.ReadAll(f)
		if err != nil {
			continue
		}
		rest = c.lines(append(rest, text...))
	}
}

// lines reads whole lines, and returns the part of one that is left.
func (c *clock) lines(text []byte) []byte {
	for {
		line, after, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return text
		}
		text = after
		var e struct {
			Phase   *record.Phase   `json:"phase"`
			Capture *record.Capture `json:"capture"`
			End     *record.End     `json:"end"`
		}
		if json.NewDecoder(bufio.NewReader(bytes.NewReader(line))).Decode(&e) != nil {
			continue
		}
		switch {
		case e.Phase != nil:
			c.move(next(*e.Phase, c.at()))
		case e.Capture != nil && e.Capture.Kind == record.Confirm:
			c.move(moment{record.Confirm, e.Capture.Round})
		case e.End != nil:
			c.end()
		}
	}
}

// next is what begins when a phase is over. After the fewest rounds that is not known: a
// long look shows by its first capture, a further round when it is over.
func next(p record.Phase, now moment) moment {
	switch p.Kind {
	case record.Preflight:
		return warmup
	case record.Warmup:
		return baseline
	case record.Baseline:
		return round1
	case record.Round:
		return moment{record.Settling, p.Round}
	case record.Settling:
		if p.Round >= leastRounds {
			return now
		}
		return moment{record.Round, p.Round + 1}
	}
	return evidence
}

func (c *clock) move(m moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m != c.now {
		c.now, c.times[m] = m, time.Now()
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

func (c *clock) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.ended = true
		close(c.changed)
		c.changed = make(chan struct{})
	}
}
