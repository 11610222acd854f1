package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/source"
	"github.com/leakgate/leakgate/verdict"
)

// sourceOptions are the flags about the service's source code.
type sourceOptions struct{ dir, since string }

func (o *sourceOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.dir, "source", ".", `git checkout of the service, to name a finding's owner and suspects; "" looks at none`)
	c.Flags().StringVar(&o.since, "since", "", "tag or revision after which commits are suspects (default: the last tag before HEAD)")
}

// check finds a revision that does not exist before anything is loaded.
func (o sourceOptions) check(ctx context.Context) error {
	if o.since != "" && o.dir == "" {
		return &exit{code: exitUsage, err: errors.New(`--since: there is no checkout to look at with --source ""`), hint: "leave out one of the two"}
	}
	return unresolved(source.Check(ctx, o.dir, o.since))
}

// unresolved marks a revision that does not exist as the user's error.
func unresolved(err error) error {
	var u *source.UnresolvedError
	if errors.As(err, &u) {
		return &exit{code: exitUsage, err: err, hint: u.Hint()}
	}
	return usage(err)
}

// annotate adds to a verdict's findings where they lie in the checkout.
func (o sourceOptions) annotate(ctx context.Context, v *verdict.Verdict) error {
	if o.dir == "" {
		return nil
	}
	return unresolved(source.Annotate(ctx, v, o.dir, o.since))
}
