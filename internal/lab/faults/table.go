package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// result is what came of all tries of a cell.
type result struct {
	cell
	counts  map[string]int // of what was seen
	message string
	broken  map[string]int
	wrong   int
	starved int
	err     error
}

// table is what came of all cells.
type table struct {
	results []result
}

// starving are the codes that a busy machine gives to any row; such a run is made again.
var starving = []string{short, "generator-saturated"}

// retries is how often a starved run is made again.
const retries = 2

// runAll makes the runs of all cells, some at once, and prints each cell when it is done.
func runAll(ctx context.Context, cells []cell, r runner, parallel int) table {
	t := table{results: make([]result, len(cells))}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(1, parallel))
	left := make([]int, len(cells))
	for i, c := range cells {
		t.results[i] = result{cell: c, counts: map[string]int{}, broken: map[string]int{}}
		left[i] = c.tries
		for range c.tries {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				got, starved, err := r.fed(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				t.results[i].add(got, starved, err)
				if left[i]--; left[i] == 0 {
					fmt.Println(t.results[i].line())
				}
			})
		}
	}
	wg.Wait()
	return t
}

// fed makes a run, and again if the machine had no time for it.
func (r runner) fed(ctx context.Context, c cell) (got seen, starved int, err error) {
	for starved = range retries + 1 {
		got, err = r.one(ctx, c)
		if err != nil || c.right(got) || len(got.codes) == 0 || !slices.Contains(starving, got.codes[0]) {
			break
		}
	}
	return got, starved, err
}

func (r *result) add(got seen, starved int, err error) {
	r.starved += starved
	if errors.Is(err, errSkipped) {
		r.counts["skipped"]++
		r.message = err.Error()
		return
	}
	if err != nil {
		r.err = cmp.Or(r.err, err)
		r.wrong++
		return
	}
	what := got.outcome
	if len(got.codes) > 0 && what == unclear {
		what = strings.Join(got.codes, "+")
	}
	r.counts[what]++
	bad := !r.right(got) || len(got.broken) > 0
	if bad {
		r.wrong++
	}
	if r.message == "" || bad && r.wrong == 1 {
		r.message = got.message
	}
	for _, b := range got.broken {
		r.broken[b]++
	}
}

// seenText is the counts, the most frequent first.
func (r result) seenText() string {
	keys := slices.SortedFunc(maps.Keys(r.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.counts[b], r.counts[a]), strings.Compare(a, b))
	})
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%d %s", r.counts[k], k)
	}
	if r.starved > 0 {
		keys = append(keys, fmt.Sprintf("%d starved and made again", r.starved))
	}
	return strings.Join(keys, ", ")
}

func (r result) brokenText() string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(r.broken)) {
		out = append(out, fmt.Sprintf("%d× %s", r.broken[k], k))
	}
	if r.err != nil {
		out = append(out, r.err.Error())
	}
	return strings.Join(out, "; ")
}

func (r result) mark() string {
	switch {
	case r.wrong == 0:
		return "ok"
	case r.pending != "":
		return "pending"
	}
	return "WRONG"
}

// line is the result for a person.
func (r result) line() string {
	text := fmt.Sprintf("%-8s%-44s %-12s %-8s %2d  want %s; saw %s", r.mark(), r.id(), r.variant, r.twin(), r.tries,
		strings.Join(r.expected(), " | "), r.seenText())
	if b := r.brokenText(); b != "" {
		text += "\n        " + b
	}
	if r.wrong > 0 {
		text += "\n        " + shorten(r.message)
	}
	return text
}

// shown is the most of a message that the table shows, in bytes.
const shown = 400

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Map(func(r rune) rune { // what the gate let through must not be let through here
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
	if len(text) > shown {
		return strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return text
}

// counted is the sum over all results of what a function counts.
func (t table) counted(of func(r result) int) int {
	n := 0
	for _, r := range t.results {
		n += of(r)
	}
	return n
}

func (t table) good() bool {
	return t.counted(func(r result) int {
		if r.pending != "" && r.broken["LEAK GREEN"]+r.broken["HEALTHY RED"] == 0 {
			return 0
		}
		return r.wrong
	}) == 0
}

// total is the last line.
func (t table) total() string {
	names := map[string]bool{}
	for _, r := range t.results {
		names[r.id()] = true
	}
	return fmt.Sprintf("%d rows, %d runs, %d not as expected; leaks green: %d, healthy red: %d", len(names),
		t.counted(func(r result) int { return r.tries }), t.counted(func(r result) int { return r.wrong }),
		t.counted(func(r result) int { return r.broken["LEAK GREEN"] }),
		t.counted(func(r result) int { return r.broken["HEALTHY RED"] }))
}

// writeFile writes the table as Markdown.
func (t table) writeFile(name string) error {
	var b strings.Builder
	b.WriteString("| | row | variant | twin | tries | expected | seen | message |\n" +
		"| --- | --- | --- | --- | ---: | --- | --- | --- |\n")
	for _, r := range t.results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %s | %s |\n", r.mark(), r.id(), r.variant, r.twin(),
			r.tries,
			cellText(strings.Join(r.expected(), ", ")),
			cellText(strings.Trim(r.seenText()+"; "+r.brokenText(), "; ")), cellText(shorten(r.message)))
	}
	fmt.Fprintf(&b, "\n%s\n", t.total())
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// cellText keeps what a target said from ending its cell.
func cellText(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(text)
}
