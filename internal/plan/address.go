package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
)

func (d *decoder) url(text, path string) *url.URL {
	return d.address(text, path, []string{"http", "https"})
}

// address checks an address whose scheme has to be one of some.
func (d *decoder) address(text, path string, schemes []string) *url.URL {
	begin := fmt.Sprintf("begin it with %s:// or %s://", schemes[0], schemes[1])
	if text == "" {
		d.bad(path, "", "is empty")
		return nil
	}
	if !d.sound(path) {
		return nil
	}
	if !strings.Contains(text, "://") {
		d.bad(path, begin, "%s is not %s address", quoted(cleanHost(text)), article(schemes[0]))
		return nil
	}
	u, err := url.Parse(text)
	if err == nil {
		d.urlSecrets(u)
	}
	switch {
	case err != nil:
		d.bad(path, "", "not an address: %s", urlReason(err, text))
	case !slices.Contains(schemes, u.Scheme):
		d.bad(path, begin, "%s is not %s address", quoted(CleanURL(text)), article(schemes[0]))
	case u.Host == "":
		d.bad(path, "", "the address has no host")
	default:
		return u
	}
	return nil
}

func article(scheme string) string {
	if scheme == "http" {
		return "an http"
	}
	return "a " + scheme
}

// cleanHost is CleanURL for an address without a scheme.
func cleanHost(text string) string {
	return strings.TrimPrefix(CleanURL("//"+strings.TrimPrefix(text, "//")), "//")
}

// urlReason says what is wrong with an address without its secrets: the address
// is left out, and of one that has a user so is the part that is quoted, since
// a slash in a password makes "host:port" of user and password.
func urlReason(err error, text string) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if !strings.Contains(text, "@") {
		return err.Error()
	}
	reason, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimSpace(reason) + " (escape special characters in the password)"
}

func (d *decoder) pair(at string, p *Plan, cert, key string) {
	switch {
	case cert != "" && key == "":
		d.bad(at+".key", "", "missing: the key for cert")
	case cert == "" && key != "":
		d.bad(at+".cert", "", "missing: the certificate for key")
	}
	d.file1(at+".cert", p, cert)
	d.file1(at+".key", p, key)
}

// file1 checks that a file the plan names is there, unless nothing is run with
// the plan.
func (d *decoder) file1(path string, p *Plan, name string) {
	if name == "" {
		return
	}
	d.files = append(d.files, Reference{path, name})
	if d.lenient(path) {
		return
	}
	info, err := os.Stat(p.Resolve(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.bad(path, "paths are relative to the plan's folder", "no such file: %s", name)
	case err != nil:
		d.bad(path, "", "%v", err)
	case info.IsDir():
		d.bad(path, "", "%s is a directory", name)
	}
}
