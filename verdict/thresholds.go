package verdict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/leakgate/leakgate/verdict/internal/blame"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// Thresholds are all numbers that decide, with the reason for each. They are recorded with
// a run, so that it is judged by what it was made with; docs/thresholds.md lists them.
// They are no part of a plan: what suits one service is a plan's policy.
type Thresholds struct {
	Growth      GrowthThresholds     `json:"growth"`
	Cause       CauseThresholds      `json:"cause"`
	Slope       SlopeThresholds      `json:"slope"`
	Memory      MemoryThresholds     `json:"memory"`
	Connections ConnectionThresholds `json:"connections"`
	Load        LoadThresholds       `json:"load"`
	Identity    IdentityThresholds   `json:"identity"`
	Pods        PodThresholds        `json:"pods"`
	Fresh       FreshThresholds      `json:"fresh"`
	Sensitivity SensitivityThreshold `json:"sensitivity"`
	Trials      TrialThresholds      `json:"trials"`
}

// GrowthThresholds tell growth from pools, drains and noise.
type GrowthThresholds = trend.Thresholds

// CauseThresholds say what is counted, and shown, as one.
type CauseThresholds struct {
	// Uneven is the probability under which the rounds' growth of two stacks is too
	// different for one cause.
	Uneven float64 `json:"uneven"`
	// MostRatio is the most goroutines of one stack for each of the other's that are taken for
	// one cause: a connection has two or three, a pool of workers per request tens.
	MostRatio float64 `json:"most_ratio"`
	// Whole is the share of a place's growth that one of its stacks has to have to be named by
	// itself: where all of them differ, as a recursion's do, the place is.
	Whole float64 `json:"whole"`
	// OneAlone is the share of all instances' growth from which on it is one instance's.
	OneAlone float64 `json:"one_alone"`
	// Dumped is the share of a stack's goroutines that a dump has to hold for it to tell who
	// started them.
	Dumped float64 `json:"dumped"`
}

// SlopeThresholds are for growth under load, where nothing ever comes to rest.
type SlopeThresholds struct {
	// Rounds is after how many rounds a slope may say that something leaks: five that each
	// are higher than the one before are one order of 120.
	Rounds int `json:"rounds"`
	// Chance is the probability with which rounds in any order look as much like growth.
	// What passes gets the long look, so that a false one costs time.
	Chance float64 `json:"chance"`
	// Least is the growth under load, in goroutines, below which it is nothing.
	Least float64 `json:"least"`
	// Warming is the share of a round that is left out at its beginning: until then, the
	// load's own connections and pools come back.
	Warming float64 `json:"warming"`
	// Samples is how many samples a round needs for a level.
	Samples int `json:"samples"`
	// Blocks is how many parts of a round are compared to see how much its level scatters,
	// and Clearly by how many standard deviations a difference of two levels has to exceed
	// that to be worth another round.
	Blocks  int     `json:"blocks"`
	Clearly float64 `json:"clearly"` // See Blocks.
	// Averaged is how many captures of a long look make about as long a stretch as the
	// levels of rounds are taken from.
	Averaged int `json:"averaged"`
	// Confidence is the probability with which a slope's interval holds it.
	Confidence float64 `json:"confidence"`
	// Tail is the share of the rounds that have to have kept up, and Flat how much of their
	// share of the growth they may lack: a pool's growth gets smaller to the end.
	Tail float64 `json:"tail"`
	Flat float64 `json:"flat"` // See Tail.
	// Most is the share of the growth under load that the stack which grew most has to have
	// grown by at rest: a leak is on one stack.
	Most float64 `json:"most"`
	// Lasts is the share of it that has to be there after the long look, where only the
	// number of goroutines is known.
	Lasts float64 `json:"lasts"`
}

