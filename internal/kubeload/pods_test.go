package kubeload

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// round runs one round with four pods of a cluster.
func round(t *testing.T, f *fake, ctx context.Context) (load record.Load, prepared, took time.Duration) {
	t.Helper()
	d, err := newPods(config(), f)
	if err != nil {
		t.Fatal(err)
	}
	phase := loadgen.Phase{Round: 1, Duration: length}
	began := time.Now()
	d.Prepare(ctx, phase)
	prepared = time.Since(began)
	load = d.Run(ctx, phase)
	return load, prepared, time.Since(began) - prepared
}

func TestRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		load, prepared, took := round(t, f, t.Context())
		if load.Stopped != "" || load.Sent != 1000 || load.Expected != 1000 || load.Asked != 100 || len(load.Parts) != 4 {
			t.Errorf("Run = %+v, want 1000 requests of four pods", load)
		}
		if e := load.Entries[0]; e.Name != "GET /" || e.Sent != 1000 {
			t.Errorf("the request is %q, sent %d times; want the plan's name, and 1000", e.Name, e.Sent)
		}
		if prepared != firstLead || load.End != length || took > length+2*time.Second {
			t.Errorf("the load began after %s, took %s, and Run %s; want %s, %s, and little more", prepared, load.End, took,
				firstLead, length)
		}
		f.empty(t, "a round")
	})
}

// Logs are read side by side: one after the other, those of many pods would have expired.
func TestLogsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.slowLog = 5 * time.Second
		load, _, took := round(t, f, t.Context())
		if load.Stopped != "" || took > length+2*time.Second+f.slowLog {
			t.Errorf("Run took %s, %q, want %s and one log's %s", took, load.Stopped, length, f.slowLog)
		}
	})
}

// The phases after the first one get as much time to start as that has shown to be enough.
func TestLeadIsLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		d, err := newPods(config(), f)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{firstLead, leastLead, leastLead} {
			began := time.Now()
			phase := loadgen.Phase{Round: i, Duration: length}
			d.Prepare(t.Context(), phase)
			if got := time.Since(began); got < want || got > want+time.Second {
				t.Errorf("phase %d began after %s, want about %s", i, got, want)
			}
			f.part = func(_ int, p *loadgen.Part) { p.Round = i }
			if l := d.Run(t.Context(), phase); l.Stopped != "" {
				t.Errorf("phase %d: %s", i, l.Stopped)
			}
		}
	})
}

// Pods that do not start in time are deleted before they load, and get more time.
func TestSlowPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.startAfter = 20 * time.Second
		load, prepared, _ := round(t, f, t.Context())
		if load.Stopped != "" || f.made != 2 || prepared > time.Minute {
			t.Errorf("Run = %q after %d Jobs and %s, want a load with the second Job", load.Stopped, f.made, prepared)
		}
		f.empty(t, "slow pods")
	})
}

// Pods that are still there may load: nobody else does so besides them, and people are told
// what is left, and for how long.
func TestLeftBehind(t *testing.T) {
	for _, c := range []struct {
		name       string
		startAfter time.Duration
		stays      bool
		code       string
		stopped    string // what is left is in the reason
		said       string
	}{
		{"all is deleted", time.Second, false, "", "", ""},
		{"slow pods that go", 20 * time.Second, false, "", "", ""},
		{"slow pods that stay", 20 * time.Second, true, record.NotReady, "not all of 4 pods were running after 8s, and they could not be " +
			"deleted: others would load besides them; job leakgate-load-", "in load could not be deleted; it expires by itself within "},
		{"a Job that has loaded, and stays", time.Second, true, "", "", "in load could not be deleted; it expires by itself within "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.startAfter, f.stays = c.startAfter, func() bool { return c.stays }
				d, err := newPods(config(), f)
				if err != nil {
					t.Fatal(err)
				}
				said := ""
				phase := loadgen.Phase{Round: 1, Duration: length, Say: func(text string) { said += text + "\n" }}
				d.Prepare(t.Context(), phase)
				load := d.Run(t.Context(), phase)
				if load.Code != c.code || (load.Stopped == "") != (c.stopped == "") || !strings.Contains(load.Stopped, c.stopped) {
					t.Errorf("Run = %q, %q\nwant %q, %q", load.Code, load.Stopped, c.code, c.stopped)
				}
				if strings.Contains(said, "could not be deleted") != (c.said != "") || !strings.Contains(said, c.said) {
					t.Errorf("said %q, want %q", said, c.said)
				}
				if c.stays && f.made != 1 {
					t.Errorf("%d Jobs were created, want one", f.made)
				}
			})
		})
	}
}

