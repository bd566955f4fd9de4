package filesystem

import (
	"errors"
	"os"
	"syscall"

	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rpc"
)

// codeOf are the codes of errors that say something about the path, the file or its file system. All others of the kernel's are of
// the file itself.
var codeOf = map[syscall.Errno]rpc.Code{
	syscall.EACCES: rpc.PermissionDenied, syscall.EPERM: rpc.PermissionDenied, syscall.EROFS: rpc.PermissionDenied,
	syscall.ENOTDIR: rpc.InvalidArgument, syscall.ENAMETOOLONG: rpc.InvalidArgument, syscall.EISDIR: rpc.InvalidArgument,
	syscall.ELOOP:  rpc.FailedPrecondition,
	syscall.EEXIST: rpc.AlreadyExists, syscall.ENOTEMPTY: rpc.FailedPrecondition, syscall.EBUSY: rpc.FailedPrecondition,
	syscall.ENOSPC: rpc.ResourceExhausted, syscall.EDQUOT: rpc.ResourceExhausted,
	syscall.EMFILE: rpc.Internal, syscall.ENFILE: rpc.Internal, syscall.ENOMEM: rpc.Internal,
}

// pathError gives errors of the file system their codes, and says what they left done.
func pathError(path string, err error) error {
	var errno syscall.Errno
	var partly partlyRemoved
	switch {
	case err == nil:
		return nil
	case errors.As(err, &partly) && errors.As(err, &errno):
		return rpc.Errorf(codeOfErrno(errno), "path '%s': %v; the rest of '%s' has gone", partly.stayed.Path, errno, partly.path)
	case errors.Is(err, os.ErrNotExist):
		return rpc.Errorf(rpc.NotFound, "%s", paths.Missing(path))
	case errors.As(err, &errno):
		return rpc.Errorf(codeOfErrno(errno), "path '%s': %v", path, errno)
	}
	return rpc.Errorf(rpc.Internal, "path '%s': %v", path, err)
}

func codeOfErrno(errno syscall.Errno) rpc.Code {
	if code, known := codeOf[errno]; known {
		return code
	}
	return rpc.DataLoss
}
