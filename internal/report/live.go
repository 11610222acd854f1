package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Live shows a run while it goes on: on a terminal one line that repaints
// itself, otherwise a plain line per phase.
type Live struct {
	w        io.Writer
	terminal bool
	width    func() int
	now      func() time.Time
	sent     func() uint64

	mu      sync.Mutex
	phase   record.Phase
	planned time.Duration
	began   time.Time
	loading bool
	latest  map[string]int
	totals  []int // the last seconds' sum over all targets
	second  time.Time
	painted bool
	stop    chan struct{}
	done    sync.WaitGroup
}

// LiveConfig is what a Live needs from outside.
type LiveConfig struct {
	Out      io.Writer
	Terminal bool
	Width    func() int // columns of the terminal
	Now      func() time.Time
	Sent     func() uint64 // requests sent so far in the phase that runs
}

const repaintEvery = 200 * time.Millisecond

// NewLive starts the display. Close ends it.
func NewLive(c LiveConfig) *Live {
	l := &Live{w: c.Out, terminal: c.Terminal, width: c.Width, now: c.Now, sent: c.Sent, latest: map[string]int{}, stop: make(chan struct{})}
	if l.terminal {
		l.done.Go(l.repaint)
	}
	return l
}

func (l *Live) repaint() {
	tick := time.NewTicker(repaintEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			l.paint()
			l.mu.Unlock()
		}
	}
}

// Close clears the line.
func (l *Live) Close() {
	close(l.stop)
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// Begin opens a phase.
func (l *Live) Begin(p record.Phase, planned time.Duration, note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase, l.planned, l.began = p, planned, l.now()
	l.loading = p.Kind == record.Warmup || p.Kind == record.Round || p.Kind == record.Trying
	if l.terminal {
		if p.Kind == record.Confirm {
			l.print(printable(note))
		}
		l.paint()
		return
	}
	line := phaseTitle(p)
	if planned > 0 && l.loading {
		line += fmt.Sprintf(", %s of load", planned)
	} else if p.Kind == record.Confirm {
		line += fmt.Sprintf(", up to %s after the load", planned)
	}
	if note != "" {
		line += ": " + note
	}
	l.print(printable(line))
}

func phaseTitle(p record.Phase) string {
	switch p.Kind {
	case record.Preflight:
		return "preflight"
	case record.Warmup:
		return "warm-up"
	case record.Baseline:
		return "baseline: waiting for quiet"
	case record.Round:
		return fmt.Sprintf("round %d", p.Round)
	case record.Settling:
		return fmt.Sprintf("round %d: settling", p.Round)
	case record.Confirm:
		return "a long look at what grew"
	case record.Trying:
		return fmt.Sprintf("which request leaks: trial %d", p.Round)
	}
	return string(p.Kind)
}

// Sample takes a count.
func (l *Live) Sample(s record.Sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest[s.Target] = s.Goroutines
	sum := 0
	for _, n := range l.latest {
		sum += n
	}
	if now := l.now(); len(l.totals) == 0 || now.Sub(l.second) >= time.Second {
		l.totals = append(l.totals, sum)
		l.second = now
	} else {
		l.totals[len(l.totals)-1] = sum
	}
}

// Load takes the result of a phase of load.
func (l *Live) Load(r record.Load) {
	if l.terminal {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Uncounted {
		l.print("  load that nobody counted")
		return
	}
	failed := r.Answered - r.Succeeded
	l.print(fmt.Sprintf("  %d requests sent, %d failed, %d without an answer", r.Sent, failed, r.Sent-r.Answered-r.Abandoned))
}

// Say prints a line.
func (l *Live) Say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print("  " + printable(text))
}

func (l *Live) print(line string) {
	l.clear()
	fmt.Fprintln(l.w, line)
}

func (l *Live) clear() {
	if l.painted {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.painted = false
	}
}

const chartSeconds = 24

func (l *Live) paint() {
	if !l.terminal || l.phase.Kind == "" {
		return
	}
	line := l.text(l.now())
	if w := l.width(); w > 0 {
		if r := []rune(line); len(r) >= w {
			line = string(r[:w-1])
		}
	}
	fmt.Fprint(l.w, "\r\x1b[K"+line)
	l.painted = true
}

// text is the live line: phase, progress, goroutines and their last seconds.
func (l *Live) text(now time.Time) string {
	elapsed := now.Sub(l.began)
	parts := []string{fmt.Sprintf("%-28s", phaseTitle(l.phase)), bar(elapsed, l.planned)}
	if l.planned > 0 {
		parts = append(parts, fmt.Sprintf("%2.0fs/%.0fs", min(elapsed, l.planned).Seconds(), l.planned.Seconds()))
	} else {
		parts = append(parts, fmt.Sprintf("%2.0fs", elapsed.Seconds()))
	}
	if n := len(l.totals); n > 0 {
		parts = append(parts, fmt.Sprintf("goroutines %d", l.totals[n-1]), Spark(l.totals[max(0, n-chartSeconds):]))
	}
	if l.loading && l.sent != nil {
		parts = append(parts, fmt.Sprintf("%d sent", l.sent()))
	}
	return strings.Join(parts, "  ")
}

func bar(elapsed, planned time.Duration) string {
	const cells = 12
	if planned <= 0 {
		return strings.Repeat("·", cells)
	}
	full := min(cells, int(elapsed*cells/planned))
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

// Spark draws counts as one line of block characters, from 0 to their largest.
func Spark(ns []int) string {
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	most := 1
	for _, n := range ns {
		most = max(most, n)
	}
	var b strings.Builder
	for _, n := range ns {
		b.WriteRune(levels[max(n, 0)*(len(levels)-1)/most])
	}
	return b.String()
}
