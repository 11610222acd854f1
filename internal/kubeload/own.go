package kubeload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// OwnConfig describes load that the user's own manifest describes.
type OwnConfig struct {
	File      string // of the manifest, for messages
	Manifest  []byte
	Namespace string // instead of the manifest's; empty: that
	Default   string // namespace, if neither says one
	Summary   string // format of the summaries that the pods print
	Rate      float64
	Ready     time.Duration
	// Keep, if it is not nil, stores what a pod has printed in the n-th phase. Several
	// goroutines call it, and Mask, at once.
	Keep func(n int, pod string, text []byte)
	// Mask takes secrets out of messages; nil: nothing is secret.
	Mask func([]byte) []byte

	together bool // somebody else sees to it that all pods begin to load at once
}

// kept stores what a pod printed, with the secrets of the plan masked.
func (c OwnConfig) kept(n int, pod string, text []byte) []byte {
	if c.Mask != nil {
		text = c.Mask(text)
	}
	if c.Keep != nil {
		c.Keep(n, pod, text)
	}
	return text
}

// Own sends load with the user's own Job, with any image and command.
type Own struct {
	cfg       OwnConfig
	cluster   cluster
	manifest  *batchv1.Job
	namespace string
	id        string
	n         int
	now       *phase
}

// NewOwn reads the manifest. It sends nothing.
func NewOwn(cfg OwnConfig, client *kube.Client) (*Own, error) { return newOwn(cfg, client) }

func newOwn(cfg OwnConfig, c cluster) (*Own, error) {
	job, err := readJob(cfg.File, cfg.Manifest)
	if err != nil {
		return nil, err
	}
	return &Own{
		cfg: cfg, cluster: c, manifest: job, id: newID(),
		namespace: cmp.Or(cfg.Namespace, job.Namespace, cfg.Default),
	}, nil
}

// Progress is unknown until a phase ends.
func (d *Own) Progress() uint64 { return 0 }

// Prepare creates the Job of a phase, and returns when all of its pods run.
func (d *Own) Prepare(ctx context.Context, of loadgen.Phase) {
	p := &phase{}
	d.now = p
	p.pods = &watched{cluster: d.cluster, namespace: d.namespace, want: int(parallelism(d.manifest)), good: anyhow}
	end := time.Now().Add(d.cfg.Ready)
	if p.job, p.err = d.create(ctx, of, end); p.err != nil {
		return
	}
	p.pods.selector = podsOf(p.job.Name)
	p.pods.teller = newTeller(of)
	p.err = p.pods.until(ctx, end, p.pods.running)
	p.pods.teller = nil
	if errors.Is(p.err, errTooLate) {
		p.err = &troubled{trouble{code: record.NotReady, message: fmt.Sprintf(
			"after %s, not all of %d pods were running: %s", d.cfg.Ready, p.pods.want, p.pods.notRunning(ctx, p.job.Name))}}
	}
	p.start = time.Now()
}

// anyhow accepts every exit code that a program chooses: what it means, its summary says.
func anyhow(code int32) bool {
	const signalled = 128
	return code < signalled
}

func (d *Own) create(ctx context.Context, of loadgen.Phase, end time.Time) (*batchv1.Job, error) {
	d.n++
	name := objectName(cmp.Or(d.manifest.Name, d.manifest.GenerateName, "load"), d.id, d.n)
	job := ownJob(d.manifest, name, d.namespace, of, d.cfg.Rate, d.cfg.Ready)
	ownedBySelf(job, d.cluster.Self(ctx))
	return createJob(ctx, d.cluster, job, end)
}

// Run waits until the Job's pods have ended, and reads their summaries.
func (d *Own) Run(ctx context.Context, of loadgen.Phase) (load record.Load) {
	if d.now == nil {
		d.Prepare(ctx, of)
	}
	p := d.now
	d.now = nil
	load = record.Load{
		Planned: of.Duration, Asked: d.cfg.Rate,
		Entries: []record.Entry{{Name: "job " + cmp.Or(d.manifest.Name, d.cfg.File)}},
	}
	if p.job != nil {
		defer func() {
			if !cleanJob(ctx, d.cluster, p.job) {
				leave(of, &load, p.job)
			}
		}()
	}
	err := p.err
	if err == nil {
		err = p.pods.until(ctx, p.start.Add(of.Duration+overtime), func() bool {
			_, ok := p.pods.ended()
			_, bad := p.pods.trouble()
			return ok && !bad
		})
		if errors.Is(err, errTooLate) {
			err = &troubled{trouble{code: record.Lost, message: fmt.Sprintf(
				"the load was stopped: pods of the Job were still running %s after the end of their phase%s", overtime,
				p.pods.unseen())}}
		}
	}
	if err == nil {
		err = readAll(ctx, d.cluster, p, d.cfg, d.n-1, &load)
	}
	stop(ctx, &load, err)
	if d.cfg.Mask != nil {
		load.Stopped = string(d.cfg.Mask([]byte(load.Stopped)))
	}
	return load
}

// readAll reads what all pods of a phase have printed, and adds it up.
func readAll(ctx context.Context, c cluster, p *phase, cfg OwnConfig, n int, load *record.Load) error {
	pods := p.pods.pods()
	outputs := make([]loadgen.Output, len(pods))
	err := eachLog(ctx, c, pods, p.pods.of, func(i int, text []byte) error {
		pod := &pods[i]
		t := terminated(pod, p.pods.of(pod))
		outputs[i] = loadgen.Output{Name: pod.Name, Node: pod.Spec.NodeName, Code: int(t.ExitCode), Took: took(t)}
		outputs[i].Read(cfg.Summary, cfg.kept(n, pod.Name, text))
		return nil
	})
	if err != nil {
		return err
	}
	var first, last time.Time
	for _, pod := range pods {
		t := terminated(&pod, p.pods.of(&pod))
		if first.IsZero() || t.StartedAt.Time.Before(first) {
			first = t.StartedAt.Time
		}
		if t.FinishedAt.After(last) {
			last = t.FinishedAt.Time
		}
	}
	if !cfg.together {
		for i, pod := range pods {
			late := terminated(&pod, p.pods.of(&pod)).StartedAt.Sub(first)
			outputs[i].Late = max(0, late-time.Second) // Kubernetes says whole seconds
		}
	}
	loadgen.ReadOutputs(load, outputs)
	load.End = last.Sub(first)
	return nil
}

// took is how long a container ran, if that is known: in whole seconds, so that one more
// may have passed.
func took(t *corev1.ContainerStateTerminated) time.Duration {
	if t.StartedAt.IsZero() || t.FinishedAt.IsZero() {
		return 0
	}
	return t.FinishedAt.Sub(t.StartedAt.Time) + time.Second
}

var _ loadgen.Preparer = (*Own)(nil)
