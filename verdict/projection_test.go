package verdict_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

func TestProjection(t *testing.T) {
	const f = "example.com/shop.(*Shop).wait"
	leaks := script{stacks: map[string][]int{f: {5, 1005, 2005}}, requests: 1000, looks: map[string][]int{f: {2005}}, lookFrom: 150 * time.Second}
	p := policy()
	p.Production = verdict.Production{Rate: 600, Memory: 4 << 30, Replicas: 6}
	// Every request leaks a goroutine with 16 KiB: 100 a second and replica, 2 GiB
	// of 4 are in use.
	heap := []float64{20, 20 + 1000*(16384.0+448)/mib, 20 + 2000*(16384.0+448)/mib}
	v := verdict.Judge(held(leaks.run(), heap, []float64{2048, 2064, 2080}, nil), p)
	if len(v.Projections) != 1 {
		t.Fatalf("projections %+v, want one", v.Projections)
	}
	x := v.Projections[0]
	if want := 2 * float64(1<<30) / (100 * (16384 + 448)); x.PerSecond != 100 || math.Abs(x.Full-want) > 0.01*want {
		t.Errorf("projection %+v, want 100 goroutines a second, and full after %.0f s", x, want)
	}
	if !strings.Contains(x.Message, "600 requests/s in production, each of 6 replicas loses 100 goroutines a second") || !strings.Contains(x.Message, "its 4.0 GiB are full in 21 minutes") {
		t.Errorf("the projection says %q", x.Message)
	}
	// Without memory readings, it is what goroutines take at the least.
	v = verdict.Judge(leaks.run(), p)
	if x := v.Projections[0]; !strings.Contains(x.Message, "at least") || !strings.Contains(x.Message, "full within") {
		t.Errorf("the projection without memory says %q, want at least, and within", x.Message)
	}
	// After a pass: what may have been missed.
	v = verdict.Judge(script{stacks: map[string][]int{f: {5, 5, 5}}}.run(), p)
	if len(v.Projections) != 1 || !strings.HasPrefix(v.Projections[0].Message, "the largest leak that this run may have missed") || v.Projections[0].Full <= 0 {
		t.Errorf("the projection of a pass is %+v", v.Projections)
	}
	if v := verdict.Judge(leaks.run(), policy()); v.Projections != nil {
		t.Errorf("projection %+v without a production in the plan", v.Projections)
	}
}
