package rules

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

type (
	testFile struct {
		RuleFiles []string   `yaml:"rule_files"`
		Interval  string     `yaml:"evaluation_interval"`
		Tests     []unitTest `yaml:"tests"`
	}
	unitTest struct {
		Name     string      `yaml:"name"`
		Interval string      `yaml:"interval"`
		Series   []series    `yaml:"input_series"`
		Alerts   []alertTest `yaml:"alert_rule_test"`
	}
	series struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	alertTest struct {
		At    string     `yaml:"eval_time"`
		Alert string     `yaml:"alertname"`
		Want  []expected `yaml:"exp_alerts"`
	}
	expected struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	}
)

// samples is how many minutes a test lasts.
const samples = 300

// Tests are unit tests for the rules, for `promtool test rules`: a slow leak, a
// burst that recovers, 10,000 steady connections, and one instance apart from its
// like. rules is the name of the rules' file beside it.
func (c Config) Tests(rules string) ([]byte, error) {
	perMinute := max(1, math.Ceil(2*c.Slope*60))
	burst := max(3000, 4*c.rise())
	f := testFile{RuleFiles: []string{rules}, Interval: "1m", Tests: []unitTest{
		{
			Name: "a slow leak, twice the plan's slope", Interval: "1m",
			Series: []series{{c.series("leaks"), fmt.Sprintf("100+%gx%d", perMinute, samples)}},
			Alerts: []alertTest{
				{At: "1h", Alert: "GoroutineLeakSuspected", Want: []expected{}},
				{At: "3h", Alert: "GoroutineLeakSuspected", Want: []expected{c.expect("GoroutineLeakSuspected", "leaks")}},
			},
		},
		{
			Name: "a burst that recovers after 45 minutes", Interval: "1m",
			Series: []series{{c.series("bursts"), fmt.Sprintf("50x60 %gx45 50x%d", 50+burst, samples-105)}},
			Alerts: c.silence("GoroutineLeakSuspected", "GoroutineLeakProjection"),
		},
		{
			Name: "10,000 steady connections", Interval: "1m",
			Series: []series{{c.series("steady"), noise(10000, 60)}},
			Alerts: c.silence("GoroutineLeakSuspected", "GoroutineLeakProjection", "GoroutinesDiverge"),
		},
		{
			Name: "a leak that only shows from day to day, and a pool that is larger from the second day on", Interval: "5m",
			Series: []series{
				{c.series("creeps"), fmt.Sprintf("100+%gx%d", c.creep(), days*perDay)},
				{c.series("steps"), fmt.Sprintf("100x%d 900x%d", perDay, (days-1)*perDay)},
			},
			Alerts: []alertTest{
				{At: "2d", Alert: "GoroutineFloorRises", Want: []expected{}},
				{At: "78h", Alert: "GoroutineFloorRises", Want: []expected{c.expect("GoroutineFloorRises", "creeps")}},
			},
		},
		{
			Name: "two instances, one with three times the goroutines of the other", Interval: "1m",
			Series: []series{{c.series("a"), noise(200, 5)}, {c.series("apart"), noise(float64(3*200+max(100, c.Tolerance)), 5)}},
			Alerts: []alertTest{{At: "2h", Alert: "GoroutinesDiverge", Want: []expected{c.expect("GoroutinesDiverge", "apart")}}},
		},
		{
			Name: "an instance by itself", Interval: "1m",
			Series: []series{{c.series("alone"), noise(2000, 5)}},
			Alerts: c.silence("GoroutinesDiverge"),
		},
		{
			Name: "an instance apart from its like", Interval: "1m",
			Series: []series{{c.series("a"), noise(200, 5)}, {c.series("b"), noise(200, 5)}, {c.series("apart"), noise(2000, 5)}},
			Alerts: []alertTest{
				{At: "2h", Alert: "GoroutinesDiverge", Want: []expected{c.expect("GoroutinesDiverge", "apart")}},
				{At: "2h", Alert: "GoroutineLeakSuspected", Want: []expected{}},
			},
		},
	}}
	return marshal(f, "Written by leakgate rules: promtool test rules "+strings.TrimSuffix(rules, ".yaml")+"_test.yaml")
}

// perDay is how many samples a day has in the test that lasts for days.
const perDay, days = 24 * 60 / 5, 4

// creep is a growth per sample of that test that comes to twice what a day may
// bring, at a floor of up to some hundreds.
func (c Config) creep() float64 {
	return math.Ceil(1000*2*float64(max(c.Tolerance, 1))*(1+c.Percent)/perDay) / 1000
}

// series is a count of goroutines that the selector takes in.
func (c Config) series(instance string) string {
	labels := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(c.Selector), "{"), "}")
	if labels != "" {
		labels += ","
	}
	return fmt.Sprintf("%s{%sinstance=%q}", cmp.Or(c.Metric, "go_goroutines"), labels, instance)
}

// silence asks at every half hour that alerts do not fire.
func (c Config) silence(alerts ...string) []alertTest {
	var out []alertTest
	for at := 30; at < samples; at += 15 {
		for _, a := range alerts {
			out = append(out, alertTest{At: fmt.Sprintf("%dm", at), Alert: a, Want: []expected{}})
		}
	}
	return out
}

// expect is an alert of one instance as it fires.
func (c Config) expect(alert, instance string) expected {
	e := expected{Labels: map[string]string{"instance": instance}, Annotations: map[string]string{}}
	for _, l := range c.labels() {
		e.Labels[l[0]] = l[1]
	}
	for _, r := range c.alerts() {
		if r.Alert != alert {
			continue
		}
		for k, v := range r.Labels {
			e.Labels[k] = v
		}
		for k, v := range r.Annotations {
			e.Annotations[k] = strings.ReplaceAll(v, "{{ $labels.instance }}", instance)
		}
	}
	return e
}

// labels are the equality matchers of the selector.
func (c Config) labels() [][2]string {
	var out [][2]string
	for part := range strings.SplitSeq(strings.Trim(strings.TrimSpace(c.Selector), "{}"), ",") {
		name, value, ok := strings.Cut(part, "=")
		text, err := strconv.Unquote(strings.TrimSpace(value))
		if ok && err == nil {
			out = append(out, [2]string{strings.TrimSpace(name), text})
		}
	}
	return out
}

// Testable tells whether series can be made up that the selector takes in: it has
// equality matchers alone.
func (c Config) Testable() bool {
	inner := strings.Trim(strings.TrimSpace(c.Selector), "{}")
	return len(c.labels()) == strings.Count(inner, ",")+1 && !strings.Contains(inner, "=~") && !strings.Contains(inner, "!")
}

// noise is a level that moves up and down, the same every time.
func noise(level, by float64) string {
	rng := rand.New(rand.NewPCG(1, uint64(level)))
	values := make([]string, samples)
	for i := range values {
		values[i] = strconv.FormatFloat(level+float64(int(by*(2*rng.Float64()-1))), 'f', -1, 64)
	}
	return strings.Join(values, " ")
}
