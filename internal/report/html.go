package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

//go:embed report.html.tmpl
var files embed.FS

// page is what the template sees.
type page struct {
	verdict.Verdict
	Word   string
	Charts []chart
}

// chart is a target's series as the points of an SVG line.
type chart struct {
	Target, Points string
	Most           int
	Seconds        float64
	Bands          []bandOfLoad
}

type bandOfLoad struct{ X, Width float64 }

const chartWidth, chartHeight = 800.0, 160.0

// HTML writes one self-contained page: no script, nothing fetched.
func HTML(w io.Writer, v verdict.Verdict) error {
	t, err := template.New("report.html.tmpl").Funcs(template.FuncMap{
		"source": sourceLines, "counts": counts, "number": number, "rate": rate, "join": strings.Join,
		"place": func(file string, line int) string { return place(file, line, "") },
		"inc":   func(i int) int { return i + 1 },
	}).ParseFS(files, "report.html.tmpl")
	if err != nil {
		return fmt.Errorf("parsing report template: %w", err)
	}
	p := page{Verdict: v, Word: map[verdict.Outcome]string{verdict.Pass: "Pass", verdict.Fail: "Fail", verdict.Inconclusive: "Could not tell"}[v.Outcome]}
	for _, target := range v.Targets {
		p.Charts = append(p.Charts, chartOf(v, target))
	}
	return t.Execute(w, p)
}

func chartOf(v verdict.Verdict, t verdict.Target) chart {
	c := chart{Target: t.Name, Seconds: v.Timing.Wall}
	if len(t.Series) == 0 || v.Timing.Wall <= 0 {
		return c
	}
	for _, p := range t.Series {
		c.Most = max(c.Most, p.Goroutines)
	}
	var b strings.Builder
	for _, p := range t.Series {
		fmt.Fprintf(&b, "%.1f,%.1f ", p.Second/v.Timing.Wall*chartWidth, chartHeight-float64(p.Goroutines)/float64(max(c.Most, 1))*(chartHeight-10))
	}
	c.Points = b.String()
	for _, p := range v.Timing.Phases {
		if p.Kind == "warmup" || p.Kind == "round" {
			c.Bands = append(c.Bands, bandOfLoad{X: p.Start.Seconds() / v.Timing.Wall * chartWidth, Width: (p.End - p.Start).Seconds() / v.Timing.Wall * chartWidth})
		}
	}
	return c
}
