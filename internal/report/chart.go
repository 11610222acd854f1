package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// openCharts is how many targets' charts stand open; those that leak most
	// come first.
	openCharts = 4
	// maxAreas is how many leaked stacks of one target have an area of their own:
	// as many as there are colours that can be told apart.
	maxAreas = 5
	// foldedPoints is how many points the drawing of a folded chart has. A chart
	// drawn by script has them all.
	foldedPoints = 80
	// The drawing's own units. It is stretched to the width of the page, so all
	// text stands beside it.
	chartWidth, chartHeight = 1000.0, 200.0
)

// timeline is the charts of all targets over one axis of time.
type timeline struct {
	Seconds float64
	Bands   []band
	Keys    []string // kinds of band that are there
	Charts  []chart
}

// band is a shaded stretch of the run.
type band struct {
	Key     string  `json:"k"` // load, settle, look or trial
	From    float64 `json:"a"` // seconds
	To      float64 `json:"b"` // seconds
	Round   int     `json:"r,omitempty"`
	X       float64 `json:"-"`
	Width   float64 `json:"-"`
	Percent string  `json:"-"` // where its number stands; empty where there is no room
}

// chart is a target's goroutines over time, with what leaks in it.
type chart struct {
	verdict.Target
	Index  int
	Most   int // goroutines
	Top    int // goroutines at the upper edge
	Leaked int // goroutines of the target's confirmed findings
	Rise   int // goroutines more than at baseline
	Line   string
	Areas  []area
}

// area is a leaked stack's goroutines over time.
type area struct {
	Name    string    `json:"name"`
	Seconds []float64 `json:"t"`
	Counts  []int     `json:"c"`
	Colour  int       `json:"-"`
	Points  string    `json:"-"`
}

// series is a chart as the script reads it.
type series struct {
	Name   string    `json:"name"`
	S      []float64 `json:"s"`
	N      []int     `json:"n"`
	Stacks []area    `json:"stacks"`
}

// Data is what the script draws.
func (t timeline) Data() any {
	out := struct {
		Seconds float64  `json:"seconds"`
		Bands   []band   `json:"bands"`
		Charts  []series `json:"charts"`
	}{t.Seconds, t.Bands, []series{}}
	for _, c := range t.Charts {
		s := series{Name: printable(c.Name), Stacks: c.Areas}
		for _, p := range c.Series {
			s.S, s.N = append(s.S, p.Second), append(s.N, p.Goroutines)
		}
		out.Charts = append(out.Charts, s)
	}
	return out
}

// Open are the charts to look at, Folded the others.
func (t timeline) Open() []chart   { return t.Charts[:min(len(t.Charts), openCharts)] }
func (t timeline) Folded() []chart { return t.Charts[min(len(t.Charts), openCharts):] }

// Drawn reports whether there is anything for a script to draw.
func (t timeline) Drawn() bool {
	return slices.ContainsFunc(t.Charts, func(c chart) bool { return len(c.Series) > 0 })
}

func timelineOf(v verdict.Verdict) timeline {
	t := timeline{Seconds: v.Timing.Wall}
	for _, target := range v.Targets {
		for _, p := range target.Series {
			t.Seconds = max(t.Seconds, p.Second)
		}
	}
	if t.Seconds <= 0 {
		t.Seconds = 1
	}
	t.Bands = bandsOf(v.Timing.Phases, t.Seconds)
	for _, key := range []string{"load", "settle", "look", "trial"} {
		if slices.ContainsFunc(t.Bands, func(b band) bool { return b.Key == key }) {
			t.Keys = append(t.Keys, key)
		}
	}
	byTarget := map[string][]verdict.Finding{}
	for _, f := range v.Findings {
		byTarget[f.Target] = append(byTarget[f.Target], f)
	}
	for _, target := range v.Targets {
		c := chart{Target: target}
		for _, f := range byTarget[target.Name] {
			if certain(f) {
				c.Leaked += grown(f)
			}
		}
		if n := len(target.Totals); n > 0 {
			c.Rise = target.Totals[n-1] - target.Totals[0]
		}
		t.Charts = append(t.Charts, c)
	}
	slices.SortStableFunc(t.Charts, func(a, b chart) int {
		return cmp.Or(cmp.Compare(b.Leaked, a.Leaked), cmp.Compare(b.Rise, a.Rise))
	})
	for i := range t.Charts {
		c := &t.Charts[i]
		c.Index = i
		c.draw(areasOf(byTarget[c.Name], v.Timing.Phases), t.Seconds)
	}
	return t
}

func bandsOf(phases []record.Phase, seconds float64) []band {
	keys := map[record.Kind]string{
		record.Warmup: "load", record.Round: "load", record.Baseline: "settle", record.Settling: "settle",
		record.Confirm: "look", record.Trying: "trial",
	}
	out := []band{}
	for _, p := range phases {
		key, ok := keys[p.Kind]
		if !ok || p.End <= p.Start {
			continue
		}
		b := band{Key: key, From: tenth(p.Start.Seconds()), To: tenth(p.End.Seconds())}
		b.X, b.Width = tenth(b.From/seconds*chartWidth), tenth((b.To-b.From)/seconds*chartWidth)
		if p.Kind == record.Round {
			b.Round = p.Round
			if b.Width > chartWidth/25 {
				b.Percent = fmt.Sprintf("%.1f%%", (b.X+b.Width/2)/chartWidth*100)
			}
		}
		out = append(out, b)
	}
	return out
}

