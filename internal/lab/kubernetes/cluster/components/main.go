// One binary for every part of a single-node Kubernetes cluster. The part is
// chosen by the name it is run under (symlinks), or by the first argument.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func main() {
	name := filepath.Base(os.Args[0])
	known := func(n string) bool { return commands[n] != nil || n == "etcd" || n == "cri-clean" }
	if !known(name) && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "cri-clean":
		if len(os.Args) != 2 {
			fmt.Fprintln(os.Stderr, "usage: cri-clean unix:///path/to/containerd.sock")
			os.Exit(2)
		}
		if err := criClean(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "cri-clean:", err)
			os.Exit(1)
		}
		return
	}
	f := commands[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "kubeall: no part named %q\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(f()))
}

var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 newKubelet,
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func newKubelet() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }
