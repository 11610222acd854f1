package report

import (
	"regexp"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// linked matches what a linker calls a build: digits that look like a commit and are
// none, or the parts of Go's own id.
var linked = regexp.MustCompile(`^(.*, )?(?:build id )?([0-9a-fA-F]{16,}|[\w-]{20}(?:/[\w-]{20}){1,3})$`)

// fewDigits of a build id tell builds apart.
const fewDigits = 12

// buildOf says what a target was built from: of a pod, its image with its digest, and the
// commit that it names; of any, its module's version and its commit where they are known, and
// otherwise in so many words that all there is is a build id.
func buildOf(t verdict.Target) string {
	name := t.Build
	if m := linked.FindStringSubmatch(t.Build); m != nil {
		name = m[1] + "build id " + m[2][:fewDigits] + "…"
	}
	if t.Pod == nil {
		return name
	}
	parts := []string{t.Pod.Build()}
	if commit := t.Pod.Commit(); commit != "" && !strings.Contains(name, commit) {
		parts = append(parts, commit)
	}
	return strings.Join(nonEmpty(append(parts, name)), ", ")
}

// builds are what the targets of a run were built from, each once.
func builds(v verdict.Verdict) []string { return distinct(v.Targets, buildOf) }

// images are the builds of a run's pods, each once; where no target is a pod, there are none.
func images(v verdict.Verdict) []string {
	return distinct(v.Targets, func(t verdict.Target) string {
		if t.Pod == nil {
			return ""
		}
		return buildOf(t)
	})
}