// areasOf puts each finding's counts at the ends of the windows in which they
// were taken: the baseline, what followed each round, and the long look.
func areasOf(fs []verdict.Finding, phases []record.Phase) []area {
	var ends []float64
	look := 0.0
	for _, p := range phases {
		switch p.Kind {
		case record.Baseline, record.Settling:
			ends = append(ends, p.End.Seconds())
		case record.Confirm:
			look = p.End.Seconds()
		}
	}
	var out []area
	for _, f := range fs {
		if len(f.Counts) == 0 || len(f.Counts) > len(ends) || f.Is(verdict.Held) {
			continue // the times of these windows are not known
		}
		a := area{Name: printable(shortName(f)), Counts: slices.Clone(f.Counts)}
		for _, s := range ends[len(ends)-len(f.Counts):] {
			a.Seconds = append(a.Seconds, tenth(s))
		}
		if f.Kept != nil && look > ends[len(ends)-1] {
			a.Seconds, a.Counts = append(a.Seconds, tenth(look)), append(a.Counts, *f.Kept)
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b area) int { return cmp.Compare(b.Counts[len(b.Counts)-1], a.Counts[len(a.Counts)-1]) })
	return fewAreas(out)
}

// fewAreas sums up the smallest, since a reader tells only a few colours apart.
func fewAreas(all []area) []area {
	if len(all) <= maxAreas {
		return all
	}
	out := slices.Clone(all[:maxAreas-1])
	rest := area{Name: plural(len(all)-maxAreas+1, "other stack")}
	for _, a := range all[maxAreas-1:] {
		if len(a.Seconds) > len(rest.Seconds) {
			rest.Seconds = a.Seconds
		}
	}
	rest.Counts = make([]int, len(rest.Seconds))
	for i, s := range rest.Seconds {
		for _, a := range all[maxAreas-1:] {
			rest.Counts[i] += int(math.Round(a.at(s)))
		}
	}
	return append(out, rest)
}

// at is the area's height at a moment: between two windows it is a straight line.
func (a area) at(second float64) float64 {
	n := len(a.Seconds)
	if n == 0 || second < a.Seconds[0] {
		return 0
	}
	for i := 1; i < n; i++ {
		if second <= a.Seconds[i] {
			share := (second - a.Seconds[i-1]) / max(a.Seconds[i]-a.Seconds[i-1], 1e-9)
			return float64(a.Counts[i-1]) + share*float64(a.Counts[i]-a.Counts[i-1])
		}
	}
	return float64(a.Counts[n-1])
}

func (c *chart) draw(areas []area, seconds float64) {
	c.Areas = areas
	if c.Areas == nil {
		c.Areas = []area{}
	}
	for _, p := range c.Series {
		c.Most = max(c.Most, p.Goroutines)
	}
	c.Top = niceTop(c.Most)
	points := c.Series
	if c.Index >= openCharts {
		points = thinned(points, foldedPoints)
	}
	var b strings.Builder
	for _, p := range points {
		c.point(&b, p.Second, float64(p.Goroutines), seconds)
	}
	c.Line = b.String()
	var xs []float64
	for _, a := range areas {
		xs = append(xs, a.Seconds...)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	for i := range c.Areas {
		c.Areas[i].Colour, c.Areas[i].Points = i, c.outline(xs, i, seconds)
	}
}

// outline is the polygon of area i on top of those before it.
func (c *chart) outline(xs []float64, i int, seconds float64) string {
	height := func(n int, x float64) float64 {
		sum := 0.0
		for _, a := range c.Areas[:n] {
			sum += a.at(x)
		}
		return sum
	}
	var b strings.Builder
	for _, x := range xs {
		c.point(&b, x, height(i+1, x), seconds)
	}
	for _, x := range slices.Backward(xs) {
		c.point(&b, x, height(i, x), seconds)
	}
	return b.String()
}

func (c *chart) point(b *strings.Builder, second, n, seconds float64) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(strconv.FormatFloat(tenth(second/seconds*chartWidth), 'f', -1, 64))
	b.WriteByte(',')
	b.WriteString(strconv.FormatFloat(tenth(chartHeight-min(n/float64(c.Top), 1)*chartHeight), 'f', -1, 64))
}

// thinned keeps the peak of each stretch, so that none is hidden.
func thinned(points []verdict.Point, most int) []verdict.Point {
	if len(points) <= most {
		return points
	}
	step := (len(points) + most - 1) / most
	var out []verdict.Point
	for part := range slices.Chunk(points, step) {
		out = append(out, slices.MaxFunc(part, func(a, b verdict.Point) int { return cmp.Compare(a.Goroutines, b.Goroutines) }))
	}
	return out
}

// niceTop is the smallest 1, 2 or 5 times a power of ten, in quarters, that holds n.
func niceTop(n int) int {
	if n < 4 {
		return 4
	}
	power := math.Pow(10, math.Floor(math.Log10(float64(n))))
	for _, f := range []float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10} {
		if top := f * power; top >= float64(n) {
			return int(math.Ceil(top))
		}
	}
	return n
}

func tenth(x float64) float64 { return math.Round(x*10) / 10 }
