package paths

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Made are directories that were missing and have been made, outermost first.
type Made []string

// Undo removes those in which nothing is.
func (m Made) Undo() {
	for i := len(m) - 1; i >= 0; i-- {
		if syscall.Rmdir(m[i]) != nil {
			return
		}
	}
}

// MakeParents makes the missing directories above a path.
func MakeParents(path string) (Made, error) {
	return MakeDirectories(filepath.Dir(path))
}

// MakeDirectories makes a directory and those above it that are missing, with mode 0755: all of them or, when it fails, none.
func MakeDirectories(directory string) (Made, error) {
	info, err := os.Stat(directory)
	if err == nil {
		if !info.IsDir() {
			return nil, &os.PathError{Op: "mkdir", Path: directory, Err: syscall.ENOTDIR}
		}
		return nil, nil
	}
	if !errors.Is(err, os.ErrNotExist) || directory == "/" {
		return nil, err
	}
	made, err := MakeDirectories(filepath.Dir(directory))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			// Somebody else was quicker, or a link to nowhere is in the way.
			if info, err := os.Stat(directory); err == nil && info.IsDir() {
				return made, nil
			}
		}
		made.Undo()
		return nil, err
	}
	return append(made, directory), nil
}
