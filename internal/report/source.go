package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// fewSuspects is how many commits a person is shown; verdict.json has the rest.
const fewSuspects = 3

// shortHash is how many digits of a hash name a commit to a person, as git's own
// default has it for most repositories.
const shortHash = 7

// sourceLines says where a finding lies in the checkout, if that is not the place that
// the stack shows, who owns it, and which commits may have introduced it. It is printable.
func sourceLines(f verdict.Finding) []string {
	s := f.Source
	if s == nil {
		return nil
	}
	var out []string
	if s.Line != f.Line || f.File != s.Path && !strings.HasSuffix(f.File, "/"+s.Path) {
		out = append(out, "in the checkout: "+place(s.Path, s.Line, ""))
	}
	if len(s.Owners) > 0 {
		out = append(out, "owner: "+printable(strings.Join(s.Owners, ", ")))
	}
	for _, c := range s.Suspects[:min(len(s.Suspects), fewSuspects)] {
		out = append(out, printable(fmt.Sprintf("since %s: %s %s %s: %s (touches %s)",
			s.Since, c.Hash[:min(len(c.Hash), shortHash)], c.Date.UTC().Format(time.DateOnly), c.Author, c.Subject, c.Function)))
	}
	if n := len(s.Suspects) - fewSuspects; n > 0 {
		out = append(out, printable(fmt.Sprintf("since %s: %s more", s.Since, plural(n, "commit"))))
	}
	return out
}
