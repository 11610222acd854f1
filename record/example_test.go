package record_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/leakgate/leakgate/record"
)

func Example() {
	parent, err := os.MkdirTemp("", "leakgate")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "out")

	w, err := record.Create(dir, record.Header{Plan: "checkout", Started: time.Now()}, []byte("version: 1\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Target(record.Target{Name: "checkout-0"})
	w.Sample(record.Sample{At: time.Second, Target: "checkout-0", Goroutines: 12})
	w.Load(record.Load{Kind: record.Round, Round: 1, Sent: 600, Succeeded: 600})
	w.Sample(record.Sample{At: 4 * time.Second, Target: "checkout-0", Goroutines: 612})
	if err := w.Close(record.End{At: 5 * time.Second, Reason: record.Complete}); err != nil {
		fmt.Println(err)
		return
	}

	run, err := record.Read(dir) // here or on another machine, a year later
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range run.Samples {
		fmt.Println(s.At, s.Target, s.Goroutines)
	}
	fmt.Println(run.Plan, run.Loads[0].Sent, run.End.Reason)
	// Output:
	// 1s checkout-0 12
	// 4s checkout-0 612
	// checkout 600 complete
}
