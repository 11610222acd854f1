package kubeload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// watched is the pods of one phase, as they were seen.
type watched struct {
	cluster             cluster
	namespace, selector string
	container           string // empty: each pod's default one, or its first
	want                int    // how many pods there are to be
	good                exits
	seen                map[types.UID]corev1.Pod // as each was seen last
	missing             map[types.UID]bool       // of seen: no longer listed
	away                error                    // why the last look failed
	ends                map[string]end           // by the pod's name
	teller              *teller                  // of how many run, while they start
}

// of is the container of a pod that loads.
func (w *watched) of(p *corev1.Pod) string {
	if w.container != "" || len(p.Spec.Containers) == 0 {
		return w.container
	}
	return cmp.Or(p.Annotations[defaultContainer], p.Spec.Containers[0].Name)
}

// defaultContainer is the annotation by which a pod says which of its containers is the one
// that people mean; those that a service mesh adds set it.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// look lists the pods. While the API server is away, what was seen stays.
func (w *watched) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	asked := time.Now()
	pods, err := w.cluster.PodsBy(ctx, w.namespace, w.selector)
	came := time.Now()
	w.away = nil
	switch {
	case kube.Away(err):
		w.away = err
		return nil
	case err != nil:
		return err
	}
	if w.seen == nil {
		w.seen = map[types.UID]corev1.Pod{}
	}
	w.missing = map[types.UID]bool{}
	for id := range w.seen {
		w.missing[id] = true
	}
	for _, p := range pods {
		w.seen[p.UID] = p
		w.saw(&p, asked, came)
		delete(w.missing, p.UID)
	}
	return nil
}

// unseen says that the pods could not be looked at last.
func (w *watched) unseen() string {
	if w.away == nil {
		return ""
	}
	return ", as far as is known: " + w.away.Error()
}

// pods are all pods that were seen, by index.
func (w *watched) pods() []corev1.Pod {
	var out []corev1.Pod
	for _, p := range w.seen {
		out = append(out, p)
	}
	return byIndex(out)
}

// trouble is what is wrong with the pods that were seen.
func (w *watched) trouble() (trouble, bool) {
	var all []trouble
	var lost []string // gone without a sign
	for _, p := range w.pods() {
		if t, ok := troubleOf(&p, w.of(&p), w.good); ok {
			all = append(all, t)
		} else if w.missing[p.UID] && terminated(&p, w.of(&p)) == nil {
			lost = append(lost, p.Name)
		}
	}
	switch n := len(lost); {
	case n == 1:
		all = append(all, trouble{code: record.Lost, rank: vanished,
			message: "pod " + lost[0] + " is gone: it was deleted, or its node is gone"})
	case n > 1: // which of them was the first, nobody has seen
		all = append(all, trouble{code: record.Lost, rank: vanished, message: fmt.Sprintf(
			"%d of %d pods are gone, such as %s: one was deleted, or its node is gone, which ends the others", n, w.want,
			lost[0])})
	}
	if len(w.seen) > w.want {
		all = append(all, trouble{code: record.Lost, rank: waiting, message: fmt.Sprintf(
			"there were %d pods instead of %d: some were replaced", len(w.seen), w.want)})
	}
	return worst(all)
}

// running reports whether all pods are there and run, or have run.
func (w *watched) running() bool { return w.run() >= w.want }

// run is how many pods run, or have run.
func (w *watched) run() int {
	n := 0
	for _, p := range w.seen {
		if running(&p, w.of(&p)) {
			n++
		}
	}
	return n
}

// ended reports whether all pods have ended, and when the last one did.
func (w *watched) ended() (time.Time, bool) {
	var last time.Time
	n := 0
	for _, p := range w.seen {
		if t := terminated(&p, w.of(&p)); t != nil {
			n++
			if t.FinishedAt.After(last) {
				last = t.FinishedAt.Time
			}
		}
	}
	return last, n >= w.want
}

