package kubeload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leakgate/leakgate/loadgen"
)

// Config describes the pods that send a plan's load together.
type Config struct {
	Namespace      string
	Pods           int
	Image          string
	Pull           corev1.PullPolicy
	CPU, Memory    resource.Quantity
	ServiceAccount string
	HostNetwork    bool
	NodeSelector   map[string]string
	Ready          time.Duration // how long it may take until all pods are running
	Timeout        time.Duration // of one request: for so long a pod may wait after its phase
	Bundle         []byte        // the plan's load, packed
	Names          []string      // of the lines of the results
}

const (
	containerName = "leakgate"
	// volume, in the pods, is where the packed plan is; scratch is where it is unpacked, in
	// memory, since the rest of the pod cannot be written to.
	volume, scratch = "/leakgate", "/tmp"
	bundleKey       = "plan"
	startKey        = "start"
	startVariable   = "LEAKGATE_START"
	// nobody is the user that the pods run as: that of the usual images without a shell.
	nobody int64 = 65532
	// graceTime is how long a pod may take to end its connections when it is deleted.
	graceTime int64 = 5
	// heapShare is the share of a pod's memory that the garbage collector keeps to.
	heapShare = 0.9
)

// attack is the command line of the pods.
func attack(phase loadgen.Phase, pods int) []string {
	args := []string{
		"attack", volume + "/" + bundleKey, "--part=job/" + strconv.Itoa(pods), "--start=$(" + startVariable + ")",
		"--round=" + strconv.Itoa(phase.Round), "--duration=" + phase.Duration.String(),
	}
	if phase.Ramp > 0 {
		args = append(args, "--ramp="+phase.Ramp.String())
	}
	if phase.Rate > 0 {
		args = append(args, "--rate="+strconv.FormatFloat(phase.Rate, 'f', -1, 64)+"/s")
	}
	if phase.Only != nil {
		var lines []string
		for _, l := range phase.Only {
			lines = append(lines, strconv.Itoa(l))
		}
		args = append(args, "--only="+strings.Join(lines, ","))
	}
	return args
}

// job is the Job of one phase. It ends with the first pod that fails, and replaces none: a
// phase that one pod did not finish cannot be used, and the others need not load any longer.
func (c Config) job(name string, phase loadgen.Phase, lead time.Duration) *batchv1.Job {
	pods, indexed, none := int32(c.Pods), batchv1.IndexedCompletion, int32(0)
	replace := batchv1.Failed
	deadline := seconds(lead + phase.Duration + c.Timeout + overtime)
	keep := int32(seconds(keepFor(c.Pods)))
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.Namespace, Labels: labels(name)},
		Spec: batchv1.JobSpec{
			Parallelism: &pods, Completions: &pods, CompletionMode: &indexed, BackoffLimit: &none,
			PodReplacementPolicy: &replace, ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &keep,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels(name)},
				Spec:       c.pod(name, phase),
			},
		},
	}
}

// pod is what each pod of a Job is. It may do nothing but open connections.
func (c Config) pod(job string, phase loadgen.Phase) corev1.PodSpec {
	yes, no, user, grace := true, false, nobody, graceTime
	readable := int32(0o440)
	memory := resource.NewQuantity(c.Memory.Value(), resource.BinarySI)
	resources := corev1.ResourceList{corev1.ResourceCPU: c.CPU, corev1.ResourceMemory: c.Memory}
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: c.ServiceAccount, AutomountServiceAccountToken: &no,
		EnableServiceLinks: &no, HostNetwork: c.HostNetwork, NodeSelector: c.NodeSelector,
		TerminationGracePeriodSeconds: &grace,
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.JobNameLabel: job}},
		}},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: containerName, Image: c.Image, ImagePullPolicy: c.Pull, Args: attack(phase, c.Pods),
			Env: []corev1.EnvVar{
				{Name: startVariable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: job}, Key: startKey,
				}}},
				{Name: "GOMEMLIMIT", Value: strconv.FormatInt(int64(heapShare*float64(memory.Value())), 10)},
			},
			Resources: corev1.ResourceRequirements{Requests: resources, Limits: resources},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{
				{Name: "plan", MountPath: volume, ReadOnly: true}, {Name: "scratch", MountPath: scratch},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "plan", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName: job, DefaultMode: &readable, Items: []corev1.KeyToPath{{Key: bundleKey, Path: bundleKey}},
			}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
				Medium: corev1.StorageMediumMemory,
			}}},
		},
	}
}

// secret is what the pods of a Job need, and go with it.
func (c Config) secret(job *batchv1.Job, start time.Time) *corev1.Secret {
	yes := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: job.Name, Namespace: job.Namespace, Labels: labels(job.Name), OwnerReferences: ownedBy(job),
		},
		Immutable: &yes,
		Data: map[string][]byte{
			bundleKey: c.Bundle, startKey: []byte(start.UTC().Format(time.RFC3339Nano)),
		},
	}
}

// check refuses what no Secret can hold.
func (c Config) check() error {
	if len(c.Bundle) > corev1.MaxSecretSize {
		return fmt.Errorf("load.kubernetes: the plan and the files that its load names are %d KiB, packed; "+
			"a Secret holds %d KiB", len(c.Bundle)>>10, corev1.MaxSecretSize>>10)
	}
	return nil
}

// index is which of a Job's pods a pod is; -1 if it does not say.
func index(p *corev1.Pod) int {
	n, err := strconv.Atoi(p.Annotations[batchv1.JobCompletionIndexAnnotation])
	if err != nil {
		return -1
	}
	return n
}

// byIndex sorts pods by their index.
func byIndex(pods []corev1.Pod) []corev1.Pod {
	pods = slices.Clone(pods)
	slices.SortStableFunc(pods, func(a, b corev1.Pod) int { return index(&a) - index(&b) })
	return pods
}
