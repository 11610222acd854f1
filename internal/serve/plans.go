package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/quote"
)

// maxBody bounds a request's body, and with it a posted plan, in bytes: the largest object
// that a cluster stores, a ConfigMap for instance, is about as large.
const maxBody = 1 << 20

// maxName bounds names of plans and keys, in bytes: a Kubernetes name is shorter.
const maxName = 253

// isPlanName matches names of mounted plans: files, and never paths.
var isPlanName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// mounted are the plans in a folder. It is read anew each time: a ConfigMap that changes
// needs no restart.
type mounted struct{ dir string }

// names are those of the plans that are there, sorted.
func (m mounted) names() ([]string, error) {
	if m.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), planEnding)
		if ok && validName(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// planEnding is the ending of a mounted plan's file.
const planEnding = ".yaml"

func validName(name string) bool { return len(name) <= maxName && isPlanName.MatchString(name) }

// file is where a plan is.
func (m mounted) file(name string) string { return filepath.Join(m.dir, name+planEnding) }

// errNoPlan is the error of a name that is no mounted plan's.
var errNoPlan = errors.New("no such plan")

// read reads a plan by its name, which came with a request.
func (m mounted) read(ctx context.Context, name string) ([]byte, error) {
	if m.dir == "" || !validName(name) {
		return nil, fmt.Errorf("plan %s: %w", quote.Text(name, maxName), errNoPlan)
	}
	root, err := os.OpenRoot(m.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	text, err := input.ReadBelow(ctx, root, name+planEnding, maxBody)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plan %s: %w", quote.Text(name, maxName), errNoPlan)
	}
	return text, err
}

// rules are what a plan may do on the server.
type rules struct {
	exec    bool // load.exec
	mounted bool // nothing but mounted plans is run
}

// refused is why a plan must not be run here; nil if it may. Whoever holds the token may
// send load to what the server reaches, but not read the server's files, nor run programs
// beside it or in its name.
func (r rules) refused(text []byte, posted bool) error {
	if posted && r.mounted {
		return errors.New("this server runs mounted plans only; name one: {\"plan\": \"NAME\"}")
	}
	var errs []error
	for _, l := range plan.Locals(text) {
		switch {
		case l.Kind == plan.LocalCommand && !r.exec:
			errs = append(errs, fmt.Errorf("plan:%d: %s runs a command on the server; start it with --allow-exec, "+
				"if everybody with the token may do that", l.Line, l.Field))
		case l.Kind == plan.LocalFile && posted:
			errs = append(errs, fmt.Errorf("plan:%d: %s reads a file of the server; a posted plan must not, a mounted "+
				"one may", l.Line, l.Field))
		case l.Kind == plan.LocalPods && posted:
			errs = append(errs, fmt.Errorf("plan:%d: %s starts pods of any image; a posted plan must not, a mounted "+
				"one may", l.Line, l.Field))
		}
	}
	return errors.Join(errs...)
}
