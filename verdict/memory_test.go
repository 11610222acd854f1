package verdict_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

const kib, mib = 1 << 10, 1 << 20

// held adds memory to a run: at baseline and after each round, in MiB.
func held(run record.Run, heap, resident []float64, threads []int) record.Run {
	for i, h := range heap {
		kind := record.Settling
		if i == 0 {
			kind = record.Baseline
		}
		m := record.Memory{Target: target, Kind: kind, Round: i, Heap: uint64(h * mib), Objects: 1000, Stacks: 4 * mib, Runtime: 40 * mib}
		if resident != nil {
			m.Resident = uint64(resident[i] * mib)
		}
		if threads != nil {
			m.Threads = threads[i]
		}
		run.Memories = append(run.Memories, m)
	}
	return run
}

func TestQuadrants(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait"
	quiet := script{stacks: map[string][]int{f: {5, 5, 5}}}
	leaks := script{stacks: map[string][]int{f: {5, 1005, 2005}}, requests: 1000, looks: map[string][]int{f: {2005}}, lookFrom: 150 * time.Second}
	for _, c := range []struct {
		name           string
		in             script
		heap, resident []float64
		threads        []int
		want           verdict.Quadrant
		warn           string
	}{
		{name: "nothing grew", in: quiet, heap: []float64{20, 20.1, 20.05}, resident: []float64{60, 61, 61}, want: verdict.NoneGrew},
		// 16 KiB per goroutine: 1,000 of them a round are 15.6 MiB.
		{name: "a leak that retains", in: leaks, heap: []float64{20, 36.1, 52.2}, want: verdict.BothGrew},
		// A goroutine's own descriptor and a channel: 500 bytes each.
		{name: "a leak that retains nothing", in: leaks, heap: []float64{20, 20.5, 21}, want: verdict.GoroutinesGrew},
		{name: "a slice that only grows", in: quiet, heap: []float64{20, 36, 52}, want: verdict.HeapGrew, warn: "heap-growing"},
		// Its twin: a cache that fills and is full.
		{name: "a cache that fills", in: quiet, heap: []float64{20, 36, 40}, want: verdict.NoneGrew},
		{name: "a heap that goes up and down", in: quiet, heap: []float64{20, 36, 30}, want: verdict.NoneGrew},
		// Less than five in a hundred of what was there.
		{name: "a large heap that moves", in: quiet, heap: []float64{200, 204, 208}, want: verdict.NoneGrew},
		{name: "mapped memory", in: quiet, heap: []float64{20, 20, 20}, resident: []float64{60, 76, 92}, want: verdict.ResidentGrew, warn: "resident-growing"},
		// Resident memory follows the heap: it is the heap's growth.
		{name: "resident memory of the heap", in: quiet, heap: []float64{20, 36, 52}, resident: []float64{60, 76, 92}, want: verdict.HeapGrew, warn: "heap-growing"},
		{name: "threads stuck in system calls", in: leaks, heap: []float64{20, 20.5, 21}, threads: []int{12, 112, 212}, want: verdict.GoroutinesGrew, warn: "threads-growing"},
		{name: "threads of a burst", in: quiet, heap: []float64{20, 20, 20}, threads: []int{12, 60, 60}, want: verdict.NoneGrew},
	} {
		v := verdict.Judge(held(c.in.run(), c.heap, c.resident, c.threads), policy())
		if len(v.Memory) != 1 || v.Memory[0].Quadrant != c.want {
			t.Errorf("Judge(%s) has memory %+v, want %s", c.name, v.Memory, c.want)
		}
		var warned []string
		for _, w := range v.Warnings {
			if strings.HasSuffix(w.Code, "-growing") {
				warned = append(warned, w.Code)
			}
		}
		if got := strings.Join(warned, " "); got != c.warn {
			t.Errorf("Judge(%s) warns %q, want %q", c.name, got, c.warn)
		}
	}
}