// MemoryThresholds are for what grows beside goroutines.
type MemoryThresholds struct {
	// HeapLeast and ResidentLeast are the growth, in bytes, below which memory is taken to
	// be level, and Share the same as a share of the baseline's.
	HeapLeast     uint64  `json:"heap_least"`
	ResidentLeast uint64  `json:"resident_least"` // See HeapLeast.
	Share         float64 `json:"share"`          // See HeapLeast.
	// ThreadsLeast is the growth in threads from which they are said to grow.
	ThreadsLeast uint64 `json:"threads_least"`
	// Tiny is the heap per leaked goroutine, in bytes, below which it counts as next to
	// nothing: half of the smallest stack.
	Tiny int64 `json:"tiny"`
	// EnoughLeaked is how many goroutines have to leak for the memory of one to be told
	// from what the heap does by itself.
	EnoughLeaked int `json:"enough_leaked"`
	// SurelyRounds is after how many rounds of growth memory alone may fail a plan that asks
	// for it.
	SurelyRounds int `json:"surely_rounds"`
	// EachRound and LastRound are the shares of the mean growth of a round that each round,
	// and the last one, has to have for growth to go on.
	EachRound float64 `json:"each_round"`
	LastRound float64 `json:"last_round"` // See EachRound.
	// Kept is the share of growth that has to be there after the long look, of which Watched
	// has to be over: memory is read now and then.
	Kept    float64 `json:"kept"`
	Watched float64 `json:"watched"` // See Kept.
	// Alike is by how many times the objects from one place, and the goroutines that
	// leaked, may differ to be as many.
	Alike float64 `json:"alike"`
	// SiteShare is the share of the largest site's bytes from which a site is shown.
	SiteShare float64 `json:"site_share"`
}

// ConnectionThresholds are for connections that are held.
type ConnectionThresholds struct {
	// Parts is into how many parts the time is divided in which all connections are open;
	// the first is left out, since goroutines that belong to a connection may come up late.
	Parts int `json:"parts"`
	// Least is the growth, in goroutines, in each of the last two parts, from which
	// connections are said to gather goroutines, and Share the same per connection.
	Least float64 `json:"least"`
	Share float64 `json:"share"` // See Least.
	// Steady is the share of one part's growth that the next one's has to have.
	Steady float64 `json:"steady"`
	// Open is the share of its connections that a load has to hold open for their number to
	// count as level.
	Open float64 `json:"open"`
	// AfterClosing is how long after a round something may still be there that belonged to
	// its connections, and Outlasts the share of what came up that is there by then if it
	// is work that ends by itself.
	AfterClosing time.Duration `json:"after_closing"`
	Outlasts     float64       `json:"outlasts"` // See AfterClosing.
	// Rounds is in how many rounds growth has to be seen to be one that repeats.
	Rounds int `json:"rounds"`
}

// LoadThresholds say whose fault it is that a load fell short.
type LoadThresholds struct {
	// Busy is the share of the processors from which a generator is saturated.
	Busy float64 `json:"busy"`
	// Late is for how long a generator's goroutines wait for a processor from which on it
	// is saturated. With processors to spare it is microseconds.
	Late time.Duration `json:"late"`
	// Idle is the share of its connections that a generator leaves unused when the service
	// is not what holds it up.
	Idle float64 `json:"idle"`
	// Answered is the share of requests that have to get an answer for a service to be
	// there at all: one that fails by design still answers, or is given up by the client.
	Answered float64 `json:"answered"`
	// HeldFrom and HeldTo are the parts of a round between which connections are counted.
	HeldFrom float64 `json:"held_from"`
	HeldTo   float64 `json:"held_to"` // See HeldFrom.
	// Skew is the share of a round by which one machine of several may begin later than the
	// first: in so long a time, less than the asked rate is sent, and as long at the end.
	Skew float64 `json:"skew"`
	// Throttled is the share of the periods of its processor limit in which a generator has
	// to wait from which on it is saturated. One that has enough is never made to wait, but for
	// moments in which all of its threads want to run at once.
	Throttled float64 `json:"throttled"`
}

