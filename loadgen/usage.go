package loadgen

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// usage measures what leakgate itself uses of the machine, from a moment on.
type usage struct {
	began time.Time
	cpu   time.Duration
	delay *metrics.Float64Histogram
}

func startUsage() usage { return usage{time.Now(), cpuTime(), delays()} }

// since returns the share of the processors that leakgate used, to three decimals, and how
// long its goroutines waited for one.
func (u usage) since() (cpu float64, delay time.Duration) {
	if wall := time.Since(u.began); wall > 0 {
		share := (cpuTime() - u.cpu).Seconds() / wall.Seconds() / float64(runtime.GOMAXPROCS(0))
		cpu = math.Round(1000*share) / 1000
	}
	return cpu, waited(u.delay, delays())
}
