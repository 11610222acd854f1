package loadgen

import (
	"testing"

	"go.uber.org/goleak"
)

// A leak gate that leaks is a joke.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
