package main

import (
	"time"

	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/record"
)

// observer passes on what happens to the live display, if there is one.
type observer struct{ Live *report.Live }

func (o *observer) Begin(p record.Phase, planned time.Duration, note string) {
	if o.Live != nil {
		o.Live.Begin(p, planned, note)
	}
}

func (o *observer) Sample(s record.Sample) {
	if o.Live != nil {
		o.Live.Sample(s)
	}
}

func (o *observer) Load(l record.Load) {
	if o.Live != nil {
		o.Live.Load(l)
	}
}

func (o *observer) Say(text string) {
	if o.Live != nil {
		o.Live.Say(text)
	}
}
