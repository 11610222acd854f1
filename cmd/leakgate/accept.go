package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// acceptedFile is where rules go if nothing else is said.
const acceptedFile = "leakgate-accepted.yaml"

// acceptOptions are judge's flags about accepting findings.
type acceptOptions struct{ file, reason, owner, until string }

func (o *acceptOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "accept", "", "write ignore rules for today's findings into this file of rules")
	c.Flags().Lookup("accept").NoOptDefVal = acceptedFile
	c.Flags().StringVar(&o.reason, "reason", "", "with --accept: why; what was seen, if absent")
	c.Flags().StringVar(&o.owner, "owner", "", "with --accept: who answers for it")
	c.Flags().StringVar(&o.until, "until", "", "with --accept: last day on which the rules hold, YYYY-MM-DD")
}

// accept writes rules for a verdict's findings, and judges again with them.
func (a *app) accept(o acceptOptions, run record.Run, policy verdict.Policy, v verdict.Verdict) (verdict.Verdict, error) {
	if _, err := time.Parse(time.DateOnly, o.until); o.until != "" && err != nil {
		return v, fmt.Errorf("--until %q: want a day as 2027-03-01", o.until)
	}
	if v.More > 0 {
		return v, fmt.Errorf("%d findings are more than a verdict lists and more than can be accepted in one go; fix the first ones", v.More+len(v.Findings))
	}
	if len(v.Findings) == 0 {
		fmt.Fprintln(a.errOut, "nothing to accept: the run has no finding")
		return v, nil
	}
	var rules []plan.Ignore
	for _, f := range v.Findings {
		if f.Is(verdict.Unconfirmed) {
			return v, fmt.Errorf("it is not confirmed that %s leaks: let the run finish first", f.Function)
		}
		if f.Function == "" || f.Name() != f.Function {
			return v, errors.New("a finding has no function that a rule could name: only the number of goroutines is known; give the target's pprof in the plan")
		}
		r := plan.Ignore{
			Function: "^" + regexp.QuoteMeta(f.Function) + "$", Reason: o.reason, Owner: o.owner, Until: plan.Date(o.until),
		}
		if r.Reason == "" {
			r.Reason = fmt.Sprintf("accepted on %s: +%d goroutines on %s in %s", v.Started.Format(time.DateOnly), f.Leaked, f.Target, v.Amount())
		}
		rules = append(rules, r)
	}
	added, err := plan.Accept(o.file, rules, a.now())
	if err != nil {
		return v, err
	}
	a.linef(a.errOut, "%d new of %d findings accepted in %s; the plan reads them with policy: {ignore_file: %s}, relative to its folder\n", len(added), len(rules), o.file, o.file)
	for _, r := range added {
		a.linef(a.errOut, "  %s\n", r.Function)
	}
	for _, r := range rules {
		policy.Ignore = append(policy.Ignore, verdict.Rule{Function: r.Function, Reason: r.Reason, Owner: r.Owner, Until: string(r.Until)})
	}
	return verdict.Judge(run, policy), nil
}
