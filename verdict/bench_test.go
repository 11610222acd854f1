package verdict_test

import (
	"fmt"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// BenchmarkJudge judges six rounds of a service with 300 stacks.
func BenchmarkJudge(b *testing.B) {
	s := script{stacks: map[string][]int{}}
	for i := range 300 {
		s.stacks[fmt.Sprintf("example.com/pkg.f%d", i)] = []int{i, i, i, i + 1, i, i, i}
	}
	run := s.run()
	b.ReportAllocs()
	for b.Loop() {
		verdict.Judge(run, policy())
	}
}
