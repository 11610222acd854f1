package plan

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/mask"
)

// Read reads a plan from a file. env looks up environment variables. Files
// that the plan names are taken relative to the plan's folder. The error is a
// Problems, or says why the file could not be read.
func Read(file string, env func(string) (string, bool)) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	return Parse(file, text, env)
}

// Parse is Read for a plan that was read already. A nil env leaves variables
// as they are written: enough to judge by, not to run with.
func Parse(file string, text []byte, env func(string) (string, bool)) (*Plan, error) {
	d := &decoder{file: file, env: env}
	if env == nil {
		d.partial = judgedBy
	}
	return d.parse(text)
}

func (d *decoder) parse(text []byte) (*Plan, error) {
	file := d.file
	p := d.decode(text)
	p.File, p.Text, p.Moved = file, text, d.moved
	p.Name = cmp.Or(p.Name, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
	if len(d.at) > 1 && d.values <= maxValues { // otherwise there is nothing, or not all, to be judged
		d.validate(p)
	}
	p.Secrets, p.Hidden = d.secrets, mask.New(d.secrets, d.pairs)
	p.Variables, p.Files = d.variables, d.files
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, d.problems
	}
	return p, nil
}

// leastMemory is the smallest budget for what targets answer, in bytes: a service of
// some thousand stacks, in a run of six rounds, needs about half of it.
const leastMemory = 64 << 20

// ReadPolicy reads a plan to judge by: variables stay as they are written, and
// the files that it names need not be there.
func ReadPolicy(file string) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	return Parse(file, text, nil)
}

// ReadThresholds reads a plan for what it hands on to production: the files that it
// names need not be there, and variables that env does not know stay as they are
// written, but where thresholds depend on them.
func ReadThresholds(file string, env func(string) (string, bool)) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	d := &decoder{file: file, env: env, partial: handedOn}
	return d.parse(text)
}

// ParseLoad reads a plan to send its load alone. What only its targets or its policy need,
// variables and files, need not be there, nor targets.
func ParseLoad(file string, text []byte, env func(string) (string, bool)) (*Plan, error) {
	return (&decoder{file: file, env: env, partial: sentBy}).parse(text)
}

// Resolve makes a path of the plan relative to the plan's folder.
func (p *Plan) Resolve(name string) string {
	if at, ok := p.Moved[name]; ok {
		return at
	}
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(p.File), name)
}

// where finds the node of a field, or of the nearest field around it.
func (d *decoder) where(path string) *yaml.Node {
	for {
		if n, ok := d.at[path]; ok {
			return n
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return d.at[""]
		}
		path = path[:i]
	}
}

// bad reports a value that decoded but cannot be right, unless there is a
// complaint about it, or about what holds it, already.
func (d *decoder) bad(path, hint, format string, args ...any) {
	if !d.sound(path) {
		return
	}
	d.problem(d.where(path), path, hint, format, args...)
}

// sound reports whether all of some fields hold what the plan says: nothing was
// reported about them or about what holds them, and their variables are known.
func (d *decoder) sound(paths ...string) bool {
	for _, path := range paths {
		for path != "" {
			if d.unsound[path] {
				return false
			}
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
	return true
}

func (d *decoder) given(path string) bool { _, ok := d.at[path]; return ok }

func (d *decoder) validate(p *Plan) {
	if p.Version != 1 {
		d.bad("version", "write version: 1", "this leakgate does not know format %d", p.Version)
	}
	d.prometheus(p)
	if d.partial != sentBy || d.given("targets") {
		d.targets(p)
	}
	d.load(p)
	d.policy(p)
	if p.Production.Replicas < 0 || d.given("production.replicas") && p.Production.Replicas == 0 {
		d.bad("production.replicas", "", "%d is not a number of replicas", p.Production.Replicas)
	}
	if d.given("production.rate") && p.Production.Rate == Max && d.sound("production.rate") {
		d.bad("production.rate", "such as 500/s", "max is not a production rate")
	}
	if p.Safety.Memory < leastMemory {
		d.bad("safety.memory", "512Mi is the default", "%d bytes are too few; the minimum is 64Mi", p.Safety.Memory)
	}
	if p.Safety.Goroutines < 0 {
		d.bad("safety.goroutines", "0 sets no limit", "%d is negative", p.Safety.Goroutines)
	}
	if d.given("report.dir") && p.Report.Dir == "" {
		d.bad("report.dir", "", "is empty")
	}
	if p.Settle.Quiet > p.Settle.Timeout && d.sound("settle.timeout") {
		d.bad("settle.quiet", "", "%s is longer than settle.timeout, %s", time.Duration(p.Settle.Quiet),
			time.Duration(p.Settle.Timeout))
	}
	if p.Settle.Quiet < Duration(500*time.Millisecond) {
		d.bad("settle.quiet", "2s is the default", "%s is too short to see whether a count is level; the minimum is 500ms",
			time.Duration(p.Settle.Quiet))
	}
	d.enums(reflect.ValueOf(p).Elem(), "")
}
