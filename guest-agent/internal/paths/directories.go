package paths

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"warren/guest-agent/internal/users"
)

// MakeParents makes the missing directories above a path. They belong to the user.
func MakeParents(path string, user users.User) error {
	return MakeDirectories(filepath.Dir(path), user)
}

// MakeDirectories makes a directory and those above it that are missing, with mode 0755. New ones belong to the user.
func MakeDirectories(directory string, user users.User) error {
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
	if err := MakeDirectories(filepath.Dir(directory), user); err != nil {
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
	return os.Lchown(directory, int(user.UID), int(user.GID))
}
