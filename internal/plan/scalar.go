package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// scalar is a value with a syntax of its own.
type scalar interface {
	// Set parses the text of a YAML scalar.
	Set(text string) error
	// Syntax describes what is accepted: a regular expression for the schema
	// and an example for people.
	Syntax() (pattern, example string)
}

// Duration is a span of time, written 1m30s.
type Duration time.Duration

// Set parses a Go duration.
func (d *Duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil {
		if _, nerr := strconv.ParseFloat(text, 64); nerr == nil {
			return fmt.Errorf("%q has no unit; write %ss for seconds", text, text)
		}
		return fmt.Errorf("%q is not a duration; write 20s, 1m30s or 250ms", text)
	}
	if v < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	*d = Duration(v)
	return nil
}

// Syntax of a Duration.
func (d *Duration) Syntax() (pattern, example string) {
	return `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`, "20s"
}

// Rate is a number of requests per second; Max asks for as many as can be.
type Rate float64

// Max is the rate that has no limit but the connections.
const Max Rate = 0

// Set parses 200/s, 1200/m, 5/2s or max.
func (r *Rate) Set(text string) error {
	if strings.TrimSpace(text) == "max" {
		*r = Max
		return nil
	}
	count, per, ok := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
	if err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return fmt.Errorf("%q is not a rate; write 200/s, 1200/m or max", text)
	}
	if !ok {
		*r = Rate(n)
		return nil
	}
	per = strings.TrimSpace(per)
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	unit, err := time.ParseDuration(per)
	if err != nil || unit <= 0 {
		return fmt.Errorf("%q is not a rate; write 200/s, 1200/m or max", text)
	}
	*r = Rate(n / unit.Seconds())
	if *r > 1e7 {
		return fmt.Errorf("%q is more than any client sends; write max to send as fast as possible", text)
	}
	return nil
}

// Syntax of a Rate.
func (r *Rate) Syntax() (pattern, example string) {
	return `^\s*[0-9]+(\.[0-9]+)?([eE]\+?[0-9]+)?\s*(/\s*([0-9]+)?(ns|us|µs|ms|s|m|h))?\s*$|^\s*max\s*$`, "200/s"
}

// Share is a part of a whole, from 0 to 1, written 0.05 or 5%.
type Share float64

// Set parses a share.
func (s *Share) Set(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(v) {
		return fmt.Errorf("%q is not a share; write 0.05 or 5%%", text)
	}
	if percent {
		v /= 100
	}
	if v < 0 || v > 1 {
		return fmt.Errorf("%q is not between 0 and 1 (0%% and 100%%)", text)
	}
	*s = Share(v)
	return nil
}

// Syntax of a Share.
func (s *Share) Syntax() (pattern, example string) {
	return `^\s*([0-9]*\.?[0-9]+|[0-9]+\.)([eE]-?[0-9]+)?\s*%?\s*$`, "5%"
}

// OneIn is a rate of leaks: one goroutine in so many requests, written 1/1000.
type OneIn int

// Set parses 1/1000.
func (o *OneIn) Set(text string) error {
	one, many, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(many))
	if !ok || strings.TrimSpace(one) != "1" || err != nil || n < 1 {
		return fmt.Errorf("%q is not of the form 1/1000", text)
	}
	*o = OneIn(n)
	return nil
}

// Syntax of a OneIn.
func (o *OneIn) Syntax() (pattern, example string) { return `^\s*1\s*/\s*0*[1-9][0-9]*\s*$`, "1/1000" }

// Date is a day, written 2027-03-01.
type Date string

// Set parses a date.
func (d *Date) Set(text string) error {
	// YAML reads an unquoted date as a timestamp, of which this is the text.
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return errors.New("want a date as 2027-03-01")
	}
	*d = Date(text)
	return nil
}

// Syntax of a Date.
func (d *Date) Syntax() (pattern, example string) {
	return `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "2027-03-01"
}
