package setup

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/internal/kubeload"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// newPodLoad makes the driver that has pods of a cluster send a plan's load.
func newPodLoad(p *plan.Plan, tool string) (loadgen.Driver, error) {
	k := p.Load.Kubernetes
	_, names, err := NewSender(p, tool) // what is wrong with the load is said here, not by a pod
	if err != nil {
		return nil, err
	}
	c, err := kube.New(kube.Config{Context: k.Context, UserAgent: "leakgate/" + tool})
	if err != nil {
		return nil, fmt.Errorf("load.kubernetes: %w", err)
	}
	bundle, err := p.Bundle(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	cfg := kubeload.Config{
		Namespace: c.Namespace(k.Namespace), Pods: k.Pods, Image: k.Image, Pull: corev1.PullPolicy(k.Pull),
		ServiceAccount: k.ServiceAccount, HostNetwork: k.HostNetwork, NodeSelector: k.NodeSelector,
		Ready: time.Duration(k.Ready), Timeout: time.Duration(p.Load.Timeout), Names: names,
	}
	if cfg.Bundle, err = bundle.Encode(); err != nil {
		return nil, err
	}
	if cfg.CPU, err = resource.ParseQuantity(k.CPU); err != nil {
		return nil, fmt.Errorf("load.kubernetes.cpu: %w", err)
	}
	if cfg.Memory, err = resource.ParseQuantity(k.Memory); err != nil {
		return nil, fmt.Errorf("load.kubernetes.memory: %w", err)
	}
	return kubeload.NewPods(cfg, c)
}

// newManifestLoad makes the driver of a Job, or of a TestRun, of the user's own. What its pods
// print goes below dir.
func newManifestLoad(p *plan.Plan, tool, dir string) (loadgen.Driver, error) {
	m := manifestOf(p.Load)
	text, err := os.ReadFile(p.Resolve(m.file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.key, err)
	}
	c, err := kube.New(kube.Config{Context: m.context, UserAgent: "leakgate/" + tool})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.key, err)
	}
	cfg := kubeload.OwnConfig{
		File: m.file, Manifest: text, Namespace: m.namespace, Default: c.Namespace(""), Summary: m.summary,
		Rate: float64(p.Load.Rate), Ready: m.ready, Mask: p.MaskBytes,
	}
	if dir != "" {
		cfg.Keep = func(n int, pod string, text []byte) {
			loadgen.KeepLog(filepath.Join(dir, logsDir), fmt.Sprintf("load-%d-%s.txt", n, record.FileName(pod)), text)
		}
	}
	if p.Load.Job != nil {
		return kubeload.NewOwn(cfg, c)
	}
	return kubeload.NewTestRuns(cfg, c)
}

// manifest is what a plan says of a manifest of the user's.
type manifest struct {
	key, file, namespace, context, summary string
	ready                                  time.Duration
}

func manifestOf(l plan.Load) manifest {
	if j := l.Job; j != nil {
		return manifest{"load.job", j.File, j.Namespace, j.Context, j.Summary, time.Duration(j.Ready)}
	}
	t := l.TestRun
	return manifest{"load.testrun", t.File, t.Namespace, t.Context, "", time.Duration(t.Ready)}
}

// tryGenerators says who will send a load that is not sent from here.
func tryGenerators(p *plan.Plan, tool string) ([]Answer, error) {
	if k := p.Load.Kubernetes; k != nil {
		_, err := newPodLoad(p, tool)
		name := fmt.Sprintf("%d pods of %s", k.Pods, k.Image)
		return []Answer{{Name: name, Answer: "they are created by run alone, which sends the requests from there"}}, err
	}
	_, err := newManifestLoad(p, tool, "")
	m := manifestOf(p.Load)
	return []Answer{{Name: m.file, Answer: "the manifest was read; it is created by run alone"}}, err
}

// loadNeeds is which cluster a plan's load is sent from, and what that takes.
func loadNeeds(p *plan.Plan) []need {
	l := p.Load
	switch {
	case l.Kubernetes != nil:
		return []need{{l.Kubernetes.Context, func(c *kube.Client) []kube.Right {
			return kubeload.PodsRights(c.Namespace(l.Kubernetes.Namespace))
		}}}
	case l.Job == nil && l.TestRun == nil:
		return nil
	}
	m := manifestOf(l)
	return []need{{m.context, func(c *kube.Client) []kube.Right {
		namespace := m.namespace
		if text, err := os.ReadFile(p.Resolve(m.file)); err == nil { // if not, that is said elsewhere
			namespace = cmp.Or(namespace, kubeload.NamespaceOf(text))
		}
		if l.Job != nil {
			return kubeload.OwnRights(c.Namespace(namespace))
		}
		return kubeload.TestRunsRights(c.Namespace(namespace))
	}}}
}
