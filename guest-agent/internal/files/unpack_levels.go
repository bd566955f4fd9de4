package files

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
)

const (
	// newDirectoryMode is the mode of directories that an archive does not have itself.
	newDirectoryMode = 0o755
	// lateMemory bounds what is kept of directories until the end, in bytes, and lateOverhead is that of one without its path.
	lateMemory, lateOverhead = 32 << 20, 160
)

// openLevel is a directory on the way to a member.
type openLevel struct {
	name      string
	directory *os.File
}

// lateAttributes are what a directory that the archive made gets at the end: what is in a directory changes its time, and its mode
// may forbid more.
type lateAttributes struct {
	mode     uint32
	modified *time.Time
}

// keep notes a directory that was made, until the end.
func (u *unpacker) keep(path string) error {
	u.lateBytes += len(path) + lateOverhead
	if u.lateBytes > lateMemory {
		return httpapi.Errorf(http.StatusRequestEntityTooLarge, "the archive has too many directories")
	}
	u.late[path] = &lateAttributes{mode: newDirectoryMode}
	return nil
}

// enter opens the directory that a path leads to, and makes what is missing on the way.
func (u *unpacker) enter(parts []string) error {
	if len(parts) > archiveDepth {
		return httpapi.Errorf(http.StatusRequestEntityTooLarge, "the archive has more than %d levels of directories", archiveDepth)
	}
	for _, name := range parts[u.leaveFor(parts):] {
		above := u.open[len(u.open)-1].directory
		// Nobody else looks into a directory while it is filled.
		err := os.Mkdir(filepath.Join(paths.OfDescriptor(above), name), 0o700)
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err == nil {
			if err := u.keep(strings.Join(parts[:len(u.open)], "/")); err != nil {
				return err
			}
		}
		if err := u.descend(name); err != nil {
			return err
		}
	}
	return nil
}

// leaveFor closes the levels that are not on the way to a path, and tells how many names of it are open.
func (u *unpacker) leaveFor(parts []string) int {
	shared := 0
	for shared < len(parts) && shared+1 < len(u.open) && u.open[shared+1].name == parts[shared] {
		shared++
	}
	u.leave(shared + 1)
	return shared
}

// leave closes all levels but the outermost so many.
func (u *unpacker) leave(kept int) {
	for len(u.open) > kept {
		u.open[len(u.open)-1].directory.Close()
		u.open = u.open[:len(u.open)-1]
	}
}

// descend opens a directory in the innermost one.
func (u *unpacker) descend(name string) error {
	directory, err := openBelow(u.open[len(u.open)-1].directory, name)
	if err == nil {
		u.open = append(u.open, openLevel{name, directory})
	}
	return err
}

// finish gives the directories that were made their modes and times, the inner ones first. One that cannot be given them, such as
// one that somebody has removed meanwhile, leaves the others theirs.
func (u *unpacker) finish() error {
	made := make([]string, 0, len(u.late))
	for path := range u.late {
		made = append(made, path)
	}
	sort.Sort(sort.Reverse(sort.StringSlice(made)))
	for _, path := range made {
		err := u.finishOne(path, u.late[path])
		if err == nil {
			continue
		}
		if err := u.leaveOut(path, err); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) finishOne(path string, wanted *lateAttributes) error {
	var parts []string
	if path != "" {
		parts = strings.Split(path, "/")
	}
	for _, name := range parts[u.leaveFor(parts):] {
		if err := u.descend(name); err != nil {
			return err
		}
	}
	access := paths.OfDescriptor(u.open[len(u.open)-1].directory)
	if err := syscall.Chmod(access, wanted.mode); err != nil {
		return err
	}
	if wanted.modified == nil {
		return nil
	}
	return setModifiedAt(access, *wanted.modified, 0)
}

// openBelow opens a directory by its name in another, unless it is a link.
func openBelow(above *os.File, name string) (*os.File, error) {
	opened, err := os.OpenFile(filepath.Join(paths.OfDescriptor(above), name), openPath|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil, httpapi.Errorf(http.StatusConflict, "'%s' is no directory, but a file or a link", name)
	}
	return opened, err
}
