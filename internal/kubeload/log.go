package kubeload

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/record"
)

// readLog reads a pod's log, again if the API server is away.
func readLog(ctx context.Context, c cluster, pod corev1.Pod, container string) ([]byte, error) {
	end := time.Now().Add(logTime)
	for {
		asking, cancel := context.WithTimeout(ctx, askTime)
		text, err := c.Log(asking, pod.Namespace, pod.Name, container, maxLog)
		cancel()
		if err == nil || !kube.Away(err) || time.Now().After(end) || ctx.Err() != nil {
			return text, err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// logTime is for how long a log is asked for while the API server, or the pod's node, does
// not answer.
const logTime = keepTime / 2

// eachLog reads the logs of pods, several at once, and has each one used by its pod's index
// in pods. It returns the first pod's error, in their order.
func eachLog(
	ctx context.Context, c cluster, pods []corev1.Pod, container func(*corev1.Pod) string, use func(i int, text []byte) error,
) error {
	errs := make([]error, len(pods))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range pods {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			text, err := readLog(ctx, c, pods[i], container(&pods[i]))
			if err != nil {
				errs[i] = unread("what pod %s sent is not known: %v", pods[i].Name, err)
				return
			}
			errs[i] = use(i, text)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// unread says that it is not known what was sent.
func unread(format string, args ...any) error {
	return &troubled{trouble{code: record.Unread, message: fmt.Sprintf(format, args...), rank: waiting}}
}