// PodThresholds say what an OOM kill is likely to come from. They decide a sentence, no outcome.
type PodThresholds struct {
	// Least is by how many goroutines a killed container had to have grown to be said to look
	// like a leak, and InFlight by how many for each request that was in flight: a healthy
	// service has two or three for each while it is served.
	Least    int     `json:"least"`
	InFlight float64 `json:"in_flight"` // See Least.
}

// IdentityThresholds tell one process from another.
type IdentityThresholds struct {
	// Balanced is after how many changes of identity a load balancer answers: a deploy
	// changes it once, and a crash after it once more.
	Balanced float64 `json:"balanced"`
	// Tick is the unit, in seconds, of a process's start time in /proc, Whole how far from a
	// whole number of ticks a start time in ticks may be, and Rounding by how many ticks two
	// of one process may differ, beside the second by which the boot's time is rounded.
	Tick     float64 `json:"tick"`
	Whole    float64 `json:"whole"`    // See Tick.
	Rounding float64 `json:"rounding"` // See Tick.
}

// FreshThresholds tell new answers from copies.
type FreshThresholds struct {
	// CountsApart is the share by which a target's metrics and its profiles may differ about
	// how many goroutines there are, and FewApart the goroutines: they are read one after
	// the other, while the target goes on.
	CountsApart float64 `json:"counts_apart"`
	FewApart    float64 `json:"few_apart"` // See CountsApart.
	// Near is how far apart in time they may be compared.
	Near time.Duration `json:"near"`
	// Moments is how many profiles, and how many counts by metrics, a window needs to
	// contradict: one of either may have met a burst of work.
	Moments int `json:"moments"`
	// LastLooks is how many captures of a long look are held against the metrics: those at
	// its end, which decide.
	LastLooks int `json:"last_looks"`
}

// SensitivityThreshold is for what a pass is worth.
type SensitivityThreshold struct {
	// Plants is how many synthetic leaks of each rate are planted.
	Plants int `json:"plants"`
	// Caught is the share of them that has to be caught for the rate to be claimed: more
	// than the 95 in 100 that is promised, so that what chance takes from 200 does not break
	// the promise.
	Caught float64 `json:"caught"`
	// Lost is the share below which no smaller leak is looked at: two standard deviations
	// below the promise. Between the two, chance decides, and a smaller one may do better.
	Lost float64 `json:"lost"`
	// Rates are the leaks that are planted, one goroutine in so many requests, each about a
	// quarter smaller than the one before. What is claimed is one step larger than what is
	// caught: real stacks scatter more than planted ones.
	Rates []int `json:"rates"`
}

// TrialThresholds are for finding out which requests leak.
type TrialThresholds = blame.Thresholds

// DefaultThresholds is what leakgate decides by.
func DefaultThresholds() Thresholds {
	return Thresholds{
		Growth: trend.Default(),
		Cause:  CauseThresholds{Uneven: 0.01, MostRatio: 64, Whole: 0.5, OneAlone: 0.75, Dumped: 0.9},
		Slope: SlopeThresholds{
			Rounds: 5, Chance: 0.01, Least: 8, Warming: 0.25, Samples: 3, Blocks: 3, Clearly: 3, Averaged: 4, Confidence: 0.95,
			Tail: 1. / 3, Flat: 0.5, Most: 0.5, Lasts: 0.5,
		},
		Memory: MemoryThresholds{
			HeapLeast: 1 << 20, ResidentLeast: 8 << 20, Share: 0.05, ThreadsLeast: 20, Tiny: 1024, EnoughLeaked: 50, SurelyRounds: 4,
			EachRound: 0.25, LastRound: 0.6, Kept: 0.5, Watched: 0.9, Alike: 2, SiteShare: 0.1,
		},
		Connections: ConnectionThresholds{
			Parts: 4, Least: 10, Share: 0.01, Steady: 0.5, Open: 0.9, AfterClosing: 2 * time.Second, Outlasts: 0.5, Rounds: 2,
		},
		Load:     LoadThresholds{Busy: 0.85, Late: time.Millisecond, Idle: 0.9, Answered: 0.5, HeldFrom: 0.25, HeldTo: 0.75, Skew: 0.1, Throttled: 0.25},
		Pods:     PodThresholds{Least: 100, InFlight: 3},
		Identity: IdentityThresholds{Balanced: 3, Tick: 0.01, Whole: 0.001, Rounding: 1.5},
		Fresh:    FreshThresholds{CountsApart: 0.25, FewApart: 25, Near: 1500 * time.Millisecond, Moments: 2, LastLooks: 2},
		Sensitivity: SensitivityThreshold{Plants: 200, Caught: 0.96, Lost: 0.92, Rates: []int{
			1, 2, 3, 4, 5, 7, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000,
			1300, 1600, 1900, 2400, 3000, 4000, 5000, 6500, 8000, 10000, 13000, 16000, 20000, 25000, 30000, 40000, 50000,
		}},
		Trials: blame.Default(),
	}
}

