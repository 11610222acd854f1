package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/pprof/profile"
)

const mib = 1 << 20

// hostileProfile is a valid profile of a size, of the smallest samples: what it decodes to
// is many times larger.
func hostileProfile(size int) []byte {
	f := &profile.Function{ID: 1, Name: "main.main", SystemName: "main.main", Filename: "/src/main.go"}
	l := &profile.Location{ID: 1, Line: []profile.Line{{Function: f, Line: 1}}}
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "goroutine", Unit: "count"}},
		Function: []*profile.Function{f}, Location: []*profile.Location{l}}
	var b bytes.Buffer
	_ = p.WriteUncompressed(&b)                          // a buffer takes everything
	sample := []byte{0x12, 0x04, 0x08, 0x01, 0x10, 0x01} // sample {location_id: 1, value: 1}
	b.Write(bytes.Repeat(sample, size/len(sample)))      // messages of protobuf add up
	return b.Bytes()
}

// bomb is a small gzip stream of many zeros.
func bomb(size int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	block := make([]byte, mib)
	for range size / mib {
		_, _ = z.Write(block) // a buffer takes everything
	}
	_ = z.Close()
	return b.Bytes()
}

// longPage is a page of metrics that have nothing to do with the process, in front of
// those that have.
func longPage(size int, after []byte) []byte {
	var b bytes.Buffer
	b.Grow(size + len(after) + mib)
	b.WriteString("# TYPE sold_total counter\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "sold_total{sku=\"%08d\",store=\"somewhere in the north\"} %d\n", i, i)
	}
	b.Write(after)
	return b.Bytes()
}

// edited changes a goroutine profile.
func edited(edit func(p *profile.Profile)) serve {
	return change(func(_ *query, a *answer) {
		p, err := profile.ParseData(a.body)
		if err != nil {
			return
		}
		edit(p)
		a.body = encode(p)
	})
}

// renamed gives the functions of the service's own work another name.
func renamed(with string) func(p *profile.Profile) {
	return func(p *profile.Profile) {
		for _, f := range p.Function {
			if strings.HasPrefix(f.Name, "main.send") || strings.HasPrefix(f.Name, "main.worker") {
				f.Name += with
				f.SystemName = f.Name
				f.Filename = "/src/" + with + ".go"
			}
		}
	}
}

// metric gives a metric of the page another value; none takes it out.
func metric(name, value string) serve {
	line := regexp.MustCompile(`(?m)^` + name + ` .*$`)
	with := []byte(name + " " + value)
	if value == "" {
		with = nil
	}
	return only(change(func(_ *query, a *answer) { a.body = line.ReplaceAll(a.body, with) }), askMetrics)
}
