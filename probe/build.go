package probe

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/record"
)

const (
	// maxExecutable is how large an executable is looked into, in bytes: ten times the
	// largest of those that are usual.
	maxExecutable = 2 << 30
	// maxNote is how long the note of a build id is, in bytes: 36 with a SHA-1.
	maxNote = 4 << 10
	// noteBuildID is the type of an ELF note that holds a build id.
	noteBuildID = 3
	// noteHeader is three words: the lengths of name and content, and the type.
	noteHeader = 12
	// notePadding is what name and content are filled up to, in bytes.
	notePadding = 4
)

// develVersion is what Go calls a main module of which it knows no version.
const develVersion = "(devel)"

// readBuild adds what an executable on this machine says of its build, if it is the one
// that the target runs, as its build id shows. The path is the target's word: what is no
// regular file, is another program or cannot be read adds nothing.
func readBuild(i *record.Identity) {
	if i.Binary == "" || i.Build == "" {
		return
	}
	root, err := os.OpenRoot(filepath.Dir(i.Binary))
	if err != nil {
		return
	}
	defer root.Close()
	f, err := input.Open(root, filepath.Base(i.Binary), maxExecutable)
	if err != nil {
		return
	}
	defer f.Close()
	if id, err := buildID(f); err != nil || id != i.Build {
		return
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		return
	}
	i.Module = info.Main.Path
	if v := info.Main.Version; v != develVersion {
		i.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Revision = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
}

var errNoBuildID = errors.New("no build id")

// buildID is the id that the linker gave an ELF executable, as profiles name it.
func buildID(r io.ReaderAt) (string, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", err
	}
	s := f.Section(".note.gnu.build-id")
	if s == nil || s.Size > maxNote {
		return "", errNoBuildID
	}
	data, err := s.Data()
	if err != nil {
		return "", err
	}
	return noteID(data, f.ByteOrder)
}

// noteID is the build id in an ELF note.
func noteID(data []byte, order binary.ByteOrder) (string, error) {
	if len(data) < noteHeader || order.Uint32(data[8:]) != noteBuildID {
		return "", errNoBuildID
	}
	name := (uint64(order.Uint32(data)) + notePadding - 1) / notePadding * notePadding
	from, size := noteHeader+name, uint64(order.Uint32(data[4:]))
	if size == 0 || from+size > uint64(len(data)) {
		return "", errNoBuildID
	}
	return hex.EncodeToString(data[from : from+size]), nil
}
