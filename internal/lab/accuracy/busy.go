package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// busyRuns is how often the healthy service that never comes to rest has to pass,
	// and busyLeaks how often its leaking twin has to fail.
	busyRuns, busyLeaks = 50, 20
	// shortBusy and shortBusyLeaks are the same of the short form.
	shortBusy, shortBusyLeaks = 8, 4
	// busyBatch is how many of them are targets of one run.
	busyBatch = 35
)

// busy tests the verdict on services that never come to rest, because other people
// use them all the time.
func busy(ctx context.Context, o options, reportFile string) (bool, error) {
	runs, leaks := busyRuns, busyLeaks
	if o.short {
		runs, leaks = shortBusy, shortBusyLeaks
	}
	var line []service
	for i := range runs {
		line = append(line, service{Name: fmt.Sprintf("fine-busy-%d", i)})
		if i < leaks {
			line = append(line, service{Name: fmt.Sprintf("leak-busy-%d", i), Leaks: true, Blame: "main.serveOther"})
		}
	}
	passed, failed, unclear, caught, missed, rising := 0, 0, 0, 0, 0, 0
	for batch := range slices.Chunk(line, busyBatch) {
		dir, err := os.MkdirTemp(o.keep, "busy-")
		if err != nil {
			return false, err
		}
		run, v, err := measureRun(ctx, o, batch, dir, func(s service) string { return s.Name[:len("fine-busy")] })
		if o.keep == "" {
			os.RemoveAll(dir)
		}
		if err != nil {
			return false, err
		}
		for _, s := range batch {
			r := resultOf(s, run, v)
			fmt.Println(r.line())
			switch {
			case s.Leaks && r.outcome == verdict.Fail && r.found:
				caught++
			case s.Leaks && r.outcome != verdict.Inconclusive:
				missed++
			case s.Leaks:
			case r.outcome == verdict.Pass:
				passed++
			case r.outcome == verdict.Fail:
				failed++
			default:
				unclear++
			}
		}
		for _, f := range v.Findings {
			if slices.Contains(f.Evidence, verdict.Rising) {
				rising++
			}
		}
	}
	text := fmt.Sprintf("Services that other people use all the time, 60 of whose goroutines are there on average and never the same:\n%d of %d healthy ones passed, %d failed, %d could not be told; %d of %d that leak one goroutine in 40 requests\non the same stack were caught, %d of them by their growth under load alone.\n",
		passed, runs, failed, unclear, caught, leaks, rising)
	fmt.Print(text)
	if reportFile != "" {
		if err := section.Replace(reportFile, "make busy", text); err != nil {
			return false, err
		}
	}
	if o.short { // on a machine that does other things too, not to tell is right
		return failed == 0 && missed == 0, nil
	}
	return passed == runs && caught == leaks, nil
}
