package main

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// rpcServices answer gRPC; over HTTP, they say where.
func rpcServices() []service {
	return []service{
		{Name: "grpc-leaks", About: "a goroutine per call that waits for an audit that never comes", Leaks: true, Blame: "main.awaitAudit", start: rpc(func() { go awaitAudit(make(chan error)) })},
		{Name: "grpc-fine", About: "the twin of grpc-leaks, with room for the audit", start: rpc(func() {
			done := make(chan error, 1)
			go func() { done <- nil }()
			awaitAudit(done)
		})},
	}
}

func awaitAudit(done <-chan error) { <-done }

func rpc(call func()) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		l := listen()
		s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			call()
			return h(ctx, req)
		}))
		healthpb.RegisterHealthServer(s, health.NewServer())
		reflection.Register(s)
		go func() { panic(s.Serve(l)) }()
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, l.Addr()) }
	}
}
