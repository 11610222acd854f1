package plan

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bundle is all that it takes to send a plan's load on another machine: the load's part
// of its text, the files that its load names, and the environment variables that its load
// refers to. It holds secrets, but none that only targets and policy need.
type Bundle struct {
	Plan  []byte            // the plan's text, reduced to the load
	Name  string            // the plan's file name, without its folder
	Files map[string][]byte // by their name in the plan
	Env   map[string]string
}

// loadFields is how the paths of the fields begin of which a load consists.
const loadFields = "load."

// Bundle packs a plan's load. env looks up environment variables, as it did when the plan
// was read.
func (p *Plan) Bundle(env func(string) (string, bool)) (Bundle, error) {
	text, err := loadAlone(p.Text)
	if err != nil {
		return Bundle{}, err
	}
	b := Bundle{Plan: text, Name: filepath.Base(p.File), Files: map[string][]byte{}, Env: map[string]string{}}
	for _, v := range p.Variables {
		if !sentBy.MatchString(v.Field) {
			continue
		}
		if value, ok := env(v.Name); ok {
			b.Env[v.Name] = value
		}
	}
	for _, f := range p.Files {
		if _, known := b.Files[f.Name]; known || !strings.HasPrefix(f.Field, loadFields) {
			continue
		}
		text, err := os.ReadFile(p.Resolve(f.Name))
		if err != nil {
			return Bundle{}, fmt.Errorf("%s: %w", f.Field, err)
		}
		b.Files[f.Name] = text
	}
	return b, nil
}

// index says what the other files of a bundle are.
type index struct {
	Version int               `json:"leakgate_bundle"`
	Name    string            `json:"name"`
	Files   map[string]string `json:"files"` // name in the plan → name in the bundle
	Env     map[string]string `json:"env"`
}

const (
	bundleVersion = 1
	bundleIndex   = "index.json"
	bundlePlan    = "plan.yaml"
	// maxBundle bounds what a bundle unpacks to, in bytes. A Secret holds 1 MiB, which
	// repetitive targets make a hundred times as much.
	maxBundle = 128 << 20
)

// Encode writes a bundle as a zip file.
func (b Bundle) Encode() ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	x := index{Version: bundleVersion, Name: b.Name, Files: map[string]string{}, Env: b.Env}
	add := func(name string, text []byte) error {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	errs := []error{add(bundlePlan, b.Plan)}
	for name, text := range b.Files {
		x.Files[name] = fmt.Sprintf("files/%d", len(x.Files))
		errs = append(errs, add(x.Files[name], text))
	}
	text, err := json.Marshal(x)
	errs = append(errs, err, add(bundleIndex, text), z.Close())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("packing the plan's load: %w", err)
	}
	return out.Bytes(), nil
}

// zipMagic is how a zip file begins, and no plan does.
const zipMagic = "PK\x03\x04"

// IsBundle reports whether a file is a bundle rather than a plan.
func IsBundle(text []byte) bool { return bytes.HasPrefix(text, []byte(zipMagic)) }

// DecodeBundle reads what Encode wrote.
func DecodeBundle(text []byte) (Bundle, error) {
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return Bundle{}, fmt.Errorf("reading a packed plan: %w", err)
	}
	left := int64(maxBundle)
	read := func(name string) ([]byte, error) {
		f, err := z.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading a packed plan: %w", err)
		}
		defer f.Close()
		out, err := io.ReadAll(io.LimitReader(f, left+1))
		if left -= int64(len(out)); left < 0 {
			err = fmt.Errorf("it unpacks to more than %d MiB", maxBundle>>20)
		}
		if err != nil {
			return nil, fmt.Errorf("reading a packed plan: %s: %w", name, err)
		}
		return out, nil
	}
	head, err := read(bundleIndex)
	if err != nil {
		return Bundle{}, err
	}
	var x index
	if err := json.Unmarshal(head, &x); err != nil {
		return Bundle{}, fmt.Errorf("reading a packed plan: %s: %w", bundleIndex, err)
	}
	if x.Version != bundleVersion {
		return Bundle{}, fmt.Errorf("the packed plan has version %d; this leakgate reads version %d", x.Version,
			bundleVersion)
	}
	b := Bundle{Name: filepath.Base(x.Name), Files: map[string][]byte{}, Env: x.Env}
	if b.Plan, err = read(bundlePlan); err != nil {
		return Bundle{}, err
	}
	for name, at := range x.Files {
		if b.Files[name], err = read(at); err != nil {
			return Bundle{}, err
		}
	}
	return b, nil
}

// Unpack writes a bundle's files into a folder, and reads the plan there to send its load.
func (b Bundle) Unpack(dir string) (*Plan, error) {
	const private fs.FileMode = 0o600
	moved := map[string]string{}
	for name, text := range b.Files {
		// The ending of a file of targets says what it is.
		at := filepath.Join(dir, fmt.Sprintf("%d%s", len(moved), filepath.Ext(name)))
		if err := os.WriteFile(at, text, private); err != nil {
			return nil, fmt.Errorf("unpacking the plan's load: %w", err)
		}
		moved[name] = at
	}
	env := func(name string) (string, bool) { v, ok := b.Env[name]; return v, ok }
	return (&decoder{file: filepath.Join(dir, b.Name), env: env, partial: sentBy, moved: moved}).parse(b.Plan)
}
