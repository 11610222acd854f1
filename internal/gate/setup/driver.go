package setup

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/probe"
)

// logsDir is where what a load's command prints is kept, below the run directory.
const logsDir = "load"

// newDriver makes the load of a plan. Logs of a command go below dir.
func newDriver(p *plan.Plan, tool, dir string, prom *probe.Prometheus) (loadgen.Driver, error) {
	l := p.Load
	switch {
	case l.Exec != nil:
		return loadgen.NewExec(loadgen.ExecConfig{
			Command: l.Exec.Command, Summary: l.Exec.Summary, Rate: float64(l.Rate), Dir: filepath.Dir(p.File),
			Env: os.Environ(), Logs: filepath.Join(dir, logsDir), Mask: p.MaskBytes,
		})
	case l.None != nil:
		return loadgen.NewNone(loadgen.NoneConfig{
			Rate: float64(l.Rate), Requests: query(prom, l.None.Requests), Connections: query(prom, l.None.Connections),
		}), nil
	case l.Kubernetes != nil:
		return newPodLoad(p, tool)
	case l.Job != nil, l.TestRun != nil:
		return newManifestLoad(p, tool, dir)
	}
	d, _, err := NewSender(p, tool)
	return d, err
}

// NewSender makes the driver that sends a plan's requests, file and streams from this
// process, and returns the names of its results' lines.
func NewSender(p *plan.Plan, tool string) (loadgen.Driver, []string, error) {
	var drivers []loadgen.Driver
	var lines []int
	var names []string
	add := func(d loadgen.Driver, its []string) {
		drivers, lines, names = append(drivers, d), append(lines, len(its)), append(names, its...)
	}
	if len(p.Load.Requests) > 0 || p.Load.File != "" {
		v, err := newVegeta(p, tool)
		if err != nil {
			return nil, nil, err
		}
		add(v, v.Names())
	}
	if len(p.Load.Streams) > 0 {
		s, err := newStreams(p, tool)
		if err != nil {
			return nil, nil, err
		}
		add(s, s.Names())
	}
	switch len(drivers) {
	case 0:
		return nil, nil, loadgen.ErrNoRequests
	case 1:
		return drivers[0], names, nil
	}
	return loadgen.NewTogether(drivers, lines), names, nil
}

// query asks Prometheus for a number; nil where there is nothing to ask.
func query(prom *probe.Prometheus, expr string) func(context.Context) (float64, error) {
	if expr == "" || prom == nil {
		return nil
	}
	return func(ctx context.Context) (float64, error) { return prom.Number(ctx, expr) }
}

func newVegeta(p *plan.Plan, tool string) (*loadgen.Vegeta, error) {
	requests, err := requestsOf(p)
	if err != nil {
		return nil, err
	}
	l := p.Load
	tc, err := tlsConfig(p, l.CA, l.Cert, l.Key, l.Insecure)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return loadgen.NewVegeta(loadgen.Config{
		Requests: requests, Rate: float64(l.Rate), Connections: l.Connections, Timeout: time.Duration(l.Timeout),
		TLS: tc, HTTP2: l.HTTP2, H2C: l.H2C, UnixSocket: l.UnixSocket,
		UserAgent: "leakgate/" + tool, StopErrors: float64(p.Safety.Errors),
	})
}

func newStreams(p *plan.Plan, tool string) (*loadgen.Streams, error) {
	l := p.Load
	tc, err := tlsConfig(p, l.CA, l.Cert, l.Key, l.Insecure)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var all []loadgen.Stream
	for _, s := range l.Streams {
		kind, address := streamKind(s)
		st := loadgen.Stream{
			Kind: kind, URL: address, Name: streamName(p, s), Method: s.Method, Header: http.Header{},
			Connections: s.Connections, Hold: time.Duration(s.Hold), Cut: float64(s.Cut), Send: s.Send,
			Every: time.Duration(s.Every),
		}
		for k, v := range s.Header {
			st.Header.Set(k, v)
		}
		all = append(all, st)
	}
	return loadgen.NewStreams(loadgen.StreamsConfig{
		Streams: all, Timeout: time.Duration(l.Timeout), TLS: tc, UserAgent: "leakgate/" + tool,
	})
}

// streamKind is the one kind that a plan's stream names.
func streamKind(s plan.Stream) (kind, address string) {
	switch {
	case s.WebSocket != "":
		return loadgen.WebSocket, s.WebSocket
	case s.SSE != "":
		return loadgen.SSE, s.SSE
	case s.Poll != "":
		return loadgen.Poll, s.Poll
	}
	return loadgen.GRPC, s.GRPC
}

// streamName is a stream's line in the results.
func streamName(p *plan.Plan, s plan.Stream) string {
	kind, address := streamKind(s)
	words := map[string]string{
		loadgen.WebSocket: "WebSocket", loadgen.SSE: "SSE", loadgen.Poll: "long poll", loadgen.GRPC: "gRPC",
	}
	return words[kind] + " " + p.Mask(plan.CleanURL(address)) + s.Method
}
