package files

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
)

// newDirectoryMode is the mode of directories that an archive does not have itself.
const newDirectoryMode = 0o755

// openLevel is a directory on the way to a member.
type openLevel struct {
	name      string
	directory *os.File
	// made is set when this archive made it. Only then it gets mode and time, once nothing more is written into it: what is in a
	// directory changes its time, and its mode may forbid more.
	made     bool
	mode     uint32
	modified *time.Time
}

// enter opens the directory that a path leads to, and makes what is missing on the way.
func (u *unpacker) enter(parts []string) error {
	if len(parts) > archiveDepth {
		return httpapi.Errorf(http.StatusRequestEntityTooLarge, "the archive has more than %d levels of directories", archiveDepth)
	}
	shared := 0
	for shared < len(parts) && shared+1 < len(u.open) && u.open[shared+1].name == parts[shared] {
		shared++
	}
	if err := u.leave(shared + 1); err != nil {
		return err
	}
	for _, name := range parts[shared:] {
		above := u.open[len(u.open)-1].directory
		// A directory that is not readable while it is filled is nobody's trap.
		err := os.Mkdir(filepath.Join(paths.OfDescriptor(above), name), 0o700)
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		directory, openErr := openBelow(above, name)
		if openErr != nil {
			return openErr
		}
		u.open = append(u.open, openLevel{name: name, directory: directory, made: err == nil, mode: newDirectoryMode})
	}
	return nil
}

// leave closes all levels but the outermost so many.
func (u *unpacker) leave(kept int) error {
	var first error
	for len(u.open) > kept {
		top := u.open[len(u.open)-1]
		u.open = u.open[:len(u.open)-1]
		if err := top.finish(); err != nil && first == nil {
			first = err
		}
		top.directory.Close()
	}
	return first
}

func (l openLevel) finish() error {
	if !l.made {
		return nil
	}
	access := paths.OfDescriptor(l.directory)
	if err := syscall.Chmod(access, l.mode); err != nil {
		return err
	}
	if l.modified == nil {
		return nil
	}
	return setModifiedAt(access, *l.modified, 0)
}

// openBelow opens a directory by its name in another, unless it is a link.
func openBelow(above *os.File, name string) (*os.File, error) {
	opened, err := os.OpenFile(filepath.Join(paths.OfDescriptor(above), name), openPath|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil, httpapi.Errorf(http.StatusConflict, "'%s' is no directory, but a file or a link", name)
	}
	return opened, err
}
