package paths

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// MakeParents makes the missing directories above a path.
func MakeParents(path string) error {
	return MakeDirectories(filepath.Dir(path))
}

// MakeDirectories makes a directory and those above it that are missing, with mode 0755.
func MakeDirectories(directory string) error {
	info, err := os.Stat(directory)
	if err == nil {
		if !info.IsDir() {
			return &os.PathError{Op: "mkdir", Path: directory, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) || directory == "/" {
		return err
	}
	if err := MakeDirectories(filepath.Dir(directory)); err != nil {
		return err
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			// Somebody else was quicker, or a link to nowhere is in the way.
			if info, err := os.Stat(directory); err == nil && info.IsDir() {
				return nil
			}
		}
		return err
	}
	return nil
}