// notRunning says why some pods do not run, those of a kind together.
func (w *watched) notRunning(ctx context.Context, owner string) string {
	var why []string
	pods := map[string][]string{} // by what they wait for
	for _, p := range w.pods() {
		if running(&p, w.of(&p)) || w.missing[p.UID] {
			continue
		}
		reason := whyNotRunning(&p, w.of(&p))
		if pods[reason] == nil {
			why = append(why, reason)
		}
		pods[reason] = append(pods[reason], p.Name)
	}
	for i, reason := range why {
		if names := pods[reason]; len(names) == 1 {
			why[i] = "pod " + names[0] + " " + reason
		} else {
			why[i] = fmt.Sprintf("pod %s (and %d more) %s", names[0], len(names)-1, reason)
		}
	}
	if missing := w.want - len(w.seen); missing > 0 {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		said := cmp.Or(w.cluster.WhyNoPods(ctx, w.namespace, owner),
			"kubectl -n "+w.namespace+" describe job "+owner+" says why")
		why = append(why, fmt.Sprintf("%d of %d pods were not created: %s", missing, w.want, said))
	}
	if len(why) > mostReasons {
		why = append(why[:mostReasons:mostReasons], fmt.Sprintf("and %d more reasons", len(why)-mostReasons))
	}
	return strings.Join(why, "; ")
}

// mostReasons is how many reasons a message has.
const mostReasons = 3

// until looks at the pods until something is so, there is trouble, or the time is over.
func (w *watched) until(ctx context.Context, end time.Time, so func() bool) error {
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		if so() {
			return nil
		}
		if t, ok := w.trouble(); ok {
			return &troubled{t}
		}
		w.teller.tell(w)
		if !time.Now().Before(end) {
			return errTooLate
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// errTooLate says that something was not so in time.
var errTooLate = errors.New("too late")

// troubled is trouble as an error.
type troubled struct{ trouble }

func (t *troubled) Error() string { return t.message }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop says in a load why it could not be sent.
func stop(ctx context.Context, load *record.Load, err error) {
	var t *troubled
	var api *kube.Error
	switch {
	case err == nil:
	case ctx.Err() != nil:
		load.Stopped = record.StoppedByUs
	case errors.As(err, &t):
		load.Stopped, load.Code = t.message, t.code
	case errors.As(err, &api):
		load.Stopped = "the load was not sent: " + api.Error()
		if api.Hint != "" {
			load.Stopped += " (" + api.Hint + ")"
		}
	default:
		load.Stopped = "the load was not sent: " + err.Error()
	}
}

// remove deletes what a phase has created, waits until its pods are gone, and reports whether
// they are. It does so also when the phase was interrupted.
func remove(ctx context.Context, delete func(context.Context) error, gone func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	for {
		if err := delete(ctx); err == nil && gone(ctx) {
			return true
		}
		if pause(ctx, pollEvery) != nil {
			return false // it expires by itself
		}
	}
}

// leave says what could not be deleted, to people, and where the load was stopped with the
// reason: what is left may load on.
func leave(of loadgen.Phase, load *record.Load, job *batchv1.Job) {
	text := fmt.Sprintf("job %s in %s could not be deleted; it expires by itself within %s", job.Name, job.Namespace, life(job))
	say(of, text)
	if load.Stopped != "" && load.Stopped != record.StoppedByUs {
		load.Stopped += "; " + text
	}
}

// life is how long a Job, and all that goes with it, is there at most.
func life(job *batchv1.Job) time.Duration {
	var sum int64
	if d := job.Spec.ActiveDeadlineSeconds; d != nil {
		sum += *d
	}
	if ttl := job.Spec.TTLSecondsAfterFinished; ttl != nil {
		sum += int64(*ttl)
	}
	return time.Duration(sum) * time.Second
}

// say tells people who watch.
func say(of loadgen.Phase, text string) {
	if of.Say != nil {
		of.Say(text)
	}
}
