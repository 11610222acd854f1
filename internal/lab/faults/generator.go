package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// generatorVariable makes this program a load generator, of an address and what it does.
const generatorVariable = "LEAKGATE_FAULTS_LOAD"

// What a generator does at its end.
const (
	saysNothing = "nothing" // it sent everything, and says nothing of it
	saysSummary = "summary" // it prints what vegeta would
	dies        = "dies"    // it is killed half-way
)

// generate sends load as load.exec asks for.
func generate(text string) error {
	address, what, _ := strings.Cut(text, " ")
	rate, err := strconv.ParseFloat(os.Getenv("LEAKGATE_RATE"), 64)
	if err != nil {
		return fmt.Errorf("LEAKGATE_RATE: %w", err)
	}
	seconds, err := strconv.ParseFloat(os.Getenv("LEAKGATE_SECONDS"), 64)
	if err != nil {
		return fmt.Errorf("LEAKGATE_SECONDS: %w", err)
	}
	d := time.Duration(seconds * float64(time.Second))
	if what == dies {
		time.AfterFunc(d/2, killSelf)
	}
	sent := sendFor(d, rate, address)
	if what == saysSummary {
		fmt.Printf(`{"latencies":{"mean":1000000,"50th":1000000,"max":5000000},"duration":%d,"requests":%d,`+
			`"success":1,"status_codes":{"200":%d},"errors":[]}`+"\n", d, sent, sent)
	}
	return nil
}

// killSelf ends this process as the system does when memory runs out.
func killSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill() // there is nobody left to tell
	}
}

// sendFor asks an address at a rate, one request at a time, and leaves no connection.
func sendFor(d time.Duration, rate float64, address string) int64 {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var sent atomic.Int64
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		resp, err := client.Get(address)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		sent.Add(1)
	}
	return sent.Load()
}
