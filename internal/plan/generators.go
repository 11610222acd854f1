package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Pods are the pods of a cluster that send a load together.
type Pods struct {
	Namespace      string            `yaml:"namespace" doc:"Namespace of the pods; that of the context by default, and in a pod its own."`
	Context        string            `yaml:"context" doc:"Context of the kubeconfig. By default the current one, and in a pod its service account."`
	Pods           int               `yaml:"pods" required:"true" doc:"Number of pods that share the load. Each sends its part of the rate, and of the connections if load.connections says how many."`
	Image          string            `yaml:"image" required:"true" doc:"Image whose entrypoint is leakgate, of the same version as this one."`
	Pull           string            `yaml:"pull" default:"IfNotPresent" enum:"Always,IfNotPresent,Never" doc:"When the image is pulled."`
	CPU            string            `yaml:"cpu" default:"1" doc:"Processors of each pod, as request and limit."`
	Memory         string            `yaml:"memory" default:"256Mi" doc:"Memory of each pod, as request and limit."`
	ServiceAccount string            `yaml:"service_account" doc:"Service account of the pods, such as one that may pull the image; its token is not mounted."`
	HostNetwork    bool              `yaml:"host_network" doc:"Use the network of the pods' nodes."`
	NodeSelector   map[string]string `yaml:"node_selector" doc:"Labels of the nodes on which the pods may run."`
	Ready          Duration          `yaml:"ready" default:"2m" doc:"How long it may take until all pods of a round are running."`
}

// Job is a Job of the user's own that sends load.
type Job struct {
	File      string   `yaml:"file" required:"true" local:"file" doc:"File with the manifest of a Job (batch/v1). Each of its containers gets LEAKGATE_RATE, LEAKGATE_DURATION, LEAKGATE_SECONDS and LEAKGATE_ROUND, as the command of load.exec does; the rate is the part of one pod."`
	Namespace string   `yaml:"namespace" doc:"Namespace of the Job; by default that of the manifest, or else of the context."`
	Context   string   `yaml:"context" doc:"Context of the kubeconfig. By default the current one, and in a pod its service account."`
	Summary   string   `yaml:"summary" default:"auto" enum:"auto,k6,ghz,vegeta,wrk,none" doc:"Format of the summary that each pod prints, as for load.exec."`
	Ready     Duration `yaml:"ready" default:"2m" doc:"How long it may take until all pods of a round are running."`
}

// SetShort takes the manifest's file.
func (j *Job) SetShort(text string) { j.File = text }

// TestRun is a TestRun of the k6 operator.
type TestRun struct {
	File      string   `yaml:"file" required:"true" local:"file" doc:"File with the manifest of a TestRun (k6.io/v1alpha1). Its runners get LEAKGATE_RATE, LEAKGATE_DURATION, LEAKGATE_SECONDS and LEAKGATE_ROUND; the rate is that of all of them, since k6 divides it. The script has to print its summary as JSON, and cleanup must not be set."`
	Namespace string   `yaml:"namespace" doc:"Namespace of the TestRun; by default that of the manifest, or else of the context."`
	Context   string   `yaml:"context" doc:"Context of the kubeconfig. By default the current one, and in a pod its service account."`
	Ready     Duration `yaml:"ready" default:"2m" doc:"How long the operator may take until the runners load, and after they have ended until it says so."`
}

// SetShort takes the manifest's file.
func (t *TestRun) SetShort(text string) { t.File = text }

// maxPods bounds the pods of a load: what a Job with an index for each can be watched for.
const maxPods = 500

// pods checks the pods that send a load.
func (d *decoder) pods(l *Load) {
	const at = "load.kubernetes"
	k := l.Kubernetes
	switch {
	case l.Exec != nil:
		d.bad(at, "load.job runs any command in pods", "kubernetes excludes exec, whose program is on this machine")
	case l.None != nil, l.Job != nil, l.TestRun != nil:
		d.bad(at, "", "kubernetes sends requests, file and streams, and excludes none, job and testrun")
	}
	if d.given(at+".pods") && (k.Pods < 1 || k.Pods > maxPods) {
		d.bad(at+".pods", "", "%d is not between 1 and %d", k.Pods, maxPods)
	}
	if d.given(at+".image") && k.Image == "" {
		d.bad(at+".image", "such as registry.example/leakgate:1.4", "is empty")
	}
	if l.Connections > 0 && l.Connections < k.Pods && d.sound("load.connections") {
		d.bad("load.connections", "raise it, or lower load.kubernetes.pods",
			"%d connections are too few for %d pods: each needs one", l.Connections, k.Pods)
	}
	if l.UnixSocket != "" {
		d.bad("load.unix_socket", "", "is a socket of this machine, and excludes kubernetes")
	}
	d.quantity(at+".cpu", k.CPU, "such as 2 or 500m")
	d.quantity(at+".memory", k.Memory, "such as 512Mi")
	d.ready(at+".ready", k.Ready)
}

// quantity checks an amount as Kubernetes writes it.
func (d *decoder) quantity(at, text, hint string) {
	if q, err := resource.ParseQuantity(text); err != nil || q.Sign() <= 0 {
		d.bad(at, hint, "%s is not a quantity of Kubernetes", quoted(text))
	}
}

// leastReady is the shortest time that pods get to start: below it, the API server alone may
// take too long.
const leastReady = 5 * time.Second

func (d *decoder) ready(at string, ready Duration) {
	if time.Duration(ready) < leastReady {
		d.bad(at, "2m is the default", "%s is too short for pods to start; the minimum is %s", time.Duration(ready), leastReady)
	}
}

// manifests checks the load that a manifest of the user's describes.
func (d *decoder) manifests(p *Plan, others bool) {
	l := &p.Load
	switch {
	case l.Job != nil && l.TestRun != nil:
		d.bad("load.testrun", "", "job and testrun exclude each other")
	case l.Job != nil && others:
		d.bad("load.job", "have its pods send all of the load", "job excludes requests, file, streams, exec and none")
	case l.TestRun != nil && others:
		d.bad("load.testrun", "have its script send all of the load",
			"testrun excludes requests, file, streams, exec and none")
	}
	if l.Job != nil {
		d.manifest("load.job", p, l.Job.File)
		d.ready("load.job.ready", l.Job.Ready)
	}
	if l.TestRun != nil {
		d.manifest("load.testrun", p, l.TestRun.File)
		d.ready("load.testrun.ready", l.TestRun.Ready)
	}
}

// manifest checks the file of a manifest, which may be given as a text alone.
func (d *decoder) manifest(at string, p *Plan, file string) {
	path := at
	if d.given(at + ".file") {
		path = at + ".file"
	}
	if file == "" && d.given(path) {
		d.bad(path, "", "names no file")
		return
	}
	d.file1(path, p, file)
}
