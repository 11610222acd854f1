package loadgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

const (
	// maxCount is the largest count that is believed: above it, a JSON number is no
	// longer exact where it was written as a floating-point number.
	maxCount = 1 << 53
	// rateSlack is by how much a share may differ from that of the counts beside it: it
	// may have been rounded to a tenth of a percent.
	rateSlack = 0.0005
	// maxQuoted is how much of a value is quoted in an error, in bytes.
	maxQuoted = 40
)

// given reports whether a member is there; null is not.
func (f fields) given(name string) bool {
	raw, ok := f[name]
	return ok && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// number reads a member that is a finite number and not negative; what names it in
// errors.
func (f fields) number(name, what string) (n float64, given bool, err error) {
	raw, ok := f[name]
	if !ok {
		return 0, false, nil
	}
	if !f.given(name) || json.Unmarshal(raw, &n) != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, false, fmt.Errorf("%s is %s, which is not a number", what, quoted(raw))
	}
	if n < 0 {
		return 0, false, fmt.Errorf("%s is %s, which is below zero", what, quoted(raw))
	}
	return n, true, nil
}

// count reads a member that counts something.
func (f fields) count(name, what string) (uint64, bool, error) {
	n, given, err := f.number(name, what)
	if err != nil || !given {
		return 0, false, err
	}
	if n != math.Trunc(n) || n > maxCount {
		return 0, false, fmt.Errorf("%s is %s, which is not a count", what, quoted(f[name]))
	}
	return uint64(n), true, nil
}

// share reads a member between 0 and 1.
func (f fields) share(name, what string) (float64, bool, error) {
	n, given, err := f.number(name, what)
	if err == nil && n > 1 {
		err = fmt.Errorf("%s is %s, which is above one", what, quoted(f[name]))
	}
	return n, given && err == nil, err
}

// duration reads a member that is a time in the given unit; 0 if it is not there.
func (f fields) duration(name, what string, unit time.Duration) (time.Duration, error) {
	if !f.given(name) {
		return 0, nil
	}
	n, _, err := f.number(name, what)
	if d := n * float64(unit); err == nil && d < math.MaxInt64 {
		return time.Duration(d), nil
	} else if err == nil {
		err = fmt.Errorf("%s is %s, which is longer than any load", what, quoted(f[name]))
	}
	return 0, err
}

// counts reads a member that is an object of counts, and their sum; nil if it is not
// there.
func (f fields) counts(name, what string) (map[string]uint64, uint64, error) {
	if !f.given(name) {
		return nil, 0, nil
	}
	var members fields
	if json.Unmarshal(f[name], &members) != nil {
		return nil, 0, fmt.Errorf("%s is %s, which is not an object of counts", what, quoted(f[name]))
	}
	counts, sum := make(map[string]uint64, len(members)), uint64(0)
	for key := range members {
		n, _, err := members.count(key, fmt.Sprintf("%s[%s]", what, quoted([]byte(key))))
		if err != nil {
			return nil, 0, err
		}
		counts[key] = n
		sum = min(sum+n, 2*maxCount) // no more than that is told apart from any count
	}
	return counts, sum, nil
}

// object reads a member that is an object; nil if it is none.
func (f fields) object(name string) fields {
	var o fields
	if json.Unmarshal(f[name], &o) != nil {
		return nil
	}
	return o
}

// quoted is a value for an error, of a text in JSON the text.
func quoted(raw []byte) string {
	var text string
	if bytes.HasPrefix(raw, []byte(`"`)) && json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	if len(raw) > maxQuoted {
		return fmt.Sprintf("%.*q…", maxQuoted, raw[:maxQuoted])
	}
	return fmt.Sprintf("%q", raw)
}

// part is how many of n a share stands for, and no fewer: a share is rounded.
func part(share float64, n uint64) uint64 {
	const noise = 1e-9 // of a product of two floating-point numbers
	return min(n, uint64(math.Ceil(share*float64(n)*(1-noise)-noise)))
}
