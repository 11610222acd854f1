package kubeload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// Pods sends a plan's load with pods that each send a part of it: leakgate attack.
type Pods struct {
	cfg     Config
	cluster cluster
	id      string
	lead    time.Duration // how long before its load begins a Job is created
	n       int           // Jobs so far
	now     *phase        // that was prepared
}

// phase is a Job that loads, or why there is none.
type phase struct {
	job   *batchv1.Job
	pods  *watched
	start time.Time // by our clock
	err   error
}

// NewPods makes the driver. It sends nothing.
func NewPods(cfg Config, client *kube.Client) (*Pods, error) { return newPods(cfg, client) }

func newPods(cfg Config, c cluster) (*Pods, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Pods{cfg: cfg, cluster: c, id: newID(), lead: firstLead}, nil
}

const (
	// firstLead is how long the pods of the first phase get to start. If that is too little,
	// they are deleted before they begin to load, and get longLead times as much.
	firstLead = 8 * time.Second
	longLead  = 3
	// leastLead is what pods get in any case, and moreLead what they get beyond twice the
	// time that those of the phase before took.
	leastLead = 4 * time.Second
	moreLead  = 2 * time.Second
	// lastMoment is how long before the load begins all pods have to be running: so long it
	// takes to delete them, if not.
	lastMoment = 1500 * time.Millisecond
)

// Progress is unknown until a phase ends.
func (d *Pods) Progress() uint64 { return 0 }

// Prepare creates the Job of a phase, and returns when its load begins. Pods that do not all
// run by then are deleted before they load, and get another try, as long as there is time.
func (d *Pods) Prepare(ctx context.Context, of loadgen.Phase) {
	end := time.Now().Add(d.cfg.Ready)
	for {
		p := d.try(ctx, of, end)
		d.now = p
		if !errors.Is(p.err, errTooLate) {
			return
		}
		left := time.Until(end)
		if left <= leastLead {
			p.err = &troubled{trouble{code: record.NotReady, message: fmt.Sprintf(
				"after %s, not all of %d pods were running: %s", d.cfg.Ready, d.cfg.Pods, p.pods.notRunning(ctx, p.job.Name))}}
			return
		}
		if !d.clean(ctx, p.job) {
			p.err = &troubled{trouble{code: record.NotReady, message: fmt.Sprintf("not all of %d pods were running after %s, and "+
				"they could not be deleted: others would load besides them", d.cfg.Pods, d.lead)}}
			return
		}
		d.lead = min(longLead*d.lead, left)
	}
}

// try creates a Job, and waits until its load begins.
func (d *Pods) try(ctx context.Context, of loadgen.Phase, end time.Time) *phase {
	p := &phase{}
	p.pods = &watched{
		cluster: d.cluster, namespace: d.cfg.Namespace, container: containerName, want: d.cfg.Pods, good: cleanly,
	}
	if p.err = d.create(ctx, p, of, end); p.err != nil {
		return p
	}
	began := p.start.Add(-d.lead)
	p.pods.selector = podsOf(p.job.Name)
	p.pods.teller = newTeller(of)
	p.err = p.pods.until(ctx, p.start.Add(-lastMoment), p.pods.running)
	p.pods.teller = nil
	if p.err != nil {
		return p
	}
	d.lead = max(leastLead, 2*time.Since(began)+moreLead)
	p.err = pause(ctx, time.Until(p.start))
	return p
}

// create creates a Job, and the Secret without which its pods do not start, and which says
// when the load begins.
func (d *Pods) create(ctx context.Context, p *phase, of loadgen.Phase, end time.Time) (err error) {
	d.n++
	job := d.cfg.job(objectName("leakgate-load", d.id, d.n), of, d.lead)
	ownedBySelf(job, d.cluster.Self(ctx))
	asked := time.Now()
	if p.job, err = createJob(ctx, d.cluster, job, end); err != nil {
		return err
	}
	p.start = time.Now().Add(d.lead)
	secret := d.cfg.secret(p.job, p.start.Add(offset(p.job.CreationTimestamp.Time, asked, time.Now())))
	latest := p.start.Add(-lastMoment)
	if err = createSecret(ctx, d.cluster, secret, latest); kube.Away(err) && time.Now().Before(end) {
		return errTooLate // the next Job begins later
	}
	return err
}

