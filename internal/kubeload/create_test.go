package kubeload

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/loadgen"
)

// An API server that is away when something is to be created is asked again, until the load
// has to be ready; what it made without saying so is not made twice.
func TestCreateWhileAway(t *testing.T) {
	type answers func(asked int, at time.Duration) (away, made bool)
	for _, c := range []struct {
		name string
		away answers
		says string
	}{
		{"it answers", func(int, time.Duration) (bool, bool) { return false, false }, ""},
		{"away for 20 s", func(_ int, at time.Duration) (bool, bool) { return at < 20*time.Second, false }, ""},
		{"every first answer is lost", func(asked int, _ time.Duration) (bool, bool) { return asked%2 == 1, true }, ""},
		{"away after the first object", func(asked int, at time.Duration) (bool, bool) { return asked > 1 && at < 4*time.Second, false }, ""},
		{"away for good", func(int, time.Duration) (bool, bool) { return true, false }, "the load was not sent: "},
	} {
		for kind, driver := range map[string]func(f *fake) (loadgen.Preparer, error){
			"pods": func(f *fake) (loadgen.Preparer, error) { return newPods(config(), f) },
			"job": func(f *fake) (loadgen.Preparer, error) {
				return newOwn(OwnConfig{File: "job.yaml", Manifest: []byte(ownManifest), Namespace: "load", Ready: time.Minute}, f)
			},
			"testrun": func(f *fake) (loadgen.Preparer, error) {
				return newTestRuns(OwnConfig{File: "run.yaml", Manifest: []byte(twoRunners), Default: "load", Ready: time.Minute}, f)
			},
		} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					began, asked := time.Now(), 0
					f.unanswered = func() (bool, bool) { asked++; return c.away(asked, time.Since(began)) }
					f.stage = stages
					if kind != "pods" {
						f.play = func(f *fake, p *corev1.Pod, _ int) { f.logs[p.Name] = k6Summary(1000, 0) }
					}
					d, err := driver(f)
					if err != nil {
						t.Fatal(err)
					}
					phase := loadgen.Phase{Round: 1, Duration: length}
					d.Prepare(t.Context(), phase)
					load := d.Run(t.Context(), phase)
					if (load.Stopped == "") != (c.says == "") || !strings.Contains(load.Stopped, c.says) || c.says == "" && load.Sent == 0 {
						t.Errorf("Run = %d requests, %q, want %q", load.Sent, load.Stopped, c.says)
					}
					if c.says == "" && f.made != 1 {
						t.Errorf("%d Jobs were created, want one", f.made)
					}
					f.empty(t, kind)
				})
			})
		}
	}
}
