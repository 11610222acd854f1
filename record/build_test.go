package record_test

import (
	"testing"

	"github.com/leakgate/leakgate/record"
)

func TestBuildName(t *testing.T) {
	const revision = "3f2a9c1d7e55aabbccddeeff0011223344556677"
	for _, c := range []struct {
		name string
		i    record.Identity
		want string
	}{
		{"a release", record.Identity{Module: "example.com/shop", Version: "v1.4.2", Revision: revision, Build: "8f14"}, "example.com/shop v1.4.2 at 3f2a9c1d7e55"},
		{"a commit", record.Identity{Module: "example.com/shop", Revision: revision}, "example.com/shop at 3f2a9c1d7e55"},
		{"with changes", record.Identity{Module: "example.com/shop", Revision: revision, Modified: true}, "example.com/shop at 3f2a9c1d7e55 with changes"},
		{"a pseudo-version", record.Identity{Module: "example.com/shop", Version: "v0.0.0-20261125184513-3f2a9c1d7e55", Revision: revision}, "example.com/shop v0.0.0-20261125184513-3f2a9c1d7e55"},
		{"a short revision", record.Identity{Revision: "3f2a"}, "at 3f2a"},
		// The module's name alone says nothing of which build it is.
		{"a module", record.Identity{Module: "example.com/shop", Build: "8f14"}, "example.com/shop, build id 8f14"},
		// What the linker calls it is no commit, and is not left to look like one.
		{"a build id", record.Identity{Build: "8f14"}, "build id 8f14"},
		{"nothing", record.Identity{}, ""},
	} {
		if got := c.i.BuildName(); got != c.want {
			t.Errorf("BuildName(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}
