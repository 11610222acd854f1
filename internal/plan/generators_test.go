package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadGenerators(t *testing.T) {
	want := &Pods{
		Namespace: "load", Context: "staging", Pods: 8, Image: "registry.example/leakgate:1.4", Pull: "Always", CPU: "2",
		Memory: "1Gi", ServiceAccount: "puller", HostNetwork: true, NodeSelector: map[string]string{"pool": "load"},
		Ready: Duration(5 * time.Minute),
	}
	if diff := cmp.Diff(want, mustRead(t, "testdata/valid/load-kubernetes.yaml").Load.Kubernetes); diff != "" {
		t.Errorf("load.kubernetes (-want +got):\n%s", diff)
	}
	job := &Job{File: "manifests/job.yaml", Summary: "auto", Ready: Duration(2 * time.Minute)}
	if diff := cmp.Diff(job, mustRead(t, "testdata/valid/load-job.yaml").Load.Job); diff != "" {
		t.Errorf("load.job (-want +got):\n%s", diff)
	}
	run := &TestRun{File: "manifests/testrun.yaml", Namespace: "load", Context: "staging", Ready: Duration(time.Minute)}
	if diff := cmp.Diff(run, mustRead(t, "testdata/valid/load-testrun.yaml").Load.TestRun); diff != "" {
		t.Errorf("load.testrun (-want +got):\n%s", diff)
	}
}

func TestGeneratorProblems(t *testing.T) {
	const pods = "kubernetes: {pods: 4, image: a}"
	for _, c := range []struct{ name, load, want string }{
		{"as it should be", "requests: [GET http://h/], connections: 4, " + pods, ""},
		{"nothing to send", pods, "load.requests: no request to send (list at least one: - GET http://127.0.0.1:8080/)"},
		{"with a command", "exec: {command: [a]}, " + pods,
			"load.kubernetes: kubernetes excludes exec, whose program is on this machine (load.job runs any command in pods)"},
		{"with others' load", "none: {}, " + pods,
			"load.kubernetes: kubernetes sends requests, file and streams, and excludes none, job and testrun"},
		{"no pods", "requests: [GET http://h/], kubernetes: {image: a}",
			"load.kubernetes.pods: missing: number of pods that share the load. Each sends its part of the rate, and of the connections if load.connections says how many"},
		{"too few pods", "requests: [GET http://h/], kubernetes: {pods: 0, image: a}", "load.kubernetes.pods: 0 is not between 1 and 500"},
		{"too many pods", "requests: [GET http://h/], kubernetes: {pods: 501, image: a}", "load.kubernetes.pods: 501 is not between 1 and 500"},
		{"no image", "requests: [GET http://h/], kubernetes: {pods: 4, image: ''}",
			"load.kubernetes.image: is empty (such as registry.example/leakgate:1.4)"},
		{"fewer connections than pods", "requests: [GET http://h/], connections: 3, " + pods,
			"load.connections: 3 connections are too few for 4 pods: each needs one (raise it, or lower load.kubernetes.pods)"},
		{"a local socket", "requests: [GET http://h/], unix_socket: /run/a, " + pods,
			"load.unix_socket: is a socket of this machine, and excludes kubernetes"},
		{"no quantity", "requests: [GET http://h/], kubernetes: {pods: 4, image: a, cpu: two}",
			`load.kubernetes.cpu: "two" is not a quantity of Kubernetes (such as 2 or 500m)`},
		{"no memory", "requests: [GET http://h/], kubernetes: {pods: 4, image: a, memory: '0'}",
			`load.kubernetes.memory: "0" is not a quantity of Kubernetes (such as 512Mi)`},
		{"no time", "requests: [GET http://h/], kubernetes: {pods: 4, image: a, ready: 1s}",
			"load.kubernetes.ready: 1s is too short for pods to start; the minimum is 5s (2m is the default)"},
		{"no such pull policy", "requests: [GET http://h/], kubernetes: {pods: 4, image: a, pull: never}",
			`load.kubernetes.pull: "never" is not a valid value (write Always, IfNotPresent or Never)`},
		{"no manifest", "job: job.yaml", "load.job: no such file: job.yaml (paths are relative to the plan's folder)"},
		{"an empty manifest", "job: ''", "load.job: names no file"},
		{"no manifest of a test", "testrun: {file: x/test.yaml}",
			"load.testrun.file: no such file: x/test.yaml (paths are relative to the plan's folder)"},
		{"requests beside a Job", "requests: [GET http://h/], job: generators_test.go",
			"load.job: job excludes requests, file, streams, exec and none (have its pods send all of the load)"},
		{"requests beside a test", "requests: [GET http://h/], testrun: generators_test.go",
			"load.testrun: testrun excludes requests, file, streams, exec and none (have its script send all of the load)"},
		{"both", "testrun: generators_test.go, job: generators_test.go", "load.testrun: job and testrun exclude each other"},
	} {
		_, err := Parse("plan.yaml", []byte(oneTarget+"load: {"+c.load+"}\n"), testEnv)
		got := ""
		if err != nil {
			_, got, _ = strings.Cut(err.Error(), ": ") // behind file and position
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}
