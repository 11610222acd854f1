package rules

//lint:file-ignore SA1019 Every Grafana imports this schema; its successor needs Grafana 12.

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// height is that of every panel, in Grafana's rows; width is the whole page.
const (
	height = 8
	width  = 24
)

// Dashboard is a Grafana dashboard over what the rules record, as JSON.
func (c Config) Dashboard() ([]byte, error) {
	d, err := dashboard.NewDashboardBuilder("Goroutines of "+c.Service).
		Uid(fmt.Sprintf("leakgate-%08x", crc32.ChecksumIEEE([]byte(c.Service)))).
		Description("Written by leakgate rules, over what its recording rules record.").
		Tags([]string{"leakgate", "goroutines"}).
		Time("now-24h", "now").Refresh("1m").Editable().
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithPanel(c.stat("Leak suspected now", c.mine(OfService), "none", 1)).
		WithPanel(c.stat("Minutes of suspicion in 30 days", c.mine(minutes), "m", c.Budget.Minutes())).
		WithPanel(c.stat("Most goroutines of an instance", fmt.Sprintf("max(%s)", c.mine(Goroutines)), "none", float64(cmp.Or(c.Most, math.MaxInt32)))).
		WithPanel(c.panel("Goroutines", "Each instance, and the mean of all.", "none",
			query{c.mine(Goroutines), "{{instance}}"}, query{fmt.Sprintf("avg(%s)", c.mine(Goroutines)), "mean"})).
		WithPanel(c.panel("Slope", fmt.Sprintf("Goroutines a second over half an hour. More than %g is suspect, if the floor rises too.", c.Slope), "none",
			query{c.mine(slope), "{{instance}}"}, query{fmt.Sprintf("vector(%g)", c.Slope), "suspect"})).
		WithPanel(c.panel("Floor", fmt.Sprintf("The least of 15 minutes less the most an hour before. More than %g is suspect, if the slope is.", c.rise()), "none",
			query{fmt.Sprintf("%s - %s offset 1h", c.mine(floor), c.mine(ceiling)), "{{instance}}"}, query{fmt.Sprintf("vector(%g)", c.rise()), "suspect"})).
		WithPanel(c.panel("Resident memory", "And where it will be in six hours.", "bytes",
			query{"process_resident_memory_bytes" + c.Selector, "{{instance}}"}, query{fmt.Sprintf("predict_linear(process_resident_memory_bytes%s[1h], 6 * 3600)", c.Selector), "{{instance}} in six hours"})).
		WithPanel(c.panel("Threads", "Goroutines stuck in system calls or cgo hold one each.", "none", query{"go_threads" + c.Selector, "{{instance}}"})).
		Build()
	if err != nil {
		return nil, fmt.Errorf("building the dashboard: %w", err)
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

type query struct{ expr, legend string }

func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

func (c Config) panel(title, about, unit string, queries ...query) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(about).Unit(unit).Datasource(source()).Height(height).Span(width / 2)
	for i, q := range queries {
		p.WithTarget(prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A' + i))).Datasource(source()).Range())
	}
	return p
}

// stat is one number, red from a limit on.
func (c Config) stat(title, expr, unit string, limit float64) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Unit(unit).Datasource(source()).Height(height / 2).Span(width / 3).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps([]dashboard.Threshold{
			{Color: "green"}, {Color: "red", Value: &limit},
		})).
		WithTarget(prometheus.NewDataqueryBuilder().Expr(expr).RefId("A").Datasource(source()).Instant())
}
