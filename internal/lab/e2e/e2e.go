// Package e2e runs the leakgate binary against real servers that make installs:
// Prometheus with promtool, and gRPC load generators. Its tests have build tags,
// since what they need takes minutes to install: make prometheus-test, make
// grpc-test.
package e2e
