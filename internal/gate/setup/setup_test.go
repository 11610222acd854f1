package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
)

// read reads a plan of one target, with this load.
func read(t *testing.T, load string) *plan.Plan {
	t.Helper()
	text := "name: test\ntargets: [{name: shop, pprof: \"http://127.0.0.1:1/debug/pprof\"}]\n" +
		"prometheus: {url: \"http://127.0.0.1:1\"}\nload: " + load + "\n"
	p, err := plan.Parse("plan.yaml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatalf("reading the plan with load: %s: %v", load, err)
	}
	return p
}

func TestSettings(t *testing.T) {
	base := gate.Settings{
		Warmup: 10 * time.Second, Round: 20 * time.Second, Quiet: 2 * time.Second, Timeout: time.Minute,
		Goroutines: 100_000, Attribute: true,
	}
	held, others := base, base
	held.Held, others.Connections = true, true
	for _, c := range []struct {
		name, load string
		want       gate.Settings
	}{
		{"the defaults", "{requests: [GET http://127.0.0.1:1/]}", base},
		{"connections are held", "{streams: [{sse: \"http://127.0.0.1:1/events\"}]}", held},
		{"connections of others are counted", "{none: {requests: sum(a), connections: sum(b)}}", others},
		{"requests of others alone", "{none: {requests: sum(a)}}", base},
	} {
		if got := SettingsOf(read(t, c.load)); got != c.want {
			t.Errorf("SettingsOf(%s) = %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A gate is made of every kind of load, and nobody is asked anything before it runs.
func TestNew(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(none, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, load string
		fails      string // what the error says; empty: there is none
	}{
		{"requests", "{requests: [GET http://127.0.0.1:1/]}", ""},
		{"streams", "{streams: [{websocket: \"ws://127.0.0.1:1/\"}]}", ""},
		{"both", "{requests: [GET http://127.0.0.1:1/], streams: [{grpc: \"http://127.0.0.1:1\", method: /a.B/C}]}", ""},
		{"a command", "{exec: {command: [go, version]}}", ""},
		{"a command that is not there", "{exec: {command: [no-such-command-here]}}", "no-such-command-here"},
		{"others", "{none: {requests: sum(a)}}", ""},
		{"certificates that are none", "{ca: " + none + ", requests: [GET https://127.0.0.1:1/]}",
			"no PEM certificate in " + none},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := read(t, c.load)
			dir := filepath.Join(t.TempDir(), "run")
			g, err := New(p, dir, "test", time.Now(), nil)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("New = %v, want an error about %s", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			// Nobody listens at the target's address: the run is over before any load.
			run, err := g.Run(t.Context())
			if err != nil || run.End.Code != "target-unreachable" || len(run.Loads) > 0 {
				t.Errorf("Run ended %+v after %d loads, %v; want target-unreachable", run.End, len(run.Loads), err)
			}
			if back, err := record.Read(dir); err != nil || back.Plan != "test" || len(back.Gaps) != len(run.Gaps) {
				t.Errorf("Read(the run) = %q, %d gaps, %v", back.Plan, len(back.Gaps), err)
			}
		})
	}
}

func TestLook(t *testing.T) {
	found, err := Look(t.Context(), read(t, "{requests: [GET http://127.0.0.1:1/]}"), "test")
	if err != nil || len(found) != 1 || found[0].Name != "shop" || found[0].Err == nil {
		t.Errorf("Look = %+v, %v, want one target that cannot be reached", found, err)
	}
}
