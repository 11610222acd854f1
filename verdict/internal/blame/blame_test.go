package blame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// leaky is a stack, and what leaks it: each rate is of requests that leak it together, which
// is as often as the rarest of them is sent.
type leaky []rate

type rate struct {
	requests []int
	each     float64 // goroutines per request
}

// grow is how many goroutines of a stack some load leaks.
func (s leaky) grow(rng *rand.Rand, sent []uint64) (n int) {
	for _, r := range s {
		least := sent[r.requests[0]]
		for _, q := range r.requests {
			least = min(least, sent[q])
		}
		if mean := r.each * float64(least); mean > 0 {
			n += int(distuv.Poisson{Lambda: mean, Src: rng}.Rand())
		}
	}
	return n
}

// play makes the trials that Plan asks for on a plan whose requests have these rates a
// second, after rounds of so long, and says what came out for each stack.
func play(t *testing.T, rates []float64, rounds time.Duration, all []leaky, seed uint64) (answers []Answer, loaded time.Duration, trials int) {
	t.Helper()
	l := Default()
	rng := rand.New(rand.NewPCG(seed, 1))
	sent := make([]uint64, len(rates))
	for i, r := range rates {
		sent[i] = uint64(r * rounds.Seconds())
	}
	stacks := make([]Stack, len(all))
	for i, s := range all {
		stacks[i] = Stack{Sent: sent, Leaked: float64(s.grow(rng, sent))}
	}
	for {
		next, more := Plan(stacks, rounds, loaded, l)
		if !more {
			break
		}
		trials++
		if trials > 200 {
			t.Fatal("the trials never end")
		}
		loaded += next.Duration
		now := make([]uint64, len(rates))
		for _, q := range next.Requests {
			now[q] = uint64(rates[q] * next.Faster * next.Duration.Seconds())
		}
		for i, s := range all {
			stacks[i].Trials = append(stacks[i].Trials, Trial{Requests: next.Requests, Sent: now, Leaked: s.grow(rng, now)})
		}
	}
	if loaded > l.Budget {
		t.Errorf("%s of trials, at most %s", loaded, l.Budget)
	}
	for _, s := range stacks {
		answers = append(answers, s.Decode(l))
	}
	return answers, loaded, trials
}

func even(n int, perSecond float64) []float64 {
	return slices.Repeat([]float64{perSecond}, n)
}

// one is a stack that one request leaks.
func one(request int, each float64) leaky { return leaky{{[]int{request}, each}} }

// Of ninety requests, each of forty stacks gets the one that leaks it, at once.
func TestManyStacks(t *testing.T) {
	const requests, leaks = 90, 40
	var all []leaky
	for i := range leaks {
		all = append(all, one(2*i+3, []float64{1, 0.5, 0.2}[i%3]))
	}
	right, trials := 0, 0
	for seed := range uint64(5) {
		answers, _, n := play(t, even(requests, 5), time.Minute, all, seed)
		trials = max(trials, n)
		for i, a := range answers {
			if len(a.Leaks) == 1 && slices.Equal(a.Leaks[0].Requests, []int{2*i + 3}) && len(a.Cleared) >= requests*9/10 {
				right++
			}
		}
	}
	if right < 5*leaks*98/100 {
		t.Errorf("%d of %d stacks have the right request", right, 5*leaks)
	}
	if trials > 30 {
		t.Errorf("%d trials for 90 requests, want about fourteen", trials)
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name  string
		rates []float64
		leaky leaky
		want  [][]int // that leak
		any   bool
		apart bool // leak together only
	}{
		{"one of two", even(2, 20), one(1, 1), [][]int{{1}}, false, false},
		{"both of two", even(2, 20), leaky{{[]int{0}, 1}, {[]int{1}, 0.5}}, [][]int{{0}, {1}}, true, false},
		{"one of six", even(6, 20), one(4, 0.3), [][]int{{4}}, false, false},
		{"one of forty", even(40, 10), one(27, 1), [][]int{{27}}, false, false},
		{"two of forty", even(40, 10), leaky{{[]int{5}, 1}, {[]int{26}, 1}}, [][]int{{5}, {26}}, false, false},
		{"complements of each other, so that every half leaks", even(64, 10), leaky{{[]int{0}, 1}, {[]int{63}, 1}}, [][]int{{0}, {63}}, false, false},
		{"three of forty", even(40, 10), leaky{{[]int{3}, 1}, {[]int{12}, 1}, {[]int{33}, 1}}, [][]int{{3}, {12}, {33}}, false, false},
		{"weights", append(even(20, 1), even(20, 30)...), one(3, 2), [][]int{{3}}, false, false},
		{"rarely, of many", even(60, 20), one(41, 0.05), [][]int{{41}}, false, false},
		{"two that leak together", even(30, 10), leaky{{[]int{4, 21}, 1}}, [][]int{{4, 21}}, false, true},
		{"two of two that leak together", even(2, 10), leaky{{[]int{0, 1}, 1}}, [][]int{{0, 1}}, false, true},
	} {
		answers, loaded, trials := play(t, c.rates, time.Minute, []leaky{c.leaky}, 7)
		a := answers[0]
		var got [][]int
		for _, r := range a.Leaks {
			got = append(got, r.Requests)
			if r.Low > r.Each || r.High < r.Each || r.Low <= 0 {
				t.Errorf("%s: a rate of %v within %v to %v", c.name, r.Each, r.Low, r.High)
			}
		}
		slices.SortFunc(got, slices.Compare)
		if a.Any && c.any {
			continue
		}
		if !slices.EqualFunc(got, c.want, slices.Equal) || a.Together != c.apart {
			t.Errorf("%s: %+v after %d trials of %s; want %v", c.name, a, trials, loaded, c.want)
		}
		if n := len(requestsOf(make([]uint64, len(c.rates)))); n != 0 {
			t.Errorf("nothing sent is %d requests", n)
		}
	}
}

