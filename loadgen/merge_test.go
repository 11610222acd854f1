package loadgen

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// partOf is one of several parts of a round of ten seconds, with one request.
func partOf(n, of int, entry record.Entry, latencies ...time.Duration) Part {
	p := Part{
		Version: PartVersion, Tool: "test", Part: n, Parts: of, Round: 1, Began: noon, Ended: noon.Add(10 * time.Second),
		Load: record.Load{Planned: 10 * time.Second, Asked: 10, Expected: 100, Sent: entry.Sent, Answered: entry.Answered,
			Succeeded: entry.Succeeded, Abandoned: entry.Abandoned, Entries: []record.Entry{entry}},
		Latencies: []*Latencies{NewLatencies()},
	}
	for _, l := range latencies {
		p.Latencies[0].Add(l)
	}
	return p
}

// Quantiles of merged parts are those of all samples together, whatever each part saw: a
// mean of the parts' quantiles would be far off in every row but the first.
func TestMergedQuantiles(t *testing.T) {
	ms := float64(time.Millisecond)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		parts []int // how many requests each sent
		draw  func(part int) float64
	}{
		{"alike", []int{5000, 5000, 5000, 5000}, func(int) float64 { return ms * math.Exp(rnd.NormFloat64()) }},
		// One machine is far away from the service.
		{"one slow machine", []int{5000, 5000, 5000, 5000}, func(p int) float64 {
			return ms * float64(1+p*p*40) * math.Exp(rnd.NormFloat64()/4)
		}},
		// A machine that sent little must not count as one that sent much.
		{"unequal", []int{10000, 100, 100, 20}, func(p int) float64 { return ms * float64(1+p*100) * (1 + rnd.Float64()) }},
		{"two modes", []int{3000, 7000}, func(int) float64 {
			if rnd.Float64() < 0.05 {
				return 900 * ms * (1 + rnd.Float64())
			}
			return ms * (1 + rnd.Float64()/10)
		}},
	} {
		var all []float64
		var sources []Source
		for i, n := range c.parts {
			p := partOf(i+1, len(c.parts), record.Entry{Name: "GET /", Sent: uint64(n)})
			sum := 0.0
			for range n {
				v := math.Round(c.draw(i))
				all, sum = append(all, v), sum+v
				p.Latencies[0].Add(time.Duration(v))
				p.Load.Entries[0].Max = max(p.Load.Entries[0].Max, time.Duration(v))
			}
			p.Load.Entries[0].Mean = time.Duration(sum / float64(n))
			line, err := p.Write()
			if err != nil {
				t.Fatal(err)
			}
			if p, err = ReadPart(line); err != nil {
				t.Fatal(err)
			}
			sources = append(sources, Source{Part: p, Name: fmt.Sprintf("pod-%d", i)})
		}
		got, err := Merge(sources)
		if err != nil {
			t.Fatalf("Merge(%s): %v", c.name, err)
		}
		slices.Sort(all)
		at := func(q float64) float64 { return all[int(q*float64(len(all)-1))] }
		e, total := got.Entries[0], 0.0
		for _, v := range all {
			total += v
		}
		for _, q := range []struct {
			name string
			got  time.Duration
			want float64
		}{
			{"p50", e.P50, at(0.50)}, {"p90", e.P90, at(0.90)}, {"p99", e.P99, at(0.99)},
			{"mean", e.Mean, total / float64(len(all))}, {"max", e.Max, all[len(all)-1]},
		} {
			if off := math.Abs(float64(q.got)-q.want) / q.want; off > 0.01 {
				t.Errorf("%s: %s = %v, want %v to within 1%%: it is off by %.2f%%", c.name, q.name, q.got,
					time.Duration(q.want), 100*off)
			}
		}
	}
}

