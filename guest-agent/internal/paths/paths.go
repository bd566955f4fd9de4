// Package paths resolves the paths that clients send.
package paths

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"warren/guest-agent/internal/kernelfs"
	"warren/guest-agent/internal/users"
)

// Errors of Resolve.
var (
	ErrOtherHome = errors.New("paths of the form ~name are not supported: use an absolute path")
	ErrNUL       = errors.New("a path must not contain a NUL byte")
	ErrUTF8      = errors.New("a path must be UTF-8")
)

// Resolve makes a path absolute for a user. An empty path is the default working directory, or the user's home when there is
// none; ~ and ~/x lie in the home; other relative paths are relative to the home.
func Resolve(path string, user users.User, workdir string) (string, error) {
	if path == "" {
		path = workdir
	}
	switch {
	case strings.IndexByte(path, 0) >= 0:
		return "", ErrNUL
	case !utf8.ValidString(path):
		return "", ErrUTF8
	case path == "" || path == "~":
		return user.Home, nil
	case strings.HasPrefix(path, "~/"):
		return filepath.Join(user.Home, path[2:]), nil
	case path[0] == '~':
		return "", ErrOtherHome
	case filepath.IsAbs(path):
		return filepath.Clean(path), nil
	default:
		return filepath.Join(user.Home, path), nil
	}
}

// OfDescriptor is a path that leads to an open file, whatever its own has become.
func OfDescriptor(file *os.File) string {
	return kernelfs.Path("/proc/self/fd/") + strconv.Itoa(int(file.Fd()))
}

// Missing says of a path that leads to nothing what is not there.
func Missing(path string) string {
	if target, err := os.Readlink(path); err == nil {
		return fmt.Sprintf("path '%s' is a link to '%s', which does not exist", path, target)
	}
	return fmt.Sprintf("path '%s' does not exist", path)
}
