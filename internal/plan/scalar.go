package plan

import (
	"errors"
	"fmt"
	"regexp"
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

// numberSyntax is a number of YAML's core schema, without hexadecimal, octal,
// infinity and not-a-number.
const numberSyntax = `([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?`

var isNumber = regexp.MustCompile(`^[-+]?(` + numberSyntax + `)$`)

// trim removes what \s matches in Go's regular expressions, and no more, so
// that the patterns of the schema agree.
func trim(text string) string { return strings.Trim(text, " \t\n\f\r") }

// number parses what strconv.ParseFloat does, but for the forms that the
// schema does not know.
func number(text string) (float64, error) {
	if !isNumber.MatchString(text) {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// Duration is a span of time, written 1m30s.
type Duration time.Duration

// Set parses a Go duration.
func (d *Duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	switch _, nerr := number(text); {
	case err != nil && nerr == nil:
		return fmt.Errorf("%s has no unit; write %ss for seconds", quoted(text), text)
	case err != nil && !isSpan.MatchString(text):
		return fmt.Errorf("%s is not a duration; write 20s, 1m30s or 250ms", quoted(text))
	case strings.HasPrefix(text, "-"):
		return fmt.Errorf("%s is negative", quoted(text))
	case err != nil || v > maxDuration: // too many digits for a duration
		return fmt.Errorf("%s is more than a week", quoted(text))
	}
	*d = Duration(v)
	return nil
}

// maxDuration is longer than any gate should take.
const maxDuration = 7 * 24 * time.Hour

// spanSyntax is what time.ParseDuration accepts, without its sign. Both ways
// to write the Greek letter are in it.
const spanSyntax = `(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))`

var isSpan = regexp.MustCompile(`^[-+]?` + spanSyntax + `+$`)

// Syntax of a Duration.
func (d *Duration) Syntax() (pattern, example string) {
	return `^\+?(0|` + spanSyntax + `+)$`, "20s"
}

// Rate is a number of requests per second; Max asks for as many as can be.
type Rate float64

// Max is the rate that has no limit but the connections.
const Max Rate = 0

// Set parses 200/s, 1200/m, 5/2s or max.
func (r *Rate) Set(text string) error {
	if trim(text) == "max" {
		*r = Max
		return nil
	}
	count, per, ok := strings.Cut(text, "/")
	n, err := number(trim(count))
	unit := time.Second
	if ok && err == nil {
		unit, err = rateUnit(trim(per))
	}
	v := Rate(n / unit.Seconds())
	switch {
	case err != nil || n <= 0 || unit <= 0 || v <= 0:
		return fmt.Errorf("%s is not a rate; write 200/s, 1200/m or max", quoted(text))
	case v > maxRate:
		return fmt.Errorf("%s is more than any client can send; write max to send as fast as possible", quoted(text))
	}
	*r = v
	return nil
}

// maxRate is far beyond what one machine sends, per second.
const maxRate = 1e7

// rateUnit reads what follows the slash: s, m, 2s.
func rateUnit(per string) (time.Duration, error) {
	if per != "" && per[0] != '.' && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	return time.ParseDuration(per)
}

// Syntax of a Rate.
func (r *Rate) Syntax() (pattern, example string) {
	return `^\s*(max|\+?(` + numberSyntax + `)\s*(/\s*(` + spanSyntax + `|(ns|us|µs|μs|ms|s|m|h))` + spanSyntax +
		`*)?)\s*$`, "200/s"
}

// Share is a part of a whole, from 0 to 1, written 0.05 or 5%.
type Share float64

// Set parses a share.
func (s *Share) Set(text string) error {
	count, percent := strings.CutSuffix(trim(text), "%")
	v, err := number(trim(count))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is not a share; write 0.05 or 5%%", quoted(text))
	}
	if percent {
		v /= 100
	}
	if v < 0 || v > 1 {
		return fmt.Errorf("%s is not between 0 and 1 (0%% and 100%%)", quoted(text))
	}
	*s = Share(v)
	return nil
}

// Syntax of a Share.
func (s *Share) Syntax() (pattern, example string) {
	return `^\s*[-+]?(` + numberSyntax + `)\s*%?\s*$`, "5%"
}

// OneIn is a rate of leaks: one goroutine in so many requests, written 1/1000.
type OneIn int

// Set parses 1/1000.
func (o *OneIn) Set(text string) error {
	one, many, ok := strings.Cut(text, "/")
	n, err := strconv.ParseUint(trim(many), 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is smaller than any run can see", quoted(text))
	}
	if !ok || trim(one) != "1" || err != nil || n < 1 {
		return fmt.Errorf("%s is not of the form 1/1000", quoted(text))
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
		return fmt.Errorf("%s is not a date; write 2027-03-01", quoted(text))
	}
	*d = Date(text)
	return nil
}

// Syntax of a Date.
func (d *Date) Syntax() (pattern, example string) {
	return `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "2027-03-01"
}

// Size is a number of bytes, written 4Gi, 512Mi or 2G.
type Size uint64

// sizeUnits are the units of a Size, as Kubernetes writes them.
var sizeUnits = map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20,
	"Gi": 1 << 30, "Ti": 1 << 40}

var isSize = regexp.MustCompile(`^(` + numberSyntax + `)\s*(k|M|G|T|Ki|Mi|Gi|Ti)?$`)

// maxSize is more than any machine has, in bytes.
const maxSize = 1 << 50

// Set parses a size.
func (s *Size) Set(text string) error {
	m := isSize.FindStringSubmatch(trim(text))
	if m == nil {
		return fmt.Errorf("%s is not a size; write 4Gi, 512Mi or 2G", quoted(text))
	}
	n, err := number(m[1])
	n *= sizeUnits[m[len(m)-1]]
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s is not a size; write 4Gi, 512Mi or 2G", quoted(text))
	case n > maxSize:
		return fmt.Errorf("%s is more than any machine has", quoted(text))
	}
	*s = Size(n)
	return nil
}

// Syntax of a Size.
func (s *Size) Syntax() (pattern, example string) {
	return `^\s*(` + numberSyntax + `)\s*(k|M|G|T|Ki|Mi|Gi|Ti)?\s*$`, "4Gi"
}
