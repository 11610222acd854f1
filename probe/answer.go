package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/common/model"
)

const (
	// mostSeries bounds the series in an answer from Prometheus. With a dozen series per
	// instance, it is enough for four thousand instances. Each series costs up to a
	// kilobyte of labels.
	mostSeries = 50_000
	// mostSamples bounds the samples of one series: Prometheus itself returns no more
	// points per series in a range query.
	mostSamples = 11_000
	// mostRemarks bounds the number of warnings and of remarks; one is enough to know what
	// to do.
	mostRemarks = 100
	// latestSample bounds the time of a sample, in seconds since 1970: the year 2286.
	// Anything later is in milliseconds, or nonsense.
	latestSample = 1e10
)

// Kinds of results of Prometheus' API.
const (
	kindScalar = "scalar"
	kindVector = "vector"
	kindMatrix = "matrix"
)

// answer is what Prometheus' API said. It keeps warnings apart from remarks, and knows
// VictoriaMetrics' isPartial, which client_golang leaves out.
type answer struct {
	status    string
	kind      string // of the result
	series    []series
	scalar    model.SamplePair
	partial   bool
	warnings  []string
	errorType string
	message   string // of an error
}

// series is one element of a vector, which has one sample, or of a matrix.
type series struct {
	labels    model.Metric
	samples   []model.SamplePair
	histogram bool // it has native histograms, which are not numbers
}

// errNotAPI is returned for an answer that does not come from the API.
var errNotAPI = errors.New("not an answer of Prometheus' HTTP API")

// readAnswer decodes an answer element by element, so that only its series are kept. A nil
// take accepts all of them; reading stops if take returns an error.
func readAnswer(r io.Reader, take func(series) error) (answer, error) {
	var a answer
	dec := json.NewDecoder(r)
	err := object(dec, func(key string) error { return a.field(dec, key, take) })
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = fmt.Errorf("%w: there is more after its end", errNotAPI)
		}
	}
	return a, broken(dec, err)
}

// broken says where an answer broke off.
func broken(dec *json.Decoder, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it broke off after %d bytes", errNotAPI, dec.InputOffset())
	case errors.As(err, &syntax), errors.As(err, &kind):
		return fmt.Errorf("%w: %v", errNotAPI, err)
	}
	return err
}

// object reads a JSON object, whose keys each come once. A null has none.
func object(dec *json.Decoder, field func(key string) error) error {
	if null, err := open(dec, '{'); null || err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if seen[key] || len(seen) == mostRemarks {
			return fmt.Errorf("%w: it has %s twice, or too many fields", errNotAPI, quoted(key))
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// array reads a JSON array element by element. A null has none.
func array(dec *json.Decoder, element func() error) error {
	if null, err := open(dec, '['); null || err != nil {
		return err
	}
	for dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// open reads the beginning of an object or an array, or a null.
func open(dec *json.Decoder, want json.Delim) (null bool, err error) {
	token, err := dec.Token()
	if err != nil {
		return false, err
	}
	if token != nil && token != want {
		return false, fmt.Errorf("%w: it has %s where %q should be", errNotAPI, quoted(fmt.Sprint(token)), want.String())
	}
	return token == nil, nil
}

// field reads one field of an answer.
func (a *answer) field(dec *json.Decoder, key string, take func(series) error) error {
	switch key {
	case "status":
		return dec.Decode(&a.status)
	case "errorType":
		return dec.Decode(&a.errorType)
	case "error":
		return dec.Decode(&a.message)
	case "isPartial":
		return dec.Decode(&a.partial)
	case "warnings":
		return array(dec, func() error { return a.warning(dec) })
	case "data":
		return a.data(dec, take)
	}
	return skip(dec)
}

// warning reads one warning. Before Prometheus had a field for remarks, they were among the
// warnings.
func (a *answer) warning(dec *json.Decoder) error {
	var w string
	err := dec.Decode(&w)
	if !strings.HasPrefix(w, "PromQL info:") && len(a.warnings) < mostRemarks {
		a.warnings = append(a.warnings, w)
	}
	return err
}

// skip skips a value of no interest: infos, and what other servers add.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// data reads the result and its type, which may come in any order.
func (a *answer) data(dec *json.Decoder, take func(series) error) error {
	return object(dec, func(key string) error {
		switch key {
		case "resultType":
			return dec.Decode(&a.kind)
		case "result":
			return a.result(dec, take)
		}
		return skip(dec)
	})
}

// result reads the series of a vector or a matrix, or the time and value of a scalar.
func (a *answer) result(dec *json.Decoder, take func(series) error) error {
	var raw json.RawMessage
	var pair []byte // of a scalar: its elements are no objects
	err := array(dec, func() error {
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if raw[0] != '{' {
			if len(pair)+len(raw) > mostQuoted {
				return fmt.Errorf("%w: it has %s for a series", errNotAPI, quoted(raw))
			}
			pair = append(append(pair, ','), raw...)
			return nil
		}
		s, err := readSeries(raw)
		if err != nil {
			return err
		}
		if len(a.series) == mostSeries {
			return fmt.Errorf("more than %d series", mostSeries)
		}
		if take != nil {
			if err := take(s); err != nil {
				return err
			}
		}
		a.series = append(a.series, s)
		return nil
	})
	if err == nil && pair != nil {
		r := pointReader{text: "[" + string(pair[1:]) + "]"}
		var stale bool
		a.scalar, stale, err = r.point()
		if err == nil && (stale || r.text != "") {
			err = fmt.Errorf("%w: it has %s for a scalar", errNotAPI, quoted(pair[1:]))
		}
	}
	return err
}
