// Package rules hands a plan's thresholds on to production: Prometheus recording
// and alert rules, unit tests for them, and a Grafana dashboard. It writes values;
// it asks no server.
package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/promql"
)

// Config is what the rules depend on.
type Config struct {
	Service   string        // value of the label service, and of every title
	Selector  string        // the service's series, as {job="checkout"}
	Metric    string        // that counts its goroutines; empty: by its usual names
	Slope     float64       // goroutines per second and instance that are suspect
	Tolerance int           // goroutines by which an instance may rise in an hour
	Percent   float64       // the same by which its daily floor may rise, of the floor
	Most      int           // goroutines that an instance is never to reach
	Memory    uint64        // bytes that an instance may use; 0: not known
	Budget    time.Duration // of leak-suspected operation in 30 days
}

const (
	// usualDetect is the leak that is suspect where the plan names none: one goroutine
	// in so many requests.
	usualDetect = 1000
	// leastSlope is the slope, in goroutines per second, below which the noise of a
	// scrape interval is all that is seen: seven an hour.
	leastSlope = 0.002
	// usualRate is for plans that load as fast as they can, in requests per second.
	usualRate = 100
)

// FromPlan takes a plan's thresholds. Without a selector, it is the plan's one
// target's, or a job of the plan's name. The error is of a selector or a service that
// is none.
func FromPlan(p *plan.Plan, service, selector string) (Config, error) {
	c := Config{Service: cmp.Or(service, p.Name), Tolerance: p.Policy.Goroutines.Tolerance, Percent: p.Policy.Goroutines.Percent, Most: p.Safety.Goroutines, Memory: uint64(p.Production.Memory), Budget: time.Duration(p.Production.Budget)}
	var selectors []string
	for _, t := range p.Targets {
		if t.Selector != "" && !slices.Contains(selectors, t.Selector) {
			selectors = append(selectors, t.Selector)
		}
	}
	switch {
	case selector != "":
	case len(selectors) == 1:
		selector = selectors[0]
	case len(selectors) > 1:
		return c, fmt.Errorf("the plan has %d selectors; say by --selector which series are the service's in production", len(selectors))
	default:
		selector = fmt.Sprintf("{job=%q}", c.Service)
	}
	parsed, err := promql.ParseCount(selector)
	if err != nil {
		return c, fmt.Errorf("the selector %s %w", selector, err)
	}
	c.Metric, c.Selector = parsed.Metric, parsed.Braces()
	for _, text := range []string{c.Service, c.Selector} {
		if strings.Contains(text, "${") {
			return c, fmt.Errorf("%s has a variable that is not set: set it, or give --service and --selector", text)
		}
	}
	rate, instances := float64(p.Production.Rate), p.Production.Replicas
	if rate <= 0 { // a selector stands for any number of instances: the slowest leak is that of one
		rate, instances = float64(p.Load.Rate), max(len(p.Targets), p.Production.Replicas)
	}
	if rate <= 0 {
		rate = usualRate
	}
	c.Slope = max(leastSlope, rate/float64(max(instances, 1))/float64(cmp.Or(int(p.Policy.Detect), usualDetect)))
	c.Slope = math.Round(c.Slope*1e5) / 1e5
	return c, nil
}

// rise is the growth of an instance's floor within an hour, in goroutines, that
// goes with the slope: half of what the slope comes to.
func (c Config) rise() float64 {
	return math.Ceil(max(float64(c.Tolerance), c.Slope*3600/2))
}

