package source

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"
)

// repo is a git checkout.
type repo struct {
	root      string // of the work tree
	head      string // hash of HEAD
	shallow   bool   // the oldest commits look as if they had added everything
	since     string // where suspects begin, as a person names it; empty: nowhere
	sinceHash string
}

// open finds the checkout around dir and where its suspects begin. It is nil
// where there is no checkout, no git, or no commit.
func open(ctx context.Context, dir, since string) (*repo, error) {
	if dir == "" {
		return nil, nil
	}
	root, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, nil
	}
	r := &repo{root: strings.TrimSuffix(string(root), "\n")}
	shallow, err := r.word(ctx, "rev-parse", "--is-shallow-repository")
	r.shallow = err == nil && shallow == "true"
	r.head, err = r.commit(ctx, "HEAD")
	if since != "" {
		hash, unresolved := r.commit(ctx, since)
		if unresolved != nil && ctx.Err() == nil {
			return nil, &UnresolvedError{Since: since, Root: r.root, Shallow: r.shallow}
		}
		r.since, r.sinceHash = since, hash
	}
	if err != nil || ctx.Err() != nil {
		return nil, nil
	}
	if since == "" {
		r.lastRelease(ctx)
	}
	return r, nil
}

// lastRelease lets suspects begin at the last tag, or, where HEAD is a release
// itself, at the one before.
func (r *repo) lastRelease(ctx context.Context) {
	for _, from := range []string{r.head, r.head + "^"} {
		tag, err := r.word(ctx, "describe", "--tags", "--abbrev=0", from)
		if err != nil {
			return
		}
		hash, err := r.commit(ctx, "refs/tags/"+tag)
		if err != nil {
			return
		}
		if hash != r.head {
			r.since, r.sinceHash = tag, hash
			return
		}
	}
}

// roots are where a shallow clone's history was cut: commits that seem to have
// added every file. A whole history has none.
func (r *repo) roots(ctx context.Context) map[string]bool {
	if !r.shallow {
		return nil
	}
	out, _ := git(ctx, r.root, "rev-list", "--max-parents=0", r.head)
	roots := map[string]bool{}
	for hash := range strings.FieldsSeq(string(out)) {
		roots[hash] = true
	}
	return roots
}

var errOption = errors.New("looks like an option")

// commit is the hash of the commit that a revision names.
func (r *repo) commit(ctx context.Context, revision string) (string, error) {
	if strings.HasPrefix(revision, "-") || strings.ContainsRune(revision, 0) {
		return "", errOption
	}
	return r.word(ctx, "rev-parse", "--verify", "--quiet", revision+"^{commit}")
}

func (r *repo) word(ctx context.Context, args ...string) (string, error) {
	out, err := git(ctx, r.root, args...)
	return strings.TrimSpace(string(out)), err
}

// mostOutput bounds what git may say to one question.
const mostOutput = 32 << 20

// git asks one question. It takes no lock, asks nobody for a password, reaches
// no network and runs none of the programs that a repository's configuration
// names: whoever wrote the repository does not run code here.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"-C", dir, "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "log.follow=false",
	}, args...)...)
	cmd.Env = environment(os.Environ())
	cmd.WaitDelay = time.Second
	out := &bounded{}
	cmd.Stdout = out
	err := cmd.Run()
	return out.Bytes(), err
}

// environment is the caller's, without what would point git to another
// repository: leakgate may run in a git hook, which is told of its own.
func environment(from []string) []string {
	var out []string
	for _, kv := range from {
		keep := !strings.HasPrefix(kv, "GIT_")
		for _, prefix := range []string{"GIT_CONFIG", "GIT_CEILING_DIRECTORIES=", "GIT_DISCOVERY_ACROSS_FILESYSTEM=", "GIT_EXEC_PATH="} {
			keep = keep || strings.HasPrefix(kv, prefix)
		}
		if keep {
			out = append(out, kv)
		}
	}
	return append(out, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none")
}

// bounded keeps what git says, up to mostOutput bytes.
type bounded struct{ bytes.Buffer }

var errTooMuch = errors.New("git said too much")

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > mostOutput {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}
