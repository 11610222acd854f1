package report

import (
	"regexp"

	"github.com/leakgate/leakgate/verdict"
)

// linked matches what a linker calls a build: digits that look like a commit and are
// none, or the parts of Go's own id.
var linked = regexp.MustCompile(`^(.*, )?(?:build id )?([0-9a-fA-F]{16,}|[\w-]{20}(?:/[\w-]{20}){1,3})$`)

// fewDigits of a build id tell builds apart.
const fewDigits = 12

// buildOf says what a target was built from: its module's version and its commit where
// they are known, and otherwise in so many words that all there is is a build id.
func buildOf(t verdict.Target) string {
	if m := linked.FindStringSubmatch(t.Build); m != nil {
		return m[1] + "build id " + m[2][:fewDigits] + "…"
	}
	return t.Build
}
