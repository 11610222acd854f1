package loadgen

import (
	"runtime/metrics"
	"time"
)

const schedLatencies = "/sched/latencies:seconds"

// delays is a histogram of how long runnable goroutines of this process have waited for a
// processor since its start.
func delays() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: schedLatencies}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindFloat64Histogram {
		return nil
	}
	return s[0].Value.Float64Histogram()
}

// waited is the 90th percentile of the waits between two readings.
func waited(before, after *metrics.Float64Histogram) time.Duration {
	if before == nil || after == nil || len(before.Counts) != len(after.Counts) {
		return 0
	}
	var all uint64
	for i, n := range after.Counts {
		all += n - before.Counts[i]
	}
	var seen uint64
	for i, n := range after.Counts {
		if seen += n - before.Counts[i]; all > 0 && 10*seen >= 9*all {
			return time.Duration(after.Buckets[i] * float64(time.Second)) // the lower end of the bucket
		}
	}
	return 0
}
