package probe

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
)

// largestSeries bounds one series of an answer, in bytes: mostSamples take less than half
// of it.
const largestSeries = 1 << 20

// points are the samples of a series, by rising time.
type points []model.SamplePair

// readSeries reads one element of a vector or a matrix.
func readSeries(raw []byte) (series, error) {
	if len(raw) > largestSeries {
		return series{}, fmt.Errorf("a series of more than %d MiB", largestSeries>>20)
	}
	var el struct {
		Metric     model.Metric    `json:"metric"`
		Value      json.RawMessage `json:"value"`
		Values     points          `json:"values"`
		Histogram  json.RawMessage `json:"histogram"`
		Histograms json.RawMessage `json:"histograms"`
	}
	if err := json.Unmarshal(raw, &el); err != nil {
		return series{}, err
	}
	s := series{labels: el.Metric, samples: el.Values, histogram: el.Histogram != nil || el.Histograms != nil}
	if s.labels == nil {
		s.labels = model.Metric{}
	}
	if el.Value != nil {
		r := pointReader{text: string(el.Value)}
		p, stale, err := r.point()
		if err != nil {
			return series{}, err
		}
		if !stale {
			s.samples = []model.SamplePair{p}
		}
	}
	return s, nil
}

// UnmarshalJSON reads [[1700000000.1, "12"], …]. A null for a value marks the end of a
// series, as VictoriaMetrics writes it, and is left out.
func (ps *points) UnmarshalJSON(raw []byte) error {
	*ps = nil
	r := pointReader{text: string(raw)}
	if r.took("null") {
		return nil
	}
	if !r.took("[") {
		return r.wrong()
	}
	for first := true; !r.took("]"); first = false {
		if !first && !r.took(",") {
			return r.wrong()
		}
		p, stale, err := r.point()
		switch {
		case err != nil:
			return err
		case stale:
			continue
		case len(*ps) == mostSamples:
			return fmt.Errorf("more than %d samples in a series", mostSamples)
		case len(*ps) > 0 && p.Timestamp < (*ps)[len(*ps)-1].Timestamp:
			return fmt.Errorf("%w: samples that go back in time, from %s to %s",
				errNotAPI, (*ps)[len(*ps)-1].Timestamp, p.Timestamp)
		}
		*ps = append(*ps, p)
	}
	return nil
}

// pointReader reads samples from JSON, which is known to be valid as such.
type pointReader struct{ text string }

// took reads a token if it is the next.
func (r *pointReader) took(token string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(r.text, " \t\r\n"), token)
	if ok {
		r.text = rest
	}
	return ok
}

// word reads up to one of some bytes.
func (r *pointReader) word(ends string) string {
	i := strings.IndexAny(r.text, ends)
	if i < 0 {
		i = len(r.text)
	}
	word := r.text[:i]
	r.text = r.text[i:]
	return strings.TrimSpace(word)
}

func (r *pointReader) wrong() error {
	return fmt.Errorf("%w: no sample in %s", errNotAPI, quoted(r.text))
}

// point reads a time in seconds and a value.
func (r *pointReader) point() (p model.SamplePair, stale bool, err error) {
	if !r.took("[") {
		return p, false, r.wrong()
	}
	at := r.word(",]")
	seconds, err := strconv.ParseFloat(at, 64)
	if err != nil || !(seconds >= 0 && seconds <= latestSample) {
		return p, false, fmt.Errorf("%w: a sample's time is %s, not seconds since 1970", errNotAPI, quoted(at))
	}
	p.Timestamp = model.Time(math.Round(seconds * 1000))
	if !r.took(",") {
		return p, false, r.wrong()
	}
	if r.took("null") {
		stale = true
	} else if !r.took(`"`) {
		return p, false, r.wrong()
	} else {
		text := r.word(`"`)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || !r.took(`"`) {
			return p, false, fmt.Errorf("%w: a sample's value is %s", errNotAPI, quoted(text))
		}
		p.Value = model.SampleValue(value)
	}
	if !r.took("]") {
		return p, false, r.wrong()
	}
	return p, stale, nil
}
