package kubeload

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/loadgen"
)

// People who wait are told how many pods run; where it does not take long, nothing.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name   string
		starts [4]time.Duration
		want   []string
	}{
		{"fast", [4]time.Duration{1e9, 1e9, 1e9, 1e9}, nil},
		{"one after the other", [4]time.Duration{1e9, 2e9, 4e9, 5e9}, []string{"waiting for 4 pods: 2 run"}},
		{"the last one is slow", [4]time.Duration{1e9, 1e9, 4e9, 6.4e9}, []string{"waiting for 4 pods: 2 run", "waiting for 4 pods: 3 run"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.play = func(f *fake, p *corev1.Pod, i int) {
					if time.Since(f.began) < c.starts[i] {
						p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
					}
				}
				d, err := newPods(config(), f)
				if err != nil {
					t.Fatal(err)
				}
				var said []string
				phase := loadgen.Phase{Round: 1, Duration: length, Say: func(text string) { said = append(said, text) }}
				d.Prepare(t.Context(), phase)
				if load := d.Run(t.Context(), phase); load.Stopped != "" {
					t.Errorf("Run = %q", load.Stopped)
				}
				if !slices.Equal(said, c.want) {
					t.Errorf("said %q, want %q", said, c.want)
				}
			})
		})
	}
}
