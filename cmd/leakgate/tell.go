package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/leakgate/leakgate/internal/mask"
	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/verdict"
)

// codeNotWritten is of a run that passed where not everything could be written.
const codeNotWritten = "not-written"

// resultVariable names a file that gets the outcome of this very run, for whoever
// started leakgate and must not take an older verdict for it.
const resultVariable = "LEAKGATE_RESULT"

// teller writes a verdict to every place that gets it. If one cannot be written, a pass
// becomes could-not-tell, and that is then what all of them say.
type teller struct {
	app     *app
	verdict verdict.Verdict
	dir     string
	print   func(verdict.Verdict) error // to standard output
	github  *github
	broken  error // what could not be written
}

// tell writes reports, outputs and standard output, in this order: what can be
// written again comes before what cannot. It returns what was told.
func (t *teller) tell() (verdict.Verdict, error) {
	told := t.told()
	places := []func(verdict.Verdict) error{t.reports, t.result, t.outputs, t.print}
	for i, write := range places {
		err := write(told)
		if err == nil {
			continue
		}
		t.broken = errors.Join(t.broken, err)
		now := t.told()
		if now.Outcome == told.Outcome {
			continue
		}
		told = now
		for _, again := range places[:min(i+1, len(places)-1)] {
			_ = again(told) // what fails here failed before, and is known
		}
	}
	return told, t.broken
}

// told is the verdict as it is written.
func (t *teller) told() verdict.Verdict {
	v := t.verdict
	if t.broken == nil || v.Outcome != verdict.Pass { // nobody can read what passed
		return v
	}
	v.Outcome, v.Reason = verdict.Inconclusive, "the run passed, but not everything could be written"
	v.Headline = "could not tell: " + v.Reason
	v.Hint = "make room, or let leakgate write there; then leakgate judge DIR writes the reports again"
	v.Checks = append(slices.Clip(v.Checks), verdict.Check{
		Name: "reports", Outcome: verdict.Inconclusive, Code: codeNotWritten, Message: t.broken.Error(), Hint: v.Hint, Measured: 1, Unit: "failed",
	})
	return v
}

func (t *teller) reports(v verdict.Verdict) error { return writeReports(t.dir, v, t.app.hidden) }

// result writes the outcome for whoever asked for it in a variable.
func (t *teller) result(v verdict.Verdict) error {
	name, _ := t.app.env(resultVariable)
	if name == "" {
		return nil
	}
	dir, err := filepath.Abs(t.dir)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	text := fmt.Sprintf("outcome=%s\ndirectory=%s\nstarted=%s\n", v.Outcome, filepath.ToSlash(dir), v.Started.UTC().Format("2006-01-02T15:04:05.000000000Z"))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return errors.Join(fmt.Errorf("writing the result: %w", err), removed(name))
	}
	return nil
}

func (t *teller) outputs(v verdict.Verdict) error { return t.github.files(v, t.dir) }

// writeReports writes every report file. One that fails does not keep the
// others from being written.
func writeReports(dir string, v verdict.Verdict, hide *mask.Mask) error {
	files := report.Files()
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		if err := writeReport(filepath.Join(dir, name), files[name], v, hide); err != nil {
			errs = append(errs, fmt.Errorf("writing %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// writeReport replaces a file as a whole: a reader never sees half of one, nor
// an earlier one that says something else.
func writeReport(name string, render report.Renderer, v verdict.Verdict, hide *mask.Mask) error {
	var b bytes.Buffer
	if err := render(&b, v); err != nil {
		return errors.Join(err, removed(name))
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return errors.Join(err, removed(name))
	}
	_, err = tmp.Write(hide.Data(b.Bytes()))
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()), removed(name))
	}
	return nil
}

// removed removes a file, which may not be there, or be something else.
func removed(name string) error {
	if info, err := os.Lstat(name); err != nil || info.IsDir() {
		return nil // nobody reads a verdict there
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// console writes a verdict for a person.
func (a *app) console(w io.Writer, v verdict.Verdict, dir string, o runOptions) error {
	style := report.Style{Color: a.color(a.out), Verbose: o.verbose, Root: workingDir(), Dir: filepath.ToSlash(dir), Width: width(a.out)()}
	if o.quiet {
		_, err := fmt.Fprintln(w, report.Headline(v, style))
		return err
	}
	if err := report.Console(style)(w, v); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "  reports: %s\n", report.Printable(filepath.Join(dir, "report.html")))
	return err
}

// emit writes to standard output, in one piece: what is there cannot be taken back.
func (a *app) emit(text []byte) error {
	_, err := a.out.Write(text)
	if m, ok := a.out.(*mask.Writer); ok && err == nil {
		err = m.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing to standard output: %w", cmp.Or(errors.Unwrap(err), err))
	}
	return nil
}
