//go:build unix

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestChildHoldsItsLock: for as long as it lives, and no longer, although this process has
// closed the file.
func TestChildHoldsItsLock(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, plan := range []string{"# waits\n", "# hangs\n"} {
		dir := t.TempDir()
		task := Task{Plan: filepath.Join(dir, planFile), Dir: filepath.Join(dir, outDir), Lock: filepath.Join(dir, childLock)}
		if err := os.WriteFile(task.Plan, []byte(plan), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		res := Child(self, []string{self, fakeRun}, time.Second/2)(ctx, task, func(int) {
			if !held(task.Lock) {
				t.Errorf("%q: nobody holds the lock while it runs", plan)
			}
			cancel()
		})
		cancel()
		if res.Err != nil || held(task.Lock) {
			t.Errorf("%q: %v; held after its end: %v", plan, res.Err, held(task.Lock))
		}
	}
}

// leave makes a state directory as a server that was killed leaves it: one run of a under way,
// and one of a and one of b that wait.
func leave(t *testing.T, cfg Config, process int) (under, waits, other string) {
	t.Helper()
	ids := []string{"20261125-204818-00000001", "20261125-204818-00000002", "20261125-204818-00000003"}
	for i, r := range []Run{
		{Plan: "a", State: Running, Process: process}, {Plan: "a", State: Queued}, {Plan: "b", State: Queued},
	} {
		r.ID, r.Created = ids[i], time.Unix(int64(i), 0)
		dir := filepath.Join(cfg.State, "runs", r.ID)
		text, err := json.Marshal(r)
		err = errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, runFile), text, 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids[0], ids[1], ids[2]
}

// TestOrphan: a run that outlives its server keeps its plan, and nothing else, for as long as
// it lives. The server answers in the meantime.
func TestOrphan(t *testing.T) {
	const lives = 3 * time.Second
	for _, c := range []struct {
		name   string
		locked bool
		lives  time.Duration // how long the plan stays taken
	}{
		{"it goes on", true, lives},
		// In a container that was restarted, the process id of a run is soon another's.
		{"its process id is another's", false, 0},
		{"it never ends", true, orphanPatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(t, &plays{}, "a", "b")
			under, waits, other := leave(t, cfg, os.Getpid())
			if c.locked {
				lock, err := lockFile(filepath.Join(cfg.State, "runs", under, childLock))
				if err != nil {
					t.Fatal(err)
				}
				defer lock.Close()
				if c.lives < orphanPatience {
					time.AfterFunc(c.lives, func() { lock.Close() })
				}
			}
			began := time.Now()
			s := open(t, cfg)
			defer shut(t, s)
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: nothing is answered for %s", c.name, took)
			}
			if w := send(s, request{method: "GET", path: "/healthz"}); w.Code != 200 {
				t.Errorf("%s: /healthz = %d", c.name, w.Code)
			}
			if got := state(t, s, other); got != "running" {
				t.Errorf("%s: another plan is %s, want running", c.name, got)
			}
			if c.lives > 0 {
				time.Sleep(c.lives - orphanPoll)
				synctest.Wait()
				for id, want := range map[string]string{under: "running", waits: "queued"} {
					if got := state(t, s, id); got != want {
						t.Errorf("%s: while it goes on, %s is %s, want %s", c.name, id, got, want)
					}
				}
				time.Sleep(2 * orphanPoll)
				synctest.Wait()
			}
			for id, want := range map[string]string{under: "inconclusive", waits: "running"} {
				if got := state(t, s, id); got != want {
					t.Errorf("%s: then %s is %s, want %s", c.name, id, got, want)
				}
			}
			if r, _, _ := s.get(under); r.Headline != "could not tell: "+errRestarted.Error() {
				t.Errorf("%s: %q", c.name, r.Headline)
			}
		})
	}
}

// TestOrphanOutlivesTheNextServer: the one after that waits for it, and has its end.
func TestOrphanOutlivesTheNextServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, &plays{}, "a", "b")
		under, waits, _ := leave(t, cfg, 0)
		lock, err := lockFile(filepath.Join(cfg.State, "runs", under, childLock))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		shut(t, open(t, cfg))
		if took := time.Since(began); took != 0 {
			t.Errorf("the end takes %s", took)
		}
		s := open(t, cfg)
		defer shut(t, s)
		if _, err := s.cancel(under); err != nil {
			t.Errorf("cancel: %v", err)
		}
		if got := state(t, s, waits); got != "queued" {
			t.Errorf("while it goes on, the next is %s, want queued", got)
		}
		lock.Close()
		time.Sleep(2 * orphanPoll)
		synctest.Wait()
		if got := state(t, s, waits); got != "running" {
			t.Errorf("then the next is %s, want running", got)
		}
	})
}
