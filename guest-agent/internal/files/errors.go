package files

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"warren/guest-agent/internal/httpapi"
)

// statusOf are the statuses of errors that say something about the path, the file or its file system. All others of the kernel's
// are of the file itself (a file of /proc or /sys that refuses what was asked, a damaged file system).
var statusOf = map[syscall.Errno]int{
	syscall.EACCES: http.StatusForbidden, syscall.EPERM: http.StatusForbidden, syscall.EROFS: http.StatusForbidden,
	syscall.ENOTDIR: http.StatusBadRequest, syscall.ELOOP: http.StatusBadRequest, syscall.ENAMETOOLONG: http.StatusBadRequest,
	syscall.EISDIR: http.StatusBadRequest, syscall.ENXIO: http.StatusBadRequest,
	syscall.EEXIST: http.StatusConflict, syscall.ENOTEMPTY: http.StatusConflict, syscall.EBUSY: http.StatusConflict, syscall.ETXTBSY: http.StatusConflict,
	syscall.EMFILE: http.StatusInternalServerError, syscall.ENFILE: http.StatusInternalServerError, syscall.ENOMEM: http.StatusInternalServerError,
}

// pathError gives errors of the file system their status.
func pathError(path string, err error) error {
	var typed *httpapi.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &typed):
		return err
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return httpapi.Errorf(http.StatusNotFound, "path '%s' does not exist", path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return httpapi.Errorf(http.StatusInsufficientStorage, "not enough disk space available")
	case errors.As(err, &errno):
		status, known := statusOf[errno]
		if !known {
			status = http.StatusUnprocessableEntity
		}
		if errno == syscall.EACCES && foreignLink(path) {
			return httpapi.Errorf(status, "path '%s' is a link of another user in a directory that all may write to: such links are not followed", path)
		}
		return httpapi.Errorf(status, "path '%s': %v", path, errno)
	}
	return err
}

// foreignLink tells whether a path is a link in a sticky directory, which the kernel follows for its owner alone
// (protected_symlinks of proc_sys_fs(5)).
func foreignLink(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		return false
	}
	parent, err := os.Stat(filepath.Dir(path))
	return err == nil && parent.Mode()&os.ModeSticky != 0
}
