package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/sethvargo/go-githubactions"
	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/verdict"
)

// githubOptions say what a run tells GitHub Actions. The zero value: nothing.
type githubOptions struct {
	when           string // auto, on or off
	onInconclusive string // a report.Level
}

func (o *githubOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.when, "github", "auto", "annotations, outputs and summary for GitHub Actions: auto (in a job), on or off")
	c.Flags().StringVar(&o.onInconclusive, "on-inconclusive", string(report.LevelError), "GitHub's annotation of a run that could not tell: error, warning or pass-through (a notice); the exit code stays 3")
	_ = c.RegisterFlagCompletionFunc("github", cobra.FixedCompletions([]string{"auto", "on", "off"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("on-inconclusive", cobra.FixedCompletions(report.Levels(), cobra.ShellCompDirectiveNoFileComp))
}

func (o *githubOptions) check() error {
	var errs []error
	if !slices.Contains([]string{"auto", "on", "off"}, o.when) {
		errs = append(errs, fmt.Errorf("--github %q: want auto, on or off", o.when))
	}
	if !slices.Contains(report.Levels(), o.onInconclusive) {
		errs = append(errs, fmt.Errorf("--on-inconclusive %q: want one of %s", o.onInconclusive, strings.Join(report.Levels(), ", ")))
	}
	return errors.Join(errs...)
}

// github is the job that leakgate runs in; a nil one is told nothing.
type github struct {
	*githubactions.Action
	app   *app
	level report.Level
}

func (a *app) github(o githubOptions) *github {
	if inJob, _ := a.env("GITHUB_ACTIONS"); o.when != "on" && (o.when != "auto" || inJob != "true") {
		return nil
	}
	getenv := func(key string) string { v, _ := a.env(key); return v }
	return &github{
		Action: githubactions.New(githubactions.WithWriter(unwrap(a.out)), githubactions.WithGetenv(getenv)),
		app:    a, level: report.Level(o.onInconclusive),
	}
}

// mask tells the runner the plan's secrets, before anything is printed. What
// leakgate prints has none; what other steps print of its files might.
func (g *github) mask(secrets []string) {
	if g == nil {
		return
	}
	for _, s := range secrets {
		g.AddMask(s)
	}
}

// annotate writes annotations, which are for standard output.
func (g *github) annotate(w io.Writer, v verdict.Verdict) error {
	if g == nil {
		return nil
	}
	if err := report.GitHub(w, v, report.GitHubOptions{OnInconclusive: g.level}); err != nil {
		return fmt.Errorf("writing annotations: %w", err)
	}
	return nil
}

// files writes outputs and summary. One that fails does not keep the other from
// being written. Of an output that is written twice, the last holds.
func (g *github) files(v verdict.Verdict, dir string) error {
	if g == nil {
		return nil
	}
	return errors.Join(g.outputs(v, dir), g.summary(v))
}

// outputs appends to the file of the step's outputs, where the job has one.
func (g *github) outputs(v verdict.Verdict, dir string) error {
	if g.Getenv("GITHUB_OUTPUT") == "" {
		return nil
	}
	if abs, err := filepath.Abs(dir); err == nil { // later steps run elsewhere
		dir = filepath.ToSlash(abs)
	}
	out := report.GitHubOutputs(v, dir)
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(out)) {
		if strings.ContainsAny(out[key], "\r\n") {
			errs = append(errs, fmt.Errorf("writing GitHub's output %s: %q holds a line break", key, out[key]))
			continue
		}
		value := string(g.app.hidden.Data([]byte(out[key])))
		if err := try(func() { g.SetOutput(key, value) }); err != nil {
			errs = append(errs, fmt.Errorf("writing GitHub's output %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// summary appends to the step's summary, where the job has one.
func (g *github) summary(v verdict.Verdict) error {
	if g.Getenv("GITHUB_STEP_SUMMARY") == "" {
		return nil
	}
	var b bytes.Buffer
	err := report.GitHubSummary(&b, v)
	if err == nil {
		err = try(func() { g.AddStepSummary(string(g.app.hidden.Data(b.Bytes()))) })
	}
	if err != nil {
		return fmt.Errorf("writing GitHub's summary: %w", err)
	}
	return nil
}

// try returns what the library panics with: a file that cannot be written.
func try(write func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			var ours runtime.Error
			e, ok := p.(error)
			if !ok || errors.As(e, &ours) {
				panic(p)
			}
			err = e
		}
	}()
	write()
	return nil
}