type (
	file struct {
		Groups []group `yaml:"groups"`
	}
	group struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval"`
		Rules    []rule `yaml:"rules"`
	}
	rule struct {
		Record      string            `yaml:"record,omitempty"`
		Alert       string            `yaml:"alert,omitempty"`
		Expr        string            `yaml:"expr"`
		For         string            `yaml:"for,omitempty"`
		Labels      map[string]string `yaml:"labels,omitempty"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
)

// Names of what is recorded.
const (
	Goroutines = "leakgate:goroutines"
	Suspected  = "leakgate:leak_suspected"
	OfService  = "leakgate:leak_suspected:service"
	minutes    = "leakgate:leak_suspected_minutes:30d"
	slope      = "leakgate:goroutines:slope30m"
	floor      = "leakgate:goroutines:floor15m"
	ceiling    = "leakgate:goroutines:ceiling15m"
	daily      = "leakgate:goroutines:floor1d"
)

// count is the number of goroutines of every instance, whatever its exporter calls it.
func (c Config) count() string {
	names := promql.Counters()
	if c.Metric != "" {
		names = []string{c.Metric}
	}
	for i, n := range names {
		names[i] = promql.WithMetric(n, c.Selector)
	}
	return strings.Join(names, "\nor ")
}

// mine selects a recorded series of the service.
func (c Config) mine(name string) string { return fmt.Sprintf("%s{service=%q}", name, c.Service) }

// SuspectedExpr is 1 for an instance whose goroutines rise as a leak's do, else 0:
// they rise over half an hour, and the least of the last minutes is above the most
// of an hour ago. Load that comes and goes does the first, and does not do the
// second for long; a level that is high does neither.
func (c Config) suspectedExpr() string {
	return fmt.Sprintf("(%s > bool %g)\n* (%s - %s offset 1h > bool %g)\nor %s * 0",
		c.mine(slope), c.Slope, c.mine(floor), c.mine(ceiling), c.rise(), c.mine(slope))
}

// creeps tells that the floor of a day, some days ago, was above that of the day
// before by more than the plan's tolerance. Days have a quiet hour, whatever the load
// is at noon; a step, as of a larger pool, is one day's; a week's rhythm is that of the
// week before.
func (c Config) creeps(days int) string {
	at, before := c.mine(daily), fmt.Sprintf("%s offset %dd", c.mine(daily), days+1)
	if days > 0 {
		at += fmt.Sprintf(" offset %dd", days)
	}
	return fmt.Sprintf("(%[1]s - %[2]s) > %[3]d and (%[1]s - %[2]s) > %[4]g * (%[2]s)", at, before, c.Tolerance, c.Percent/100)
}

// Suspicion is the same of what was never recorded, for a look back.
func (c Config) Suspicion() string {
	count := "(" + c.count() + ")"
	return fmt.Sprintf("max((deriv(%[1]s[30m:1m]) > bool %[2]g) * (min_over_time(%[1]s[15m:1m]) - max_over_time(%[1]s[15m:1m] offset 1h) > bool %[3]g) or deriv(%[1]s[30m:1m]) * 0)",
		count, c.Slope, c.rise())
}

// Rules are the recording and alert rules as YAML.
func (c Config) Rules() ([]byte, error) {
	record := group{Name: "leakgate-" + c.Service, Interval: "1m", Rules: []rule{
		{Record: Goroutines, Expr: c.count(), Labels: map[string]string{"service": c.Service}},
		{Record: slope, Expr: fmt.Sprintf("deriv(%s[30m])", c.mine(Goroutines))},
		{Record: floor, Expr: fmt.Sprintf("min_over_time(%s[15m])", c.mine(Goroutines))},
		{Record: ceiling, Expr: fmt.Sprintf("max_over_time(%s[15m])", c.mine(Goroutines))},
		{Record: daily, Expr: fmt.Sprintf("min_over_time(%[1]s[1d])\nand %[1]s offset 1d", c.mine(Goroutines))}, // a whole day, without its start
		{Record: Suspected, Expr: c.suspectedExpr()},
		{Record: OfService, Expr: fmt.Sprintf("max by (service) (%s)", c.mine(Suspected))},
		{Record: minutes, Expr: fmt.Sprintf("sum_over_time(%s[30d])", c.mine(OfService))},
	}}
	alert := group{Name: "leakgate-" + c.Service + "-alerts", Interval: "1m", Rules: c.alerts()}
	return marshal(file{Groups: []group{record, alert}}, "Written by leakgate rules; the thresholds are the plan's. To change them, change the plan and write the file again.")
}

func (c Config) alerts() []rule {
	mark := func(severity string) map[string]string {
		return map[string]string{"service": c.Service, "severity": severity}
	}
	out := []rule{{
		Alert: "GoroutineLeakSuspected", Expr: c.mine(Suspected) + " == 1", For: "30m", Labels: mark("warning"),
		Annotations: map[string]string{
			"summary":     "{{ $labels.instance }} of " + c.Service + " gathers goroutines",
			"description": fmt.Sprintf("More than %g goroutines a second for an hour, and the least of the last minutes is above the most of an hour ago. Capture before anybody restarts it: curl -o goroutines.pb.gz http://INSTANCE/debug/pprof/goroutine, then leakgate diff with a profile of a healthy instance.", c.Slope),
		},
	}}
	if c.Memory > 0 {
		out = append(out, rule{
			Alert: "GoroutineLeakMemory", For: "15m", Labels: mark("critical"),
			Expr: fmt.Sprintf("predict_linear(process_resident_memory_bytes%s[1h], 6 * 3600) > %d\nand ignoring (service) %s == 1", c.Selector, c.Memory, c.mine(Suspected)),
			Annotations: map[string]string{
				"summary":     "{{ $labels.instance }} of " + c.Service + " will be out of memory in six hours",
				"description": "Goroutines gather, and resident memory rises with them. Roll back to the last build that passed; a restart frees what has leaked, and destroys the evidence.",
			},
		})
	}
	if c.Most > 0 {
		out = append(out, rule{
			Alert: "GoroutineLeakProjection", For: "15m", Labels: mark("critical"),
			Expr: fmt.Sprintf("predict_linear(%s[1h], 4 * 3600) > %d\nand %s == 1", c.mine(Goroutines), c.Most, c.mine(Suspected)),
			Annotations: map[string]string{
				"summary":     fmt.Sprintf("{{ $labels.instance }} of %s will have %d goroutines in four hours", c.Service, c.Most),
				"description": "That many is what the plan's safety.goroutines allows at most.",
			},
		})
	}
	return append(out,
		rule{
			Alert: "GoroutineFloorRises", For: "1h", Labels: mark("warning"),
			Expr: fmt.Sprintf("%s\nand %s\nunless %[3]s - %[3]s offset 7d <= %[4]d", c.creeps(0), c.creeps(1), c.mine(daily), c.Tolerance),
			Annotations: map[string]string{
				"summary":     "the least number of goroutines of {{ $labels.instance }} of " + c.Service + " is higher every day",
				"description": "A leak that is too slow for a slope: the quietest minute of each of the last two days had more goroutines than that of the day before. Compare profiles of the same hour with leakgate diff.",
			},
		},
		rule{
			Alert: "GoroutinesDiverge", For: "30m", Labels: mark("warning"),
			Expr: fmt.Sprintf("%[1]s > 2 * %[2]s\nand %[1]s - %[2]s > %[3]d", c.mine(Goroutines), c.others(), max(100, c.Tolerance)),
			Annotations: map[string]string{
				"summary":     "{{ $labels.instance }} of " + c.Service + " has twice the goroutines that its like have in the mean",
				"description": "Instances that share a load should look alike. One that does not leaks by itself, or has work that the others do not.",
			},
		},
		rule{
			Alert: "GoroutineLeakBudget", Labels: mark("warning"),
			Expr: fmt.Sprintf("%s > %g", c.mine(minutes), c.Budget.Minutes()),
			Annotations: map[string]string{
				"summary":     c.Service + " has used up its budget of leak-suspected operation",
				"description": fmt.Sprintf("More than %g minutes in the last 30 days. leakgate slo --service %s --prometheus URL lists the episodes.", c.Budget.Minutes(), c.Service),
			},
		},
	)
}

// others is, for every instance, the mean of all others; nothing where there are none.
func (c Config) others() string {
	return fmt.Sprintf("((sum by (service) (%[1]s) - on (service) group_right () %[1]s) / on (service) group_left () (count by (service) (%[1]s) - 1 > 0))", c.mine(Goroutines))
}

// marshal writes YAML with a comment on top.
func marshal(v any, comment string) ([]byte, error) {
	b, err := yaml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte("# "+comment+"\n"), b...), nil
}