// UnmarshalJSON reads thresholds over the default ones: what a run of an older leakgate
// did not record has its default, and what a newer one recorded is left out.
func (t *Thresholds) UnmarshalJSON(data []byte) error {
	out, err := thresholds(data, false)
	if err == nil {
		*t = out
	}
	return err
}

// ReadThresholds reads thresholds as a person wrote them, in JSON: what is left out keeps
// its default, and a name that is not known is an error.
func ReadThresholds(data []byte) (Thresholds, error) { return thresholds(data, true) }

func thresholds(data []byte, strict bool) (Thresholds, error) {
	type plain Thresholds // without UnmarshalJSON
	out := plain(DefaultThresholds())
	d := json.NewDecoder(bytes.NewReader(data))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(&out); err != nil {
		return Thresholds{}, fmt.Errorf("reading thresholds: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Thresholds{}, errors.New("reading thresholds: more than one JSON value")
	}
	if err := valid(Thresholds(out)); err != nil {
		return Thresholds{}, fmt.Errorf("reading thresholds: %w", err)
	}
	return Thresholds(out), nil
}

// valid refuses thresholds by which nothing can be judged: counts below 1, and shares and
// probabilities, whose defaults are below 1, that are not between 0 and 1.
func valid(t Thresholds) error {
	groups, defaults := reflect.ValueOf(t), reflect.ValueOf(DefaultThresholds())
	for i := range groups.NumField() {
		for j := range groups.Field(i).NumField() {
			name := jsonKey(groups.Type().Field(i)) + "." + jsonKey(groups.Field(i).Type().Field(j))
			if err := validValue(groups.Field(i).Field(j), defaults.Field(i).Field(j)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func validValue(v, byDefault reflect.Value) error {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		if v.Int() < 1 {
			return fmt.Errorf("%d is less than 1", v.Int())
		}
	case reflect.Uint64:
		if v.Uint() < 1 {
			return errors.New("0 is less than 1")
		}
	case reflect.Float64:
		switch x := v.Float(); {
		case byDefault.Float() < 1 && (x <= 0 || x >= 1):
			return fmt.Errorf("%v is not between 0 and 1", x)
		case x <= 0:
			return fmt.Errorf("%v is not above 0", x)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return errors.New("it is empty")
		}
		for i := range v.Len() {
			if err := validValue(v.Index(i), reflect.Value{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func jsonKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

// grows reports whether something grew in every round, not less and less, by so much in
// all.
func (l MemoryThresholds) grows(xs []uint64, least uint64) bool {
	n := len(xs) - 1
	if n <= 1 || xs[n] < xs[0]+max(least, uint64(l.Share*float64(xs[0]))) {
		return false
	}
	each := float64(xs[n]-xs[0]) / float64(n)
	for i := 1; i <= n; i++ {
		if float64(xs[i])-float64(xs[i-1]) < l.EachRound*each {
			return false
		}
	}
	return float64(xs[n])-float64(xs[n-1]) >= l.LastRound*each
}
