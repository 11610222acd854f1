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
	Selector  string        // the service's series, such as {job="checkout"}
	Metric    string        // metric that counts its goroutines; empty: the usual names
	Slope     float64       // goroutines per second and instance from which growth is suspect
	Tolerance int           // goroutines by which an instance may rise in an hour
	Percent   float64       // of its daily floor, by which that floor may rise
	Most      int           // goroutines that an instance must never reach
	Memory    uint64        // memory limit of an instance in bytes; 0: unknown
	Budget    time.Duration // of time with a suspected leak in 30 days
}

const (
	// usualDetect is the leak that is suspect if the plan has no policy.detect: one
	// goroutine in so many requests.
	usualDetect = 1000
	// leastSlope is the slope, in goroutines per second, below which only noise is seen:
	// seven goroutines an hour.
	leastSlope = 0.002
	// usualRate is for plans that load as fast as they can, in requests per second.
	usualRate = 100
)

// FromPlan takes the thresholds from a plan. The default selector is that of the plan's
// only target, or else the job that is named like the plan. The error is about a selector
// or a service that is not valid.
func FromPlan(p *plan.Plan, service, selector string) (Config, error) {
	c := Config{
		Service: cmp.Or(service, p.Name), Tolerance: p.Policy.Goroutines.Tolerance,
		Percent: p.Policy.Goroutines.Percent, Most: p.Safety.Goroutines,
		Memory: uint64(p.Production.Memory), Budget: time.Duration(p.Production.Budget),
	}
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
		return c, fmt.Errorf("the plan has %d selectors; say with --selector which series the service has in production",
			len(selectors))
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
			return c, fmt.Errorf("%s has a variable that is not set: set it, or use --service and --selector", text)
		}
	}
	rate, instances := float64(p.Production.Rate), max(p.Production.Replicas, 1)
	if rate <= 0 { // a selector may match any number of instances: the slowest leak is that of one
		rate, instances = float64(p.Load.Rate), max(len(p.Targets), p.Production.Replicas)
	}
	if rate <= 0 {
		rate = usualRate
	}
	c.Slope = max(leastSlope, rate/float64(max(instances, 1))/float64(cmp.Or(int(p.Policy.Detect), usualDetect)))
	c.Slope = math.Round(c.Slope*1e5) / 1e5
	return c, nil
}

// rise is how much an instance's floor has to rise within an hour, in goroutines, to be
// suspect: half of what the slope amounts to.
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

// count is a query for the number of goroutines of every instance, whatever the exporter
// calls the metric.
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

// suspectedExpr is 1 for an instance whose goroutines grow like a leak, else 0: they rise
// over half an hour, and the minimum of the last minutes is above the maximum of an hour
// ago. Load that comes and goes meets the first condition, but not the second for long; a
// high level meets neither.
func (c Config) suspectedExpr() string {
	return fmt.Sprintf("(%s > bool %g)\n* (%s - %s offset 1h > bool %g)\nor %s * 0",
		c.mine(slope), c.Slope, c.mine(floor), c.mine(ceiling), c.rise(), c.mine(slope))
}

// creeps is a condition: the floor of a day, some days ago, was above that of the day
// before by more than the plan's tolerance. Every day has a quiet hour, whatever the load
// at noon. A step, such as a larger pool, shows on one day only; a weekly rhythm also shows
// in the week before.
func (c Config) creeps(days int) string {
	at, before := c.mine(daily), fmt.Sprintf("%s offset %dd", c.mine(daily), days+1)
	if days > 0 {
		at += fmt.Sprintf(" offset %dd", days)
	}
	return fmt.Sprintf("(%[1]s - %[2]s) > %[3]d and (%[1]s - %[2]s) > %[4]g * (%[2]s)",
		at, before, c.Tolerance, c.Percent/100)
}

// Suspicion is suspectedExpr over raw counts, for looking back at a time when the rules
// did not yet record anything.
func (c Config) Suspicion() string {
	count := "(" + c.count() + ")"
	return fmt.Sprintf("max((deriv(%[1]s[30m:1m]) > bool %[2]g) * (min_over_time(%[1]s[15m:1m]) - "+
		"max_over_time(%[1]s[15m:1m] offset 1h) > bool %[3]g) or deriv(%[1]s[30m:1m]) * 0)",
		count, c.Slope, c.rise())
}

// Rules returns the recording and alert rules as YAML.
func (c Config) Rules() ([]byte, error) {
	record := group{Name: "leakgate-" + c.Service, Interval: "1m", Rules: []rule{
		{Record: Goroutines, Expr: c.count(), Labels: map[string]string{"service": c.Service}},
		{Record: slope, Expr: fmt.Sprintf("deriv(%s[30m])", c.mine(Goroutines))},
		{Record: floor, Expr: fmt.Sprintf("min_over_time(%s[15m])", c.mine(Goroutines))},
		{Record: ceiling, Expr: fmt.Sprintf("max_over_time(%s[15m])", c.mine(Goroutines))},
		// "offset 1d" leaves out instances that were not there for the whole day.
		{Record: daily, Expr: fmt.Sprintf("min_over_time(%[1]s[1d])\nand %[1]s offset 1d", c.mine(Goroutines))},
		{Record: Suspected, Expr: c.suspectedExpr()},
		{Record: OfService, Expr: fmt.Sprintf("max by (service) (%s)", c.mine(Suspected))},
		{Record: minutes, Expr: fmt.Sprintf("sum_over_time(%s[30d])", c.mine(OfService))},
	}}
	alert := group{Name: "leakgate-" + c.Service + "-alerts", Interval: "1m", Rules: c.alerts()}
	return marshal(file{Groups: []group{record, alert}},
		"Generated by leakgate rules; the thresholds come from the plan. To change them, change the plan and run it again.")
}

// others is a query for the average of all other instances, for every instance; it has no
// result for one that is alone.
func (c Config) others() string {
	return fmt.Sprintf("((sum by (service) (%[1]s) - on (service) group_right () %[1]s) / "+
		"on (service) group_left () (count by (service) (%[1]s) - 1 > 0))", c.mine(Goroutines))
}

// marshal writes YAML with a comment on top.
func marshal(v any, comment string) ([]byte, error) {
	b, err := yaml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte("# "+comment+"\n"), b...), nil
}