// What goes wrong with a pod is said, with its own code, and nothing stays behind.
func TestTrouble(t *testing.T) {
	only := func(which int, change func(p *corev1.Pod)) func(*fake, *corev1.Pod, int) {
		return func(f *fake, p *corev1.Pod, i int) {
			if i == which {
				change(p)
			}
		}
	}
	// during is so long after the start of the pods.
	ended := func(code int32, reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			if s := &p.Status.ContainerStatuses[0]; s.State.Running != nil {
				s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}
			}
		}
	}
	for _, c := range []struct {
		name string
		set  func(f *fake)
		code string
		says string
	}{
		{"killed by a signal", func(f *fake) { f.play = only(2, ended(137, "Error")) }, record.Lost, "-2 was killed by signal 9"},
		{"out of memory", func(f *fake) { f.play = only(2, ended(137, "OOMKilled")) }, record.Lost,
			"-2 was killed: it used more memory than it may, its limit of 64Mi (OOMKilled)"},
		{"evicted", func(f *fake) {
			f.play = only(1, func(p *corev1.Pod) {
				p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
			})
		}, record.Lost, "-1 was ended by the cluster, Evicted: The node was low on resource: memory."},
		{"preempted", func(f *fake) {
			f.play = only(1, func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
					Reason: "PreemptionByScheduler", Message: "preempted by a more important pod"}}
			})
		}, record.Lost, "-1 was ended by the cluster, PreemptionByScheduler: preempted by a more important pod"},
		{"being deleted", func(f *fake) {
			f.play = only(0, func(p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now })
		}, record.Lost, "-0 was deleted before it had sent its load"},
		{"gone", func(f *fake) {
			f.play = only(3, func(p *corev1.Pod) {
				if p.Status.ContainerStatuses[0].State.Running != nil && time.Since(f.began) > 9*time.Second {
					p.UID = ""
				}
			})
		}, record.Lost, "-3 is gone: it was deleted, or its node is gone"},
		{"a wrong image", func(f *fake) {
			f.play = only(0, ended(2, "Error"))
			f.logs = map[string]string{}
			f.part = func(int, *loadgen.Part) {}
		}, record.Lost, "-0 ended with exit code 2"},
		{"not scheduled", func(f *fake) {
			f.startAfter = -1
			f.play = func(_ *fake, p *corev1.Pod, _ int) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
					Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient cpu."}}
			}
		}, record.NotReady, "(and 3 more) is not scheduled: 0/1 nodes are available: 1 Insufficient cpu."},
		{"no image", func(f *fake) {
			f.startAfter = -1
			f.play = only(1, func(p *corev1.Pod) {
				p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff",
					Message: "Back-off pulling image"}
			})
		}, record.NotReady, "-1 cannot start, ImagePullBackOff: Back-off pulling image"},
		{"an image that is never pulled", func(f *fake) {
			f.startAfter = -1
			f.play = only(1, func(p *corev1.Pod) {
				p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "ErrImageNeverPull", Message: "absent"}
			})
		}, record.NotReady, "-1 cannot start, ErrImageNeverPull: absent"},
		{"a quota", func(f *fake) { f.none, f.said = true, "pods is forbidden: exceeded quota: small" }, record.NotReady,
			"after 1m0s, not all of 4 pods were running: 4 of 4 pods were not created: pods is forbidden: exceeded quota: small"},
		{"a quota, and no right to read events", func(f *fake) { f.none = true }, record.NotReady,
			"4 of 4 pods were not created: kubectl -n load describe job leakgate-load-"},
		{"a log that is cut off", func(f *fake) {
			f.play = func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = `{"leakgate_attack":1,"part":` }
		}, record.Unread, "by its log of 28 bytes: the result of leakgate attack is cut off"},
		{"an empty log", func(f *fake) {
			f.play = func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = "" }
		}, record.Unread, "by its log of 0 bytes: there is no result of leakgate attack"},
		{"another round's result", func(f *fake) { f.part = func(i int, p *loadgen.Part) { p.Round = 1 + i } }, record.Unread,
			"what the pods sent cannot be added up: "},
		{"another part's result", func(f *fake) { f.part = func(i int, p *loadgen.Part) { p.Part = 1 } }, record.Unread,
			"-1 has the index 1, and sent part 1"},
		{"another plan's result", func(f *fake) {
			f.part = func(_ int, p *loadgen.Part) {
				p.Load.Entries = append(p.Load.Entries, record.Entry{})
				p.Latencies = append(p.Latencies, loadgen.NewLatencies())
			}
		}, record.Unread, "the pods sent 2 requests of a plan with 1: is their image of this version of leakgate?"},
		{"stopped by its own guard", func(f *fake) {
			f.play = only(1, ended(3, "Error"))
			f.part = func(_ int, p *loadgen.Part) {
				p.Load.Stopped = "the load was stopped: 100 of the first 100 requests failed"
			}
		}, "", "-1: the load was stopped: 100 of the first 100 requests failed"},
		{"no right", func(f *fake) {
			f.deny = &kube.Error{Asked: "create job", Got: "the API server refuses", Hint: "leakgate check prints the Role that is missing",
				Err: apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "x", errors.New("no"))}
		}, "", "the load was not sent: create job: the API server refuses (leakgate check prints the Role that is missing)"},
		{"pods that do not end", func(f *fake) {
			f.play = func(_ *fake, p *corev1.Pod, _ int) {
				if s := &p.Status.ContainerStatuses[0]; s.State.Terminated != nil {
					s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
				}
			}
		}, record.Lost, "the pods were still running 35s after the end of their phase"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				c.set(f)
				load, _, _ := round(t, f, t.Context())
				if load.Code != c.code || !strings.Contains(load.Stopped, c.says) || load.Stopped == "" {
					t.Errorf("Run = %q, %q\nwant %q, %q", load.Code, load.Stopped, c.code, c.says)
				}
				if load.Sent != 0 || len(load.Entries) != 1 || load.Entries[0].Name != "GET /" {
					t.Errorf("Run sent %d requests of %+v, want none of the plan's", load.Sent, load.Entries)
				}
				f.empty(t, c.name)
			})
		})
	}
}

// While the API server is away, the pods load on.
func TestAPIServerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.play = func(f *fake, _ *corev1.Pod, _ int) {
			if time.Since(f.began) > firstLead {
				f.awayUntil = firstLead + length + 20*time.Second
			}
		}
		if load, _, _ := round(t, f, t.Context()); load.Stopped != "" || load.Sent != 1000 {
			t.Errorf("Run = %q, %d requests, want 1000", load.Stopped, load.Sent)
		}
		f.empty(t, "away")
	})
}

// Ctrl-C deletes what was created, with a context of its own.
func TestInterrupted(t *testing.T) {
	for _, at := range []time.Duration{time.Second, firstLead + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(at, cancel)
			load, _, took := round(t, f, ctx)
			if load.Stopped != record.StoppedByUs || took > 2*time.Second {
				t.Errorf("Run = %q after %s, want %q at once", load.Stopped, took, record.StoppedByUs)
			}
			f.empty(t, "interrupted")
		})
	}
}
