package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	// latencyAccuracy is the most by which a quantile of Latencies is wrong, relative to
	// itself. A hundredth is what reports show of a latency; half of that leaves room for
	// the other half where quantiles are compared with those of another program.
	latencyAccuracy = 0.005
	// longestLatency bounds the latencies of a document: a plan's durations are a week at
	// most, and what is above is no latency.
	longestLatency = 7 * 24 * time.Hour
)

// Latencies counts latencies so that several can be added up, and quantiles of the sum are
// as right as those of one: within half a percent. It is a DDSketch, whose memory grows with
// how much latencies differ, not with how many there are. Add may be called by several
// goroutines at once.
type Latencies struct {
	mu     sync.Mutex
	sketch *ddsketch.DDSketch
}

// NewLatencies returns one without any latency.
func NewLatencies() *Latencies {
	return &Latencies{sketch: ddsketch.NewDDSketch(latencyBuckets(), store.NewBufferedPaginatedStore(),
		store.NewBufferedPaginatedStore())}
}

// latencyBuckets are the buckets in which latencies are counted. They are part of
// PartVersion: what was counted with others cannot be added.
func latencyBuckets() mapping.IndexMapping {
	m, err := mapping.NewLogarithmicMapping(latencyAccuracy)
	if err != nil {
		panic("loadgen: " + err.Error()) // the accuracy is a constant
	}
	return m
}

// Add counts one latency.
func (l *Latencies) Add(latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// It refuses only what is NaN or too large for a float64.
	_ = l.sketch.Add(float64(max(latency, 0)))
}

// Count is how many latencies were counted.
func (l *Latencies) Count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(l.sketch.GetCount())
}

// Quantile is the latency below which a share of all is; 0 of none.
func (l *Latencies) Quantile(share float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, err := l.sketch.GetValueAtQuantile(share)
	if err != nil { // it is empty
		return 0
	}
	return time.Duration(math.Round(at))
}

// merge adds what another one counted.
func (l *Latencies) merge(o *Latencies) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sketch.MergeWith(o.sketch)
}

// MarshalJSON writes how many latencies were 0, and then, for each bucket that is not
// empty, by how much its index is above that of the one before, and its count.
func (l *Latencies) MarshalJSON() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []int64{int64(l.sketch.GetZeroCount())}
	last := 0
	l.sketch.GetPositiveValueStore().ForEach(func(index int, count float64) bool {
		out = append(out, int64(index-last), int64(count))
		last = index
		return false
	})
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON has written, and refuses what it cannot have
// written.
func (l *Latencies) UnmarshalJSON(text []byte) error {
	var in []int64
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("latencies: %w", err)
	}
	if len(in)%2 == 0 {
		return errors.New("latencies: not a count and pairs of an index and a count")
	}
	buckets := latencyBuckets()
	first, last := int64(buckets.Index(1)), int64(buckets.Index(float64(longestLatency)))
	out := NewLatencies()
	if err := addZeros(out, in[0]); err != nil {
		return err
	}
	index := int64(0)
	for i := 1; i < len(in); i += 2 {
		step, count := in[i], in[i+1]
		if i > 1 && step <= 0 || step > last || index+step < first || index+step > last {
			return fmt.Errorf("latencies: there is no bucket %d after %d", step, index)
		}
		if count <= 0 || count > mostRequests {
			return fmt.Errorf("latencies: %d is no count", count)
		}
		index += step
		out.sketch.GetPositiveValueStore().AddWithCount(int(index), float64(count))
	}
	l.sketch = out.sketch
	return nil
}

// addZeros counts latencies of 0.
func addZeros(l *Latencies, n int64) error {
	if n < 0 || n > mostRequests {
		return fmt.Errorf("latencies: %d is no count", n)
	}
	if n == 0 {
		return nil
	}
	return l.sketch.AddWithCount(0, float64(n))
}
