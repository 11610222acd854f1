// Command faults runs the real gate against real services of its own, behind a proxy
// of its own that answers as faulty caches, balancers, proxies and networks do, and
// holds it to two promises: no leak is ever green, and no healthy service is ever red.
// It prints a line per row of the matrix, and exits 1 if any did not end as it should.
// It changes nothing outside of its temporary directory, and reaches nothing but
// 127.0.0.1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	if text, ok := os.LookupEnv(serviceVariable); ok {
		if err := serveService(text); err != nil {
			fmt.Fprintln(os.Stderr, "faults: service:", err)
			os.Exit(1)
		}
		return
	}
	// What is started does not inherit that this process may ignore a lost terminal, as
	// under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if text, ok := os.LookupEnv(generatorVariable); ok {
		if err := generate(text); err != nil {
			fmt.Fprintln(os.Stderr, "faults: generator:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.binary, "leakgate", "", "the leakgate to test; built from this module if absent")
	flag.StringVar(&o.only, "only", "", "rows whose kind/name matches this regular expression")
	flag.StringVar(&o.report, "o", "", "write the table to this Markdown file")
	flag.StringVar(&o.keep, "keep", "", "keep the run directories in this folder")
	flag.IntVar(&o.tries, "tries", 0, "tries of every row; what the row says if 0")
	flag.IntVar(&o.parallel, "parallel", defaultParallel, "runs at once")
	flag.BoolVar(&o.short, "short", false, "a dozen rows for CI, once each")
	flag.BoolVar(&o.list, "list", false, "list the rows, and run none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := o.do(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	if !good {
		os.Exit(1)
	}
}

// defaultParallel is how many runs go on at once: they wait for most of their time, and
// two cores carry as many without any of them missing its rate.
const defaultParallel = 6

// options are the command line.
type options struct {
	binary, only, report, keep string
	tries, parallel            int
	short, list                bool
}

func (o options) do(ctx context.Context) (bool, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	cells := o.cells(only)
	if o.list {
		for _, c := range cells {
			fmt.Println(c.listed())
		}
		return true, nil
	}
	if len(cells) == 0 {
		return false, fmt.Errorf("-only: no row matches %q", o.only)
	}
	dir, err := os.MkdirTemp(o.keep, "leakgate-faults-")
	if err != nil {
		return false, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	if o.binary == "" {
		o.binary = filepath.Join(dir, "leakgate")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary,
			"github.com/leakgate/leakgate/cmd/leakgate")
		if out, err := build.CombinedOutput(); err != nil {
			return false, fmt.Errorf("building leakgate: %w\n%s", err, out)
		}
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return false, err
	}
	began := time.Now()
	t := runAll(ctx, cells, runner{binary: o.binary, dir: dir, keep: o.keep != ""}, o.parallel)
	if o.report != "" {
		if err := t.writeFile(o.report); err != nil {
			return false, err
		}
	}
	fmt.Printf("%s, %d runs at once\n", time.Since(began).Round(time.Second), o.parallel)
	fmt.Println(t.total())
	return t.good() && ctx.Err() == nil, ctx.Err()
}

// cells are the rows that are asked for, each twin and variant by itself.
func (o options) cells(only *regexp.Regexp) []cell {
	var out []cell
	for _, r := range rows() {
		if !only.MatchString(r.id()) || o.short && !r.short {
			continue
		}
		for _, c := range r.cells(o.short) {
			switch {
			case o.tries > 0:
				c.tries = o.tries
			case o.short:
				c.tries = 1
			}
			out = append(out, c)
		}
	}
	return out
}
