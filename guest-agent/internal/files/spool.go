package files

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"warren/guest-agent/internal/paths"
)

// newFileMode is the mode of files that are made, unless the request says otherwise.
const newFileMode = 0o644

// temporaryFile is O_TMPFILE of open(2): a file without a name, of which nothing is left when it is closed or the machine stops.
const temporaryFile = 0x400000 | syscall.O_DIRECTORY

// spoolDirectories are where content is received that cannot be received beside its target.
var spoolDirectories = []string{"/var/tmp", "/tmp", "/dev/shm"}

// spool is a file that content is received into.
type spool struct {
	file *os.File
	// name is "" while the file has none.
	name string
	// private is set when the mode is narrower than that of a new file.
	private bool
}

// newSpool makes a spool in a directory. On file systems without files that have no name it has a hidden one that nobody can guess.
func newSpool(directory string) (*spool, error) {
	file, err := os.OpenFile(directory, temporaryFile|os.O_RDWR, newFileMode)
	if err == nil {
		return &spool{file: file}, nil
	}
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EISDIR) {
		return nil, err
	}
	name, err := hiddenName(directory)
	if err != nil {
		return nil, err
	}
	file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return &spool{file: file, name: name, private: true}, nil
}

// anySpool makes a spool as near as possible to a file, with the rights of the agent.
func anySpool(path string) (*spool, error) {
	var made *spool
	var err error
	for _, directory := range append([]string{filepath.Dir(path)}, spoolDirectories...) {
		if made, err = newSpool(directory); err == nil || errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	return made, err
}

func hiddenName(directory string) (string, error) {
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return filepath.Join(directory, ".warren-"+hex.EncodeToString(random[:])), nil
}

// takeName makes the file known by a name, in place of what has that name. Without replace the name is free, as far as is known.
func (s *spool) takeName(name string, replace bool) error {
	if s.name == "" {
		if !replace {
			err := link(s.file, name)
			if !errors.Is(err, syscall.EEXIST) {
				return err
			}
		}
		hidden, err := hiddenName(filepath.Dir(name))
		if err != nil {
			return err
		}
		if err := link(s.file, hidden); err != nil {
			return err
		}
		s.name = hidden
	}
	if err := syscall.Rename(s.name, name); err != nil {
		return err
	}
	s.name = ""
	return nil
}

// link gives a file without a name one (linkat(2)).
func link(file *os.File, name string) error {
	const follow = 0x400 // AT_SYMLINK_FOLLOW
	from, err := syscall.BytePtrFromString(paths.OfDescriptor(file))
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, workingFolder, uintptr(unsafe.Pointer(from)), workingFolder, uintptr(unsafe.Pointer(to)), follow, 0); errno != 0 {
		return errno
	}
	return nil
}

// rewind goes back to the beginning and tells how many bytes there are.
func (s *spool) rewind() (int64, error) {
	if _, err := setDirect(s.file, false); err != nil {
		return 0, err
	}
	info, err := s.file.Stat()
	if err != nil {
		return 0, err
	}
	_, err = s.file.Seek(0, 0)
	return info.Size(), err
}

// copyTo copies all content in pieces: what fits into one is written at once, as files of /proc want it.
func (s *spool) copyTo(file *os.File) error {
	piece := make([]byte, bufferSize)
	for {
		n, readErr := fill(s.file, piece)
		if n > 0 {
			if _, err := file.Write(piece[:n]); err != nil {
				return err
			}
		}
		if readErr != nil {
			return endOfFile(readErr)
		}
	}
}

// discard removes what has not got its place. A spool that is nil has nothing.
func (s *spool) discard() {
	if s == nil {
		return
	}
	if s.name != "" {
		_ = os.Remove(s.name)
	}
	_ = s.file.Close()
}
