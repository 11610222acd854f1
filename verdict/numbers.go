package verdict

import "math"

// Numbers that do not decide: units, and how figures are rounded for people.
const (
	ten      = 10
	percent  = 100
	thousand = 1000
	mebibyte = 1 << 20
	decimals = 1000 // three of them
)

// rounded has three decimals.
func rounded(x float64) float64 { return math.Round(x*decimals) / decimals }

// roundedDown has three decimals, and never more than there is: a share of requests that
// is not all of them must not read as 1.
func roundedDown(x float64) float64 { return math.Floor(x*decimals) / decimals }

// mebi is a number of bytes in MiB, with one decimal, rounded down.
func mebi(bytes float64) float64 {
	return math.Trunc(bytes/mebibyte*ten) / ten
}

// tenth has one decimal.
func tenth(x float64) float64 { return math.Round(x*ten) / ten }
