package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
)

// event is what a change of a pod means: a code, and what to do about it.
type event struct {
	code string
	hint string
}

// events are what can happen to pods while they are watched.
var events = map[record.ChangeKind]event{
	record.PodRestarted: {CodePodRestarted,
		"read the container's last log: kubectl logs --previous; a crash under load is worth a look of its own"},
	record.PodOOMKilled: {CodePodOOMKilled,
		"run again at a lower load.rate, or with a larger memory limit in staging, so that the gate can see what grows"},
	record.PodEvicted: {CodePodEvicted,
		"find out who needed its place (kubectl get events), and run again when the node has room"},
	record.PodReplaced: {CodePodReplaced, "wait for the rollout (kubectl rollout status), and run again"},
	record.PodsScaled: {CodePodsScaled, "pin the number of replicas while the gate runs: set the autoscaler's " +
		"minReplicas and maxReplicas to the same number, or pause what scales it"},
	record.PodDeleted: {CodePodDeleted, "find out who deleted it (kubectl get events), and run again"},
	record.NodeGone:   {CodeNodeGone, "run again when the node is back, or its pods are elsewhere"},
	record.PodUnready: {CodePodUnready,
		"find out what its readiness probe says under load (kubectl describe pod), and run again"},
	record.PodsUnknown: {CodePodsUnknown, "run again when the API server answers"},
}

// samePods asks whether the pods that are watched stayed what they were. A run of targets
// that are no pods has no such check.
func samePods(run record.Run, policy Policy) []Check {
	if !slices.ContainsFunc(run.Targets, func(t record.Target) bool { return t.Pod != nil }) {
		return nil
	}
	if len(run.Changes) == 0 {
		return []Check{{Name: podsName, Outcome: Pass, Unit: "changes of pods"}}
	}
	var out []Check
	for _, c := range run.Changes {
		e := events[c.Kind]
		out = append(out, Check{
			Name: podsName, Target: c.Target, Outcome: Inconclusive, Measured: 1, Unit: "changes of pods",
			Code: cmp.Or(e.code, CodePodRestarted), Hint: e.hint,
			Message: happened(run, policy, c) + fmt.Sprintf(", %s into the run", c.At.Round(time.Second)),
		})
	}
	return out
}

// podsName is the check that the pods stayed what they were.
const podsName = "same pods"

// happened says what happened to a pod.
func happened(run record.Run, policy Policy, c record.Change) string {
	said := ""
	if c.Message != "" {
		said = ": " + strings.TrimSpace(strings.TrimRight(c.Message, ". \n"))
	}
	switch c.Kind {
	case record.PodOOMKilled:
		return oomText(run, policy, c)
	case record.PodRestarted:
		return fmt.Sprintf("its container was restarted: it ended with exit code %d (%s)%s", c.ExitCode,
			cmp.Or(c.Reason, "no reason given"), said)
	case record.PodEvicted:
		return fmt.Sprintf("it was evicted (%s)%s", cmp.Or(c.Reason, "no reason given"), said)
	case record.PodReplaced:
		return "it was rolled out" + said
	case record.PodsScaled:
		return fmt.Sprintf("it was scaled from %d to %s%s", c.Before, plural(c.After, "pod"), said)
	case record.PodDeleted:
		return "it was deleted" + said
	case record.NodeGone:
		return fmt.Sprintf("its node is gone (%s)%s", cmp.Or(c.Reason, "it does not report any more"), said)
	case record.PodUnready:
		return "it was not ready for a while, and got no load" + said
	case record.PodsUnknown:
		return "what happened to its pods is not known" + said
	}
	return string(c.Kind) + said
}

// oomText says what an OOM kill looks like: that of a leak, if goroutines had grown before.
func oomText(run record.Run, policy Policy, c record.Change) string {
	limit := ""
	if t, ok := targetNamed(run, c.Target); ok && t.Pod != nil && t.Pod.Memory > 0 {
		limit = fmt.Sprintf(" at its limit of %s", Bytes(int64(t.Pod.Memory)))
	}
	base, last, known := before(run, c)
	switch {
	case !known:
		return "it was OOM-killed" + limit
	case policy.limits().Pods.grew(run, base, last):
		return fmt.Sprintf("it was OOM-killed%s after its goroutines grew from %d to %d: "+
			"that is what a leak looks like", limit, base, last)
	}
	return fmt.Sprintf("it was OOM-killed%s, with %d goroutines, %d at its baseline: its memory went elsewhere, "+
		"or the limit is too small for this load", limit, last, base)
}

func targetNamed(run record.Run, name string) (record.Target, bool) {
	i := slices.IndexFunc(run.Targets, func(t record.Target) bool { return t.Name == name })
	if i < 0 {
		return record.Target{}, false
	}
	return run.Targets[i], true
}

// before is how many goroutines a target had at its baseline, and in its last sample before a
// change.
func before(run record.Run, c record.Change) (base, last int, known bool) {
	for _, p := range run.Captures {
		if p.Target == c.Target && p.Kind == record.Baseline && p.Profile != nil {
			base, known = p.Profile.Total, true
		}
	}
	seen := false
	for _, s := range run.Samples {
		if s.Target == c.Target && s.At <= c.At {
			last, seen = s.Goroutines, true
		}
	}
	return base, last, known && seen
}

// grew reports whether goroutines grew by more than the load itself can be.
func (l PodThresholds) grew(run record.Run, base, last int) bool {
	flight := 0
	for _, o := range run.Loads {
		flight = max(flight, o.Workers+o.Held)
	}
	return last-base >= l.Least && float64(last-base) > l.InFlight*float64(flight)
}

// placed is the policy's production, completed by what the pods say: the memory limit of the
// first that has one, and as many replicas as the largest group has pods.
func placed(p Production, run record.Run) Production {
	pods, given := map[string]int{}, p.Replicas > 0
	for _, t := range run.Targets {
		if t.Pod == nil {
			continue
		}
		if p.Memory == 0 {
			p.Memory = t.Pod.Memory
		}
		if pods[t.Group]++; !given {
			p.Replicas = max(p.Replicas, pods[t.Group])
		}
	}
	return p
}
