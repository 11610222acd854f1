module github.com/leakgate/leakgate/internal/lab/kubernetes/cluster/pause

go 1.26.0