// What every goroutine keeps is found although the heap does something else in
// one round, and without the runtime's own part of it.
func TestRetained(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait"
	in := script{stacks: map[string][]int{f: {5, 1005, 2005, 3005, 4005}}, requests: 1000, looks: map[string][]int{f: {4005}}, lookFrom: 150 * time.Second}
	for _, each := range []float64{4 * kib, 64 * kib} {
		heap := make([]float64, 5)
		for i := range heap {
			heap[i] = 20 + float64(i)*1000*(each+448)/mib
		}
		heap[2] += 30 // a cache that was cleared again
		v := verdict.Judge(held(in.run(), heap, nil, nil), policy())
		r := v.Memory[0].Each
		if r == nil || math.Abs(float64(r.Heap)-each) > 0.02*each {
			t.Errorf("every goroutine keeps %+v, want %.0f bytes", r, each)
		}
	}
}

// Memory fails a plan that asks for it, after four rounds and a long look.
func TestMemoryFails(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait"
	rounds := func(n int) script { return script{stacks: map[string][]int{f: slices.Repeat([]int{5}, n+1)}} }
	grown := func(n int) []float64 {
		out := make([]float64, n+1)
		for i := range out {
			out[i] = 20 + 16*float64(i)
		}
		return out
	}
	look := func(run record.Run, heap float64) record.Run {
		l := run.Loads[len(run.Loads)-1]
		run.Memories = append(run.Memories, record.Memory{At: l.End + 150*time.Second, Target: target, Kind: record.Confirm, Round: l.Round, Heap: uint64(heap * mib)})
		return run
	}
	for _, c := range []struct {
		name  string
		react verdict.Reaction
		run   record.Run
		want  verdict.Outcome
		next  verdict.Action
	}{
		{"four rounds and a look", verdict.ReactFail, look(held(rounds(4).run(), grown(4), nil, nil), 84), verdict.Fail, verdict.Stop},
		{"gone in the look", verdict.ReactFail, look(held(rounds(4).run(), grown(4), nil, nil), 24), verdict.Pass, verdict.Stop},
		{"no look yet", verdict.ReactFail, held(rounds(4).run(), grown(4), nil, nil), verdict.Inconclusive, verdict.Watch},
		{"two rounds", verdict.ReactFail, held(rounds(2).run(), grown(2), nil, nil), verdict.Inconclusive, verdict.Load},
		{"level", verdict.ReactFail, held(rounds(2).run(), []float64{20, 20, 20}, nil, nil), verdict.Pass, verdict.Stop},
		{"a warning is enough", verdict.ReactWarn, held(rounds(2).run(), grown(2), nil, nil), verdict.Pass, verdict.Stop},
		{"ignored", verdict.ReactIgnore, held(rounds(2).run(), grown(2), nil, nil), verdict.Pass, verdict.Stop},
	} {
		p := policy()
		p.Heap = c.react
		v := verdict.Judge(c.run, p)
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
		if s := verdict.Next(c.run, p); s.Action != c.next {
			t.Errorf("Next(%s) = %v %q, want %v", c.name, s.Action, s.Why, c.next)
		}
		if warned := slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == "heap-growing" }); warned != (c.react == verdict.ReactWarn) {
			t.Errorf("Judge(%s) warns: %v", c.name, v.Warnings)
		}
		if v.Outcome == verdict.Fail && !strings.Contains(v.Headline, "heap grew") {
			t.Errorf("Judge(%s) says %q, want that the heap grew", c.name, v.Headline)
		}
	}
}

// Goroutines that a rule ignores excuse no heap.
func TestMemoryBesideIgnored(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait"
	run := held(script{stacks: map[string][]int{f: {5, 405, 805, 1205, 1605}}}.run(), []float64{10, 110, 210, 310, 410}, nil, nil)
	l := run.Loads[len(run.Loads)-1]
	run.Memories = append(run.Memories, record.Memory{At: l.End + 150*time.Second, Target: target, Kind: record.Confirm, Round: l.Round, Heap: 410 * mib})
	p := policy()
	p.Heap, p.Ignore = verdict.ReactFail, []verdict.Rule{{Function: "wait$", Reason: "known"}}
	v := verdict.Judge(run, p)
	if v.Outcome != verdict.Fail || check(v, "heap").Code != "heap-growing" || !strings.Contains(v.Headline, "a rule ignores") {
		t.Errorf("Judge = %s (%s), want the heap to fail", v.Outcome, v.Headline)
	}
}

