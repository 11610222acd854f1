package plan

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/leakgate/leakgate/internal/kube"
)

// short is a mapping that may be written as one text.
type short interface {
	// SetShort takes the text in.
	SetShort(text string)
}

// Workload is which pods of a cluster a target stands for.
type Workload struct {
	Workload  string `yaml:"workload" doc:"deployment/NAME, statefulset/NAME, daemonset/NAME or pod/NAME."`
	Selector  string `yaml:"selector" doc:"Instead: a selector of labels, such as app=checkout."`
	Namespace string `yaml:"namespace" doc:"Namespace of the pods, as targets[].namespace."`
}

// SetShort takes a workload, such as deployment/checkout.
func (w *Workload) SetShort(text string) { w.Workload = text }

// Page is where a target serves Prometheus metrics.
type Page struct {
	URL  string `yaml:"url" doc:"Address of the page."`
	Path string `yaml:"path" doc:"Of a Kubernetes target, instead: path of the page."`
	Port string `yaml:"port" doc:"Of a Kubernetes target: name or number of its port, if it is not that of pprof."`
}

// SetShort takes an address, or a path.
func (p *Page) SetShort(text string) {
	if strings.HasPrefix(text, "/") {
		p.Path = text
		return
	}
	p.URL = text
}

// Given reports whether there is a page.
func (p Page) Given() bool { return p != Page{} }

// defaultMetrics is the usual path of metrics.
const defaultMetrics = "/metrics"

// clusterKeys are the keys of a target that only one in a cluster has.
var clusterKeys = []string{"namespace", "context", "port", "path", "container", "scheme"}

// cluster checks a target that stands for pods.
func (d *decoder) cluster(t *Target, at string) {
	w := t.Kubernetes
	here := at + ".kubernetes"
	switch {
	case t.Pprof != "" || d.given(at+".pprof"):
		d.bad(at+".pprof", "targets[].port and path say where its pods serve it", "pprof and kubernetes exclude each other")
	case t.Selector != "" || d.given(at+".selector"):
		d.bad(at+".selector", "for pods by their labels: kubernetes: {selector: app=checkout}",
			"selector is of a Prometheus server, and excludes kubernetes")
	case w.Workload != "" && w.Selector != "":
		d.bad(here+".selector", "", "workload and selector exclude each other")
	case w.Workload == "" && w.Selector == "":
		d.bad(here, "such as deployment/checkout, or {selector: app=checkout}", "does not say which pods")
	case w.Workload != "":
		if _, _, err := kube.ParseRef(w.Workload); err != nil {
			d.bad(here, "write deployment/NAME, statefulset/NAME, daemonset/NAME or pod/NAME", "%v", err)
		}
	default:
		if err := kube.ParseSelector(w.Selector); err != nil {
			d.bad(here+".selector", "write it as for kubectl -l: app=checkout,tier=web", "%s: %v", quoted(w.Selector), err)
		}
	}
	if w.Namespace != "" && t.Namespace != "" && w.Namespace != t.Namespace {
		d.bad(at+".namespace", "", "kubernetes has another namespace, %s", quoted(w.Namespace))
	}
	t.Namespace = cmp.Or(t.Namespace, w.Namespace)
	d.port(at+".port", t.Port)
	if !strings.HasPrefix(t.Path, "/") {
		d.bad(at+".path", "such as /debug/pprof", "%s does not begin with a slash", quoted(t.Path))
	}
	if t.Name == "" {
		t.Name = cmp.Or(w.Workload, w.Selector)
	}
	d.clusterMetrics(t, at+".metrics")
}

// clusterMetrics checks where pods serve metrics.
func (d *decoder) clusterMetrics(t *Target, at string) {
	m := &t.Metrics
	switch {
	case m.URL != "":
		d.bad(at, "such as /metrics", "of pods, metrics are a path, not %s", quoted(CleanURL(m.URL)))
	case m.Port != "" && m.Path == "":
		m.Path = defaultMetrics
	case m.Path != "" && !strings.HasPrefix(m.Path, "/"):
		d.bad(at+".path", "such as /metrics", "%s does not begin with a slash", quoted(m.Path))
	}
	d.port(at+".port", m.Port)
}

// maxPort is the largest number of a port.
const maxPort = 65535

// port checks a port that is a name or a number.
func (d *decoder) port(at, text string) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > maxPort) {
		d.bad(at, "", "%d is not between 1 and %d", n, maxPort)
	}
}

// outside refuses, of a target that is in no cluster, the keys of one that is.
func (d *decoder) outside(t *Target, at string) {
	for _, key := range clusterKeys {
		if d.given(at + "." + key) {
			d.bad(at+"."+key, "", "is only for a target with kubernetes")
		}
	}
	if t.Metrics.Path != "" || t.Metrics.Port != "" {
		d.bad(at+".metrics", "write the full address: http://host:port/metrics",
			"a path alone is only for a target with kubernetes")
	}
	if t.Metrics.URL != "" {
		d.url(t.Metrics.URL, at+".metrics")
	}
}

// KubernetesTarget is a target of the plan as package kube takes it.
func (t Target) KubernetesTarget() (kube.Target, error) {
	out := kube.Target{
		Selection: kube.Selection{Namespace: t.Namespace, Selector: t.Kubernetes.Selector},
		Name:      t.Name, Scheme: t.Scheme, Port: t.Port, Path: t.Path,
		Metrics: t.Metrics.Path, MetricsPort: t.Metrics.Port, Container: t.Container,
	}
	if t.Kubernetes.Workload != "" {
		var err error
		if out.Kind, out.Selection.Name, err = kube.ParseRef(t.Kubernetes.Workload); err != nil {
			return out, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return out, nil
}
