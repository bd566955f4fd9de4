package files

import (
	"errors"
	"net/http"
	"os"
	"syscall"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/users"
)

// openSource opens a regular file for reading. Whatever could block or never end (devices, pipes, sockets) is refused, before it
// is opened where opening has effects, and again afterwards because the path may have changed.
func openSource(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, nil, pathError(path, err)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, pathError(path, err)
	}
	if info, err = file.Stat(); err == nil {
		err = regular(path, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, pathError(path, err)
	}
	return file, info, nil
}

// openTarget opens a regular file for writing and makes it, and its parents, when they are missing. Its content is untouched.
func openTarget(path string, user users.User) (file *os.File, created bool, err error) {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(path, info)
	} else if errors.Is(err, os.ErrNotExist) {
		created = true
		err = paths.MakeParents(path, user)
	}
	if err != nil {
		return nil, false, pathError(path, err)
	}
	file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0o644)
	if err != nil {
		return nil, false, pathError(path, err)
	}
	if info, err = file.Stat(); err == nil {
		err = regular(path, info)
	}
	if err == nil {
		err = file.Chown(int(user.UID), int(user.GID))
	}
	if err != nil {
		file.Close()
		return nil, false, pathError(path, err)
	}
	return file, created, nil
}

func regular(path string, info os.FileInfo) error {
	switch {
	case info.IsDir():
		return httpapi.Errorf(http.StatusBadRequest, "path '%s' is a directory", path)
	case !info.Mode().IsRegular():
		return httpapi.Errorf(http.StatusBadRequest, "path '%s' is not a regular file", path)
	}
	return nil
}

// pathError gives errors of the file system their status.
func pathError(path string, err error) error {
	var typed *httpapi.Error
	switch {
	case errors.As(err, &typed):
		return err
	case errors.Is(err, os.ErrNotExist):
		return httpapi.Errorf(http.StatusNotFound, "path '%s' does not exist", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return httpapi.Errorf(http.StatusInsufficientStorage, "not enough disk space available")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENXIO):
		return httpapi.Errorf(http.StatusBadRequest, "path '%s': %v", path, errors.Unwrap(err))
	}
	return err
}
