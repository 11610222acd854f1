package plan

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScalars(t *testing.T) {
	dur := func(d time.Duration) *Duration { v := Duration(d); return &v }
	rate := func(f float64) *Rate { v := Rate(f); return &v }
	part := func(f float64) *Share { v := Share(f); return &v }
	oneIn := func(n int) *OneIn { v := OneIn(n); return &v }
	day := func(s string) *Date { v := Date(s); return &v }
	tests := []struct {
		text string
		want scalar
	}{
		{"1m30s", dur(90 * time.Second)}, {"250ms", dur(250 * time.Millisecond)}, {".5s", dur(500 * time.Millisecond)},
		{"1.s", dur(time.Second)}, {"+5s", dur(5 * time.Second)}, {"0", dur(0)}, {"5µs", dur(5 * time.Microsecond)}, {"168h", dur(168 * time.Hour)},
		{"200/s", rate(200)}, {"1200/m", rate(20)}, {"5/2s", rate(2.5)}, {"5/.5s", rate(10)}, {"5/m30s", rate(5.0 / 90)}, {"200", rate(200)},
		{"max", rate(0)}, {" max ", rate(0)}, {"1e3/s", rate(1000)}, {" 10 / s ", rate(10)}, {"10000000", rate(1e7)},
		{"5%", part(0.05)}, {"0.05", part(0.05)}, {"1", part(1)}, {"100 %", part(1)}, {"0", part(0)}, {"1e-3", part(0.001)},
		{"1/1000", oneIn(1000)}, {" 1 / 1 ", oneIn(1)}, {"1/0007", oneIn(7)},
		{"2027-03-01", day("2027-03-01")}, {"2024-02-29", day("2024-02-29")},
	}
	for _, tt := range tests {
		got := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface().(scalar)
		if err := got.Set(tt.text); err != nil {
			t.Errorf("%T.Set(%q) = %v, want no error", got, tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%T.Set(%q) differs (-want +got):\n%s", got, tt.text, diff)
		}
		if pattern, _ := got.Syntax(); !regexp.MustCompile(pattern).MatchString(tt.text) {
			t.Errorf("%T.Set accepts %q, its pattern %s does not", got, tt.text, pattern)
		}
	}
}

// The example of a syntax is one.
func TestSyntaxExamples(t *testing.T) {
	for _, s := range scalars() {
		pattern, example := s.Syntax()
		if err := s.Set(example); err != nil || !regexp.MustCompile(pattern).MatchString(example) {
			t.Errorf("%T: its own example %q: %v", s, example, err)
		}
	}
}

func scalars() []scalar {
	return []scalar{new(Duration), new(Rate), new(Share), new(OneIn), new(Date), new(Size)}
}
