package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/stacks"
)

func (a *app) diffCommand() *cobra.Command {
	var format string
	var failOver int
	c := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Compare two goroutine profiles",
		Long: `diff normalises the stacks of two goroutine profiles as the gate does, and
lists what grew and what went, the largest growth first. A profile is a file,
an address, or - for standard input, in any form that net/http/pprof serves
(debug=0, 1 or 2).`,
		Example: `  leakgate diff before.pb.gz after.pb.gz
  leakgate diff before.pb.gz http://127.0.0.1:6060/debug/pprof/goroutine
  leakgate diff a.txt b.txt --format json --fail-over 50`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" && args[1] == "-" {
				return usage(errors.New("standard input can be one of the two profiles, not both"))
			}
			render, ok := map[string]func(report.Diff) error{
				"console": func(d report.Diff) error {
					return d.Console(a.out, report.Style{Color: a.color(a.out), Root: workingDir()})
				},
				"json":     func(d report.Diff) error { return d.JSON(a.out) },
				"markdown": func(d report.Diff) error { return d.Markdown(a.out) },
			}[format]
			if !ok {
				return usage(fmt.Errorf("--format %q: want console, json or markdown", format))
			}
			before, err := a.profile(c.Context(), args[0])
			if err != nil {
				return err
			}
			after, err := a.profile(c.Context(), args[1])
			if err != nil {
				return err
			}
			d := report.NewDiff(before, after)
			if err := render(d); err != nil {
				return &exit{code: exitInconclusive, err: err}
			}
			if c.Flags().Changed("fail-over") && d.Most() > failOver {
				return &exit{code: exitFail}
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "console", "console, json or markdown")
	c.Flags().IntVar(&failOver, "fail-over", 0, "exit 1 if any stack grew by more than this many goroutines")
	return c
}

// profile reads a goroutine profile. A file that cannot be read or parsed is a
// usage error; a target that does not answer is not.
func (a *app) profile(ctx context.Context, name string) (*stacks.Profile, error) {
	p, err := interruptible(ctx, func() (*stacks.Profile, error) {
		raw, err := a.profileBytes(ctx, name)
		if err != nil {
			return nil, err
		}
		p, err := stacks.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return p, nil
	})
	if err != nil {
		return nil, usageUnless(err)
	}
	return p, nil
}

// profileBytes reads what the user names, which may be a pipe: <(command).
func (a *app) profileBytes(ctx context.Context, name string) (raw []byte, err error) {
	switch {
	case name == "-":
		raw, err = input.Read(ctx, a.in, "standard input", stacks.MaxProfile)
	case strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://"):
		raw, err = probe.Fetch(ctx, name)
		var e *probe.Error
		if errors.As(err, &e) && ctx.Err() == nil {
			return nil, &exit{code: exitInconclusive, err: err, hint: e.Hint}
		}
	default:
		raw, err = input.ReadFile(ctx, name, stacks.MaxProfile)
	}
	if err != nil {
		return nil, fmt.Errorf("reading profile: %w", err)
	}
	return raw, nil
}