// Run waits until the pods have sent the load, and adds up what they say of it.
func (d *Pods) Run(ctx context.Context, of loadgen.Phase) (load record.Load) {
	if d.now == nil {
		d.Prepare(ctx, of)
	}
	p := d.now
	d.now = nil
	load = record.Load{Planned: of.Duration, Entries: make([]record.Entry, len(d.cfg.Names))}
	if p.job != nil {
		defer func() {
			if !d.clean(ctx, p.job) {
				leave(of, &load, p.job)
			}
		}()
	}
	err := p.err
	if err == nil {
		end := p.start.Add(of.Duration + d.cfg.Timeout + overtime)
		err = p.pods.until(ctx, end, func() bool { _, ok := p.pods.ended(); return ok && !d.bad(p) })
		if errors.Is(err, errTooLate) {
			err = &troubled{trouble{code: record.Lost, message: fmt.Sprintf(
				"the pods were still running %s after the end of their phase%s", d.cfg.Timeout+overtime, p.pods.unseen())}}
		}
	}
	if err == nil {
		load, err = d.collect(ctx, p)
	}
	load.Planned = of.Duration
	for i := range load.Entries {
		load.Entries[i].Name = d.cfg.Names[i]
	}
	d.explain(ctx, p, err)
	stop(ctx, &load, err)
	return load
}

// bad reports whether there is trouble with the pods, which have ended.
func (d *Pods) bad(p *phase) bool { _, bad := p.pods.trouble(); return bad }

// explain adds to the trouble of a pod that ended by itself what it said last.
func (d *Pods) explain(ctx context.Context, p *phase, err error) {
	var t *troubled
	if !errors.As(err, &t) || t.rank != failed || ctx.Err() != nil || p.pods == nil {
		return
	}
	for _, pod := range p.pods.pods() {
		ended := terminated(&pod, containerName)
		if ended == nil || ended.ExitCode == 0 || !strings.Contains(t.message, pod.Name) {
			continue
		}
		text, err := d.log(ctx, pod)
		if err != nil {
			continue
		}
		if part, err := loadgen.ReadPart(text); err == nil && part.Load.Stopped != "" {
			t.message, t.code = pod.Name+": "+part.Load.Stopped, ""
			return
		}
		if said := errorLine(text); said != "" {
			t.message += ": " + said
		}
	}
}

// errorLine is the last error in what a pod of leakgate's printed.
func errorLine(text []byte) string {
	const lead = "leakgate: error: "
	said := ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, lead); ok {
			said = strings.TrimSpace(rest)
		}
	}
	const most = 300
	return strings.ToValidUTF8(said[:min(len(said), most)], "")
}

func (d *Pods) log(ctx context.Context, pod corev1.Pod) ([]byte, error) {
	return readLog(ctx, d.cluster, pod, containerName)
}

// collect reads what the pods say that they sent.
func (d *Pods) collect(ctx context.Context, p *phase) (record.Load, error) {
	pods := p.pods.pods()
	sources := make([]loadgen.Source, len(pods))
	none := record.Load{Entries: make([]record.Entry, len(d.cfg.Names))}
	err := eachLog(ctx, d.cluster, pods, p.pods.of, func(i int, text []byte) error {
		pod := &pods[i]
		part, err := loadgen.ReadPart(text)
		switch {
		case err != nil:
			return unread("what pod %s sent is not known, by its log of %d bytes: %v", pod.Name, len(text), err)
		case part.Part != index(pod)+1:
			return unread("pod %s has the index %d, and sent part %d", pod.Name, index(pod), part.Part)
		}
		sources[i] = loadgen.Source{Part: part, Name: pod.Name, Node: pod.Spec.NodeName}
		return nil
	})
	if err != nil {
		return none, err
	}
	load, err := loadgen.Merge(sources)
	if err != nil {
		return none, unread("what the pods sent cannot be added up: %v", err)
	}
	if len(load.Entries) != len(d.cfg.Names) {
		return none, unread("the pods sent %d requests of a plan with %d: is their image of this version of leakgate?",
			len(load.Entries), len(d.cfg.Names))
	}
	p.pods.skew(p.start, load.Parts)
	return load, nil
}

// clean deletes a Job with all that belongs to it, and reports whether that is gone.
func (d *Pods) clean(ctx context.Context, job *batchv1.Job) bool {
	return cleanJob(ctx, d.cluster, job)
}

// cleanJob deletes a Job, waits until it and its pods are gone, and reports whether they are.
func cleanJob(ctx context.Context, c cluster, job *batchv1.Job) bool {
	return remove(ctx, func(ctx context.Context) error { return c.DeleteJob(ctx, job.Namespace, job.Name) },
		func(ctx context.Context) bool {
			_, err := c.Job(ctx, job.Namespace, job.Name)
			pods, listed := c.PodsBy(ctx, job.Namespace, podsOf(job.Name))
			return kube.Gone(err) && listed == nil && len(pods) == 0
		})
}

var _ loadgen.Preparer = (*Pods)(nil)
