package plan_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
)

// A plan offers just what the load can do: both have tables, and neither imports the other.
func TestPlanOffersWhatLoadgenDoes(t *testing.T) {
	field := func(of reflect.Type, name string) []string {
		f, ok := of.FieldByName(name)
		if !ok {
			t.Fatalf("%s has no field %s", of, name)
		}
		return strings.Split(f.Tag.Get("enum"), ",")
	}
	var streams []string
	for i := range reflect.TypeFor[plan.Stream]().NumField() {
		if tag := reflect.TypeFor[plan.Stream]().Field(i).Tag; tag.Get("schemes") != "" {
			streams = append(streams, tag.Get("yaml"))
		}
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"streams", streams, loadgen.StreamKinds()},
		{"summaries", field(reflect.TypeFor[plan.Exec](), "Summary"), slices.Concat([]string{"auto"}, loadgen.SummaryForms(), []string{"none"})},
		{"target formats", field(reflect.TypeFor[plan.Load](), "Format"), loadgen.TargetFormats()},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s of a plan are %q, those of the load %q", c.what, c.got, c.want)
		}
	}
}

func TestStreamKind(t *testing.T) {
	for _, c := range []struct {
		stream        plan.Stream
		kind, address string
	}{
		{plan.Stream{WebSocket: "ws://a/"}, "websocket", "ws://a/"},
		{plan.Stream{SSE: "http://a/"}, "sse", "http://a/"},
		{plan.Stream{Poll: "http://a/"}, "poll", "http://a/"},
		{plan.Stream{GRPC: "http://a", Method: "/a.A/B"}, "grpc", "http://a"},
		// None of them: validation has refused it.
		{plan.Stream{Method: "/a.A/B"}, "", ""},
	} {
		if kind, address := c.stream.Kind(); kind != c.kind || address != c.address {
			t.Errorf("Kind(%+v) = %q, %q; want %q, %q", c.stream, kind, address, c.kind, c.address)
		}
	}
}