func TestMergeAddsUp(t *testing.T) {
	a := partOf(1, 2, record.Entry{Name: "GET /", Sent: 100, Answered: 90, Succeeded: 80, Codes: map[string]uint64{"200": 80, "500": 10},
		Errors: map[string]uint64{record.TimeoutError: 10}, BytesIn: 5, BytesOut: 7})
	b := partOf(2, 2, record.Entry{Name: "GET /", Sent: 50, Answered: 50, Succeeded: 50, Codes: map[string]uint64{"200": 50},
		BytesIn: 1, BytesOut: 1})
	a.Load.CPU, b.Load.CPU = 0.2, 0.9
	b.Began, b.Ended = noon.Add(time.Second), noon.Add(11*time.Second)
	b.Throttled = &Throttling{Periods: 100, Throttled: 25}
	// The order in which they are read does not matter.
	got, err := Merge([]Source{{b, "pod-b", "node-2"}, {a, "pod-a", "node-1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := record.Load{
		Planned: 10 * time.Second, End: 11 * time.Second, Asked: 20, Expected: 200, Sent: 150, Answered: 140, Succeeded: 130,
		CPU: 0.9,
		Entries: []record.Entry{{Name: "GET /", Sent: 150, Answered: 140, Succeeded: 130,
			Codes:  map[string]uint64{"200": 130, "500": 10},
			Errors: map[string]uint64{record.TimeoutError: 10}, BytesIn: 6, BytesOut: 8}},
		Parts: []record.Part{
			{Name: "pod-a", Node: "node-1", Took: 10 * time.Second, Expected: 100, Sent: 100, Succeeded: 80, CPU: 0.2,
				Entries: []uint64{100}},
			{Name: "pod-b", Node: "node-2", Late: time.Second, Took: 10 * time.Second, Expected: 100, Sent: 50, Succeeded: 50,
				CPU: 0.9, Throttled: 0.25, Entries: []uint64{50}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Merge (-want +got):\n%s", diff)
	}
}

func TestMergeStopped(t *testing.T) {
	a, b := partOf(1, 2, record.Entry{Sent: 1}), partOf(2, 2, record.Entry{Sent: 1})
	b.Load.Stopped = "the load was stopped"
	got, err := Merge([]Source{{Part: a, Name: "pod-a"}, {Part: b, Name: "pod-b"}})
	if want := "pod-b: the load was stopped"; err != nil || got.Stopped != want {
		t.Errorf("Merge = stopped %q, %v, want %q", got.Stopped, err, want)
	}
}

// Two pods open and close connections, and count them at different times.
func TestMergeOpen(t *testing.T) {
	a, b := partOf(1, 2, record.Entry{}), partOf(2, 2, record.Entry{})
	a.Load.Held, b.Load.Held = 10, 9
	a.Load.Open = []record.Open{{At: time.Second, Open: 5}, {At: 2 * time.Second, Open: 10}, {At: 9 * time.Second, Open: 0}}
	b.Began = noon.Add(500 * time.Millisecond)
	b.Load.Open = []record.Open{{At: 1510 * time.Millisecond, Open: 9}, {At: 8510 * time.Millisecond, Open: 0}}
	got, err := Merge([]Source{{Part: a}, {Part: b}})
	if err != nil {
		t.Fatal(err)
	}
	want := []record.Open{{At: time.Second, Open: 5}, {At: 2 * time.Second, Open: 19}, {At: 9 * time.Second, Open: 0}}
	if diff := cmp.Diff(want, got.Open); diff != "" || got.Held != 19 {
		t.Errorf("Merge holds %d, want 19; open (-want +got):\n%s", got.Held, diff)
	}
}

// What is not all of one phase is refused.
func TestMergeRefuses(t *testing.T) {
	one := func(n, of int) Source {
		return Source{Part: partOf(n, of, record.Entry{}), Name: fmt.Sprintf("pod-%d", n)}
	}
	other := one(2, 2)
	other.Round = 2
	longer := one(2, 2)
	longer.Load.Entries = append(longer.Load.Entries, record.Entry{})
	for _, c := range []struct {
		name    string
		sources []Source
		want    string
	}{
		{"none", nil, "no part of the load has a result"},
		{"the last is missing", []Source{one(1, 3), one(2, 3)}, "nobody sent part 3 of 3"},
		{"the first is missing", []Source{one(2, 2)}, "nobody sent part 1 of 2"},
		{"one twice", []Source{one(1, 2), one(1, 2)}, "pod-1 and pod-1 both sent part 1 of 2"},
		{"another round", []Source{one(1, 2), other}, "pod-1 sent part 1 of 2 of round 1, pod-2 of 2 of round 2"},
		{"another division", []Source{one(1, 2), one(2, 3)}, "pod-1 sent part 1 of 2 of round 1, pod-2 of 3 of round 1"},
		{"another plan", []Source{one(1, 2), longer}, "pod-1 has the results of 1 requests, pod-2 of 2"},
	} {
		if _, err := Merge(c.sources); err == nil || err.Error() != c.want {
			t.Errorf("Merge(%s) = %v, want %s", c.name, err, c.want)
		}
	}
}

func TestReadPart(t *testing.T) {
	good, err := partOf(1, 1, record.Entry{Name: "GET /", Sent: 2}, 0, 5*time.Millisecond).Write()
	if err != nil {
		t.Fatal(err)
	}
	line := string(good)
	for _, c := range []struct{ name, text, want string }{
		{"alone", line, ""},
		{"after a log", "leakgate: hint: {\n" + line, ""},
		{"before a log", line + "bye\n", ""},
		{"the last of two", strings.Replace(line, `"round":1`, `"round":7`, 1) + line, ""},
		{"nothing", "", "there is no result of leakgate attack"},
		{"something else", "k6 {}\n", "there is no result of leakgate attack"},
		{"within a line", "x" + line, "there is no result of leakgate attack"},
		// What a full disk or a rotated log leaves.
		{"cut off", line[:len(line)/2], "the result of leakgate attack is cut off"},
		{"cut off within", line[:len(line)/2] + "\n", "reading the result of leakgate attack: unexpected end of JSON input"},
		{"the beginning is gone", line[10:], "there is no result of leakgate attack"},
		{"a newer version", strings.Replace(line, `"leakgate_attack":1`, `"leakgate_attack":2`, 1),
			`the result of leakgate attack (leakgate "test") has version 2; this leakgate reads version 1`},
		{"no part", strings.Replace(line, `"part":1`, `"part":3`, 1), "part 3 of 1 is no part of a load"},
		{"without latencies", strings.Replace(line, `"latencies":[[1,`, `"latencies":[null,[1,`, 1), "the result of leakgate attack has 1 requests and the latencies of 2"},
		{"another total", strings.Replace(line, `"sent":2,"answered"`, `"sent":3,"answered"`, 1),
			"the requests of the result of leakgate attack add up to 2, not to 3"},
	} {
		p, err := ReadPart([]byte(c.text))
		switch {
		case c.want == "" && (err != nil || p.Round != 1 || p.Latencies[0].Count() != 2):
			t.Errorf("ReadPart(%s) = round %d, %v, want round 1 with two latencies", c.name, p.Round, err)
		case c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("ReadPart(%s) = %v, want %s", c.name, err, c.want)
		}
	}
}

func TestLatenciesRefuse(t *testing.T) {
	for text, want := range map[string]string{
		`[0]`: "", `[3,1500,2,1,9]`: "",
		`[]`: "not a count and pairs", `[0,1]`: "not a count and pairs", `[-1]`: "-1 is no count",
		`[0,1500,0]`: "0 is no count", `[0,1500,-4]`: "-4 is no count",
		// Indices of which a store would need gigabytes.
		`[0,2000000000,1]`: "no bucket", `[0,-2000000000,1]`: "no bucket", `[0,1,1,9000000000000000000,1]`: "no bucket",
		// Each bucket once, in order.
		`[0,1500,1,0,1]`: "no bucket", `[0,1500,1,-1,1]`: "no bucket",
		`{"a":1}`: "latencies: json", `[1.5]`: "latencies: json",
	} {
		var l Latencies
		err := json.Unmarshal([]byte(text), &l)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Unmarshal(%s) = %v, want %q", text, err, want)
		}
	}
}

func FuzzReadPart(f *testing.F) {
	line, err := partOf(1, 2, record.Entry{Name: "GET /", Sent: 2}, 0, 5*time.Millisecond).Write()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte("log\n" + string(line) + "log\n"))
	f.Add(line[:len(line)/2])
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ReadPart(text)
		if err != nil {
			return
		}
		again, err := p.Write()
		if err != nil {
			t.Fatal(err)
		}
		q, err := ReadPart(again)
		if err != nil {
			t.Fatalf("ReadPart(%s) = %v, but it was read before", again, err)
		}
		for i := range p.Latencies {
			if a, b := p.Latencies[i].Quantile(0.9), q.Latencies[i].Quantile(0.9); a != b {
				t.Errorf("the 90th percentile was %v and is now %v", a, b)
			}
		}
	})
}

func TestThrottling(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       *Throttling
	}{
		{"version 2", "usage_usec 812\nuser_usec 500\nnr_periods 40\nnr_throttled 10\nthrottled_usec 250000\n",
			&Throttling{40, 10, 250 * time.Millisecond}},
		{"version 1", "nr_periods 40\nnr_throttled 10\nthrottled_time 250000000\n", &Throttling{40, 10, 250 * time.Millisecond}},
		// The root of version 2 has usage alone: there is no limit.
		{"no limit", "usage_usec 812\nuser_usec 500\n", nil},
		{"nothing", "", nil},
		{"nonsense", "nr_periods many\n", nil},
	} {
		if diff := cmp.Diff(c.want, parseThrottling([]byte(c.text))); diff != "" {
			t.Errorf("parseThrottling(%s) (-want +got):\n%s", c.name, diff)
		}
	}
	before := &Throttling{Periods: 100, Throttled: 10}
	if got := (&Throttling{Periods: 200, Throttled: 35}).since(before).Share(); got != 0.25 {
		t.Errorf("25 of 100 periods since = %v, want 0.25", got)
	}
	if got := (&Throttling{Periods: 5}).since(before); got != nil {
		t.Errorf("counters that went down say %v, want nothing", got)
	}
	if got := (&Throttling{Periods: 1}).since(nil); got != nil {
		t.Errorf("counters without a beginning say %v, want nothing", got)
	}
}
