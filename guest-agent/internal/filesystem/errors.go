package filesystem

import (
	"errors"
	"os"
	"syscall"

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

// pathError gives errors of the file system their codes.
func pathError(path string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrNotExist):
		return rpc.Errorf(rpc.NotFound, "path '%s' does not exist", path)
	case errors.As(err, &errno):
		code, known := codeOf[errno]
		if !known {
			code = rpc.DataLoss
		}
		return rpc.Errorf(code, "path '%s': %v", path, errno)
	}
	return rpc.Errorf(rpc.Internal, "path '%s': %v", path, err)
}
