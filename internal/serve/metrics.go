package serve

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/leakgate/leakgate/verdict"
)

// postedLabel is the plan of every posted plan, in metrics: whoever posts plans gives them
// names, and each would be series of its own.
const postedLabel = "(posted)"

// metrics are what the server says of its runs. The labels of a plan are bounded by the
// plans that are mounted.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	findings *prometheus.GaugeVec
	outcome  *prometheus.GaugeVec
	ended    *prometheus.GaugeVec
}

// durations are the buckets of a run's time in seconds: a healthy service takes one to two
// minutes, a leak some six, what never settles an hour.
func durations() []float64 { return []float64{30, 60, 90, 120, 180, 300, 480, 720, 1200, 1800, 3600} }

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leakgate_runs_total",
			Help: "Runs that ended, by outcome."}, []string{"plan", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leakgate_run_duration_seconds",
			Help: "How long runs took, without their time in the queue.", Buckets: durations()}, []string{"plan"}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leakgate_findings",
			Help: "Confirmed leaks of the last run that passed or failed."}, []string{"plan"}),
		outcome: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leakgate_last_run_outcome",
			Help: "1 for the outcome of the last run, 0 for the others."}, []string{"plan", "outcome"}),
		ended: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leakgate_last_run_timestamp_seconds",
			Help: "When the last run ended, in seconds since 1970."}, []string{"plan"}),
	}
	queued := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leakgate_runs_queued", Help: "Runs that wait."},
		func() float64 { n, _ := s.counts(); return float64(n) })
	running := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leakgate_runs_running", Help: "Runs under way."},
		func() float64 { _, n := s.counts(); return float64(n) })
	m.registry.MustRegister(m.runs, m.duration, m.findings, m.outcome, m.ended, queued, running,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// finished counts a run that ended just now.
func (m *metrics) finished(r Run) {
	m.runs.WithLabelValues(label(r), string(r.Outcome)).Inc()
	if !r.Started.IsZero() {
		m.duration.WithLabelValues(label(r)).Observe(r.Ended.Sub(r.Started).Seconds())
	}
	m.last(r)
}

// last shows a run as its plan's latest.
func (m *metrics) last(r Run) {
	plan := label(r)
	for _, o := range []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Inconclusive} {
		value := 0.0
		if o == r.Outcome {
			value = 1
		}
		m.outcome.WithLabelValues(plan, string(o)).Set(value)
	}
	m.ended.WithLabelValues(plan).Set(float64(r.Ended.UnixMilli()) / 1000) // milliseconds are in seconds there
	if r.Findings != nil && r.Outcome != verdict.Inconclusive {
		m.findings.WithLabelValues(plan).Set(float64(*r.Findings))
	}
}

func label(r Run) string {
	if r.Posted {
		return postedLabel
	}
	return r.Plan
}
