package verdict

import (
	"slices"

	"github.com/leakgate/leakgate/record"
)

// Codes of what makes a run inconclusive.
const (
	CodeUnreachable = "target-unreachable"
	CodeRestarted   = "target-restarted"
	CodeReplaced    = "target-replaced"
	CodeFlips       = "identity-flips"
	CodeLost        = "target-lost"
	CodeInstances   = "instances-changed"
	CodeGap         = "samples-missing"
	CodeCounts      = "profile-inconsistent"
	CodeStale       = "profile-stale"
	CodeTooLarge    = "answer-too-large"
	CodeIdentity    = "identity-unknown"
	CodeRefused     = "load-refused"
	CodeFailing     = "requests-failing"
	CodeSlow        = "load-not-delivered"
	CodeGenerator   = "generator-saturated"
	CodeUnsent      = "request-not-sent"
	CodeNotReady    = record.NotReady
	CodeGone        = record.Lost
	CodeUnread      = record.Unread
	CodeSkewed      = "load-skewed"
	CodeStopped     = "load-stopped"
	CodeRounds      = "rounds-missing"
	CodeUnmeasured  = "not-measured"
	CodeUncounted   = "load-uncounted"
	CodeIncomplete  = "run-incomplete"
	CodeInterrupted = "interrupted"
	CodeUnconfirmed = "unconfirmed"
	CodeUndecided   = "undecided"
)

// Codes of what happened to the pods of a Kubernetes target.
const (
	CodePodOOMKilled = "pod-oom-killed"
	CodePodEvicted   = "pod-evicted"
	CodeNodeGone     = "node-gone"
	CodePodReplaced  = "pod-replaced"
	CodePodsScaled   = "pods-scaled"
	CodePodRestarted = "pod-restarted"
	CodePodDeleted   = "pod-deleted"
	CodePodUnready   = "pod-not-ready"
	CodePodsUnknown  = "pods-unknown"
)

// codeWeak is of a run that would not have caught as small a leak as the plan demands.
const codeWeak = "too-weak"

// codeNoDump is the gate's note of a dump that could not be had.
const codeNoDump = "no-dump"

// causes of an inconclusive run, in order: the first explains the others.
var codesInOrder = []string{
	CodePodOOMKilled, CodeNodeGone, CodePodEvicted, CodePodReplaced, CodePodsScaled, CodePodRestarted, CodePodDeleted, CodePodUnready,
	CodeUnreachable, CodeTooLarge, CodeReplaced, CodeRestarted, CodeFlips, CodeInstances, CodeLost, CodeStale, CodeCounts,
	CodeRefused, CodeFailing, CodeNotReady, CodeGone, CodeUnread, CodeSkewed, CodeGenerator, CodeSlow, CodeGap,
}

// priority orders the causes of an inconclusive run: known ones, then any that has a code,
// then what follows from others, then what has none.
func priority(code string) int {
	known := len(codesInOrder)
	if i := slices.Index(codesInOrder, code); i >= 0 {
		return i
	}
	switch code {
	case CodeRounds, CodeUnmeasured:
		return known + 1
	case "":
		return known + 1 + 1
	}
	return known
}

// recordedName is the check that the run came to its end.
const recordedName = "recorded"