// What the plan wants to fail on has to be known in every window, or there is no
// verdict.
func TestMemoryMissing(t *testing.T) {
	in := script{stacks: map[string][]int{"example.com/shop.(*Shop).wait": slices.Repeat([]int{5}, 5)}}
	half := held(in.run(), []float64{20, 20, 20, 20, 20}, nil, nil)
	half.Memories = slices.DeleteFunc(half.Memories, func(m record.Memory) bool { return m.Round == 3 })
	known := held(in.run(), []float64{20, 20, 20, 20, 20}, nil, nil)
	for _, c := range []struct {
		name string
		run  record.Run
		set  func(*verdict.Policy)
		want verdict.Outcome
	}{
		{"nothing known, heap", in.run(), func(p *verdict.Policy) { p.Heap = verdict.ReactFail }, verdict.Inconclusive},
		{"nothing known, threads", in.run(), func(p *verdict.Policy) { p.Threads = verdict.ReactFail }, verdict.Inconclusive},
		{"a window missing", half, func(p *verdict.Policy) { p.Heap = verdict.ReactFail }, verdict.Inconclusive},
		{"the most since the start alone", known, func(p *verdict.Policy) { p.Resident = verdict.ReactFail }, verdict.Inconclusive},
		{"all known", known, func(p *verdict.Policy) { p.Heap = verdict.ReactFail }, verdict.Pass},
		{"nothing known, a warning", in.run(), func(p *verdict.Policy) { p.Heap = verdict.ReactWarn }, verdict.Pass},
	} {
		p := policy()
		c.set(&p)
		if v := verdict.Judge(c.run, p); v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
	}
}

// The place on the heap that goes with a finding is named with it: by its
// function, or by another of the stack whose objects are as many.
func TestSameCause(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait.func1"
	in := script{stacks: map[string][]int{f: {5, 1005, 2005}}, requests: 1000, looks: map[string][]int{f: {2005}}, lookFrom: 150 * time.Second}
	site := func(objects, size int64, functions ...string) stacks.Site {
		s := stacks.Site{Key: fmt.Sprint(functions), Objects: objects, Bytes: objects * size}
		for _, name := range functions {
			s.Frames = append(s.Frames, stacks.Frame{Function: name, File: "shop.go", Line: 7, Std: !strings.Contains(name, "/")})
		}
		return s
	}
	for _, c := range []struct {
		name string
		site stacks.Site
		want bool
	}{
		{"allocated where the goroutine was started", site(1950, 4096, "bufio.NewReaderSize", "example.com/shop.(*Shop).wait", "example.com/shop.handle"), true},
		// Two objects per goroutine, of the same function.
		{"twice as many", site(4000, 4096, "example.com/shop.(*Shop).wait"), true},
		{"somewhere else", site(2000, 4096, "example.com/shop.(*Cache).fill"), false},
		{"too small to matter", site(2000, 16, "example.com/shop.(*Shop).wait"), false},
	} {
		run := held(in.run(), []float64{20, 30, 40}, nil, nil)
		run.Memories[0].Profile = &stacks.Heap{}
		run.Memories[2].Profile = &stacks.Heap{Sites: []stacks.Site{c.site, site(2000, 448, "runtime.malg")}}
		v := verdict.Judge(run, policy())
		if len(v.Findings) != 1 {
			t.Fatalf("%d findings, want 1", len(v.Findings))
		}
		got := v.Findings[0].Retains
		if (got != nil) != c.want {
			t.Errorf("%s: the finding retains %+v, want one: %v", c.name, got, c.want)
		}
		if got != nil && (got.Objects != c.site.Objects || got.From != c.site.Frames[0].Function || !strings.Contains(got.Text(), "4.0 KiB")) {
			t.Errorf("%s: the finding retains %q, want %d of 4 KiB", c.name, got.Text(), c.site.Objects)
		}
	}
}
