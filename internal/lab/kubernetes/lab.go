// Package kubernetes runs the leakgate binary against a real cluster of one node, whose
// parts the scripts in cluster build and start: make kubernetes-test. Its tests are skipped
// where no cluster is named by KUBERNETES_LAB.
//
// They talk to the cluster by kubectl, not by leakgate's own client: what is tested must not
// be what it is tested with. Load goes to a front on 127.0.0.1, which hands it to the pods
// over Unix sockets in a folder that they share with the node; nothing but the kubelet's
// readiness probes and port-forward reaches a pod by its network.
package kubernetes