// A stack that any request leaks comes out as such, and not as that of the one that was tried.
func TestAny(t *testing.T) {
	for _, n := range []int{2, 5, 12, 60} {
		var s leaky
		for i := range n {
			s = append(s, rate{[]int{i}, 0.5})
		}
		answers, _, _ := play(t, even(n, 10), time.Minute, []leaky{s}, 3)
		if a := answers[0]; !a.Any || len(a.Leaks) != 1 || a.Leaks[0].Each < 0.25 || a.Leaks[0].Each > 0.75 {
			t.Errorf("of %d requests that all leak one in two: %+v, want any", n, a)
		}
	}
}

// A leak that is too rare for the time says so, and blames nobody.
func TestTooRare(t *testing.T) {
	answers, _, _ := play(t, even(60, 1), time.Minute, []leaky{one(17, 0.02)}, 5)
	if a := answers[0]; len(a.Leaks) > 0 && !slices.Equal(a.Leaks[0].Requests, []int{17}) || a.Any || a.Together {
		t.Errorf("of a leak of one in 50 at one a second: %+v, want nobody blamed but the one", a)
	}
}

// A request that is too rare for a trial to send it is tried no more than others, and neither
// blamed nor cleared.
func TestNeverSent(t *testing.T) {
	rates := append(even(15, 60), 0.05)
	answers, _, trials := play(t, rates, time.Minute, []leaky{one(3, 1)}, 2)
	a := answers[0]
	if len(a.Leaks) != 1 || !slices.Equal(a.Leaks[0].Requests, []int{3}) || slices.Contains(a.Cleared, 15) {
		t.Errorf("%+v, want request 3 to leak, and nothing to be said of 15", a)
	}
	if trials > 40 {
		t.Errorf("%d trials", trials)
	}
}

// What was never tried is not cleared: trials may stop early.
func TestStoppedEarly(t *testing.T) {
	s := Stack{Leaked: 400, Sent: []uint64{400, 400, 400, 400}, Trials: []Trial{{Requests: []int{0}, Sent: []uint64{12, 0, 0, 0}, Leaked: 12}}}
	if a := s.Decode(Default()); len(a.Cleared) != 0 {
		t.Errorf("after one trial of request 0: %+v, want none cleared", a)
	}
	pair := Stack{Leaked: 400, Sent: []uint64{400, 400}, Trials: []Trial{
		{Requests: []int{0}, Sent: []uint64{40, 0}}, {Requests: []int{1}, Sent: []uint64{0, 40}}}}
	if a := pair.Decode(Default()); !a.Together || len(a.Leaks) != 0 {
		t.Errorf("neither leaks alone, and both together were not tried: %+v, want no rate", a)
	}
}

// The interval holds the true rate as often as it says.
func TestInterval(t *testing.T) {
	l := Default()
	const runs, sent, each = 2000, 200, 0.1
	rng := rand.New(rand.NewPCG(1, 2))
	held := 0
	for range runs {
		r := Rate{Sent: sent, Leaked: int(distuv.Poisson{Lambda: each * sent, Src: rng}.Rand())}.measured(l)
		if r.Low <= each && each <= r.High {
			held++
		}
	}
	if held < runs*94/100 || held > runs*99/100 {
		t.Errorf("the interval of 95 in 100 held the rate in %d of %d runs", held, runs)
	}
}

// The halves tell any two requests apart.
func TestFirstGroups(t *testing.T) {
	l := Default()
	for n := 2; n <= 130; n++ {
		var loaded []int
		for i := range n {
			loaded = append(loaded, 3*i+1)
		}
		groups := FirstGroups(loaded, l)
		codes := map[string]bool{}
		for _, r := range loaded {
			code := ""
			for _, g := range groups {
				code += fmt.Sprint(slices.Contains(g, r))
			}
			codes[code] = true
		}
		if len(codes) != n {
			t.Fatalf("%d requests have %d codes", n, len(codes))
		}
	}
}
