package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestParseRef(t *testing.T) {
	for _, c := range []struct {
		text string
		kind Kind
		name string
	}{
		{"deployment/checkout", Deployment, "checkout"},
		{"deploy/checkout", Deployment, "checkout"},
		{"Deployment/checkout", Deployment, "checkout"},
		{"sts/db", StatefulSet, "db"},
		{"daemonset/agent", DaemonSet, "agent"},
		{"pod/checkout-0", Pod, "checkout-0"},
		{"checkout", "", ""},
		{"deployment/", "", ""},
		{"deployment/a/b", "", ""},
		{"service/checkout", "", ""},
	} {
		kind, name, err := ParseRef(c.text)
		if kind != c.kind || name != c.name || (err == nil) != (c.kind != "") {
			t.Errorf("ParseRef(%q) = %q, %q, %v; want %q, %q", c.text, kind, name, err, c.kind, c.name)
		}
	}
}

func TestHas(t *testing.T) {
	yes := true
	owned := func(kind, name string) corev1.Pod {
		p := podOf("web-1-a", "1")
		p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}
		return p
	}
	bare := podOf("web-1-a", "1")
	bare.OwnerReferences = nil
	for _, c := range []struct {
		name string
		of   Selection
		pod  corev1.Pod
		want bool
	}{
		{"its Deployment", Selection{Kind: Deployment, Name: "web"}, podOf("web-1-a", "1"), true},
		{"another Deployment, whose name begins alike", Selection{Kind: Deployment, Name: "web-1"}, podOf("web-1-a", "1"), false},
		{"a Deployment whose name is longer", Selection{Kind: Deployment, Name: "we"}, podOf("web-1-a", "1"), false},
		{"a ReplicaSet of nobody", Selection{Kind: Deployment, Name: "web"}, owned("ReplicaSet", "web"), false},
		{"by ReplicaSet", Selection{Kind: ReplicaSet, Name: "web-1"}, podOf("web-1-a", "1"), true},
		{"its StatefulSet", Selection{Kind: StatefulSet, Name: "db"}, owned("StatefulSet", "db"), true},
		{"a StatefulSet of the Deployment's name", Selection{Kind: Deployment, Name: "db"}, owned("StatefulSet", "db"), false},
		{"by its name", Selection{Kind: Pod, Name: "web-1-a"}, bare, true},
		{"a bare pod", Selection{Kind: Deployment, Name: "web"}, bare, false},
		{"by labels, which the server matches", Selection{Selector: "app=web"}, bare, true},
	} {
		if got := c.of.has(&c.pod); got != c.want {
			t.Errorf("%s: has = %t, want %t", c.name, got, c.want)
		}
	}
}

func TestChosen(t *testing.T) {
	waits := with(podOf("web-1-b", "1"), func(p *corev1.Pod) {
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
	})
	over := with(podOf("web-1-c", "1"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
	for _, c := range []struct {
		name string
		pods []corev1.Pod
		want int
		why  string // of those that are not watched
		err  string
	}{
		{"all", []corev1.Pod{podOf("web-1-a", "1"), podOf("web-1-b", "1")}, 2, "", ""},
		{"one waits", []corev1.Pod{podOf("web-1-a", "1"), waits}, 1, "web-1-b container app waits: CrashLoopBackOff", ""},
		{"remains of an eviction", []corev1.Pod{podOf("web-1-a", "1"), over}, 1, "", ""},
		{"two revisions, the new one not ready", []corev1.Pod{podOf("web-1-a", "1"), with(podOf("web-2-a", "2"), func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Conditions[0].Status = corev1.PodPending, corev1.ConditionFalse
		})}, 0, "web-2-a", "a rollout of deployment/web in shop is under way"},
		{"two revisions, the old one ending", []corev1.Pod{podOf("web-2-a", "2"), with(podOf("web-1-a", "1"), func(p *corev1.Pod) {
			p.DeletionTimestamp = &metav1.Time{}
		})}, 1, "web-1-a is being deleted", ""},
		{"two workloads of one selector", []corev1.Pod{podOf("web-1-a", "1"), with(podOf("canary-2-a", "2"), func(p *corev1.Pod) {
			p.OwnerReferences[0].Name = "canary-2"
		})}, 2, "", ""},
		{"two revisions", []corev1.Pod{podOf("web-1-a", "1"), podOf("web-2-a", "2")}, 0, "", "a rollout of deployment/web in shop is under way"},
		{"none is ready", []corev1.Pod{waits}, 0, "web-1-b", "no pod of deployment/web in shop is ready: web-1-b container app waits: CrashLoopBackOff"},
		{"none", nil, 0, "", "no pod belongs to deployment/web in shop"},
	} {
		got, why, err := Target{Selection: Selection{Namespace: "shop", Kind: Deployment, Name: "web"}}.chosen(c.pods)
		if len(got) != c.want || !strings.Contains(strings.Join(why, "; "), c.why) {
			t.Errorf("%s: chosen = %d pods, %q; want %d, %q", c.name, len(got), why, c.want, c.why)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

func TestPortOf(t *testing.T) {
	named := with(podOf("web-1-a", "1"), func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "debug", ContainerPort: 6061}}
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "proxy",
			Ports: []corev1.ContainerPort{{Name: "pprof", ContainerPort: 15000}}})
	})
	for _, c := range []struct {
		name      string
		pod       corev1.Pod
		container string
		port      string
		want      int32 // 0: an error
	}{
		{"a number", named, "", "7070", 7070},
		{"a name", named, "", "http", 8080},
		{"a name of another container", named, "app", "pprof", 0},
		{"a name that is not there", named, "", "metrics", 0},
		{"the usual name, of any container", named, "", "", 15000},
		{"the usual name, of the plan's container", named, "app", "", 6061},
		{"no name", podOf("web-1-a", "1"), "", "", DefaultPort},
	} {
		got, err := portOf(&c.pod, c.container, c.port)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%s: portOf = %d, %v; want %d", c.name, got, err, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	p := with(podOf("web-1-a", "1"), func(p *corev1.Pod) {
		p.Labels["app.kubernetes.io/version"] = "1.4.2"
		p.Annotations = map[string]string{"org.opencontainers.image.revision": "abc123"}
		p.Spec.NodeName = "n1"
		p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
		p.Status.ContainerStatuses[0].ImageID = "registry.example/shop@sha256:0123456789abcdef0123"
	})
	got := describe(&p, p.Spec.Containers[0], 3)
	if got.Workload != "deployment/web" || got.Version != "1.4.2" || got.Revision != "abc123" || got.Memory != 64<<20 ||
		got.Replicas != 3 || got.Node != "n1" || got.Digest != "sha256:0123456789abcdef0123" {
		t.Errorf("describe = %+v", got)
	}
	if want := "shop:1 (sha256:0123456789ab)"; got.Build() != want {
		t.Errorf("Build = %q, want %q", got.Build(), want)
	}
}
