package files

import (
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"

	"warren/guest-agent/internal/httpapi"
)

// pieceSize is how much of an upload is written at once, in bytes. It is a multiple of every block size.
const pieceSize = 1 << 20

// copyUpload copies a body into an empty file and tells errors of the client, which may have their status, from those of the disk.
//
// What fills whole pieces goes past the page cache: for a virtual processor the copy through it is most of the work of an
// upload, and each page of it would be one to be frozen. The last piece, and so all of a small file, goes through it.
func copyUpload(file *os.File, body io.Reader) error {
	// Direct writes need memory that is aligned to blocks. It is given back at once, since pages that are kept are to be frozen.
	piece, err := syscall.Mmap(-1, 0, pieceSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	// Unmaps what was just mapped.
	defer func() { _ = syscall.Munmap(piece) }()
	direct := false
	for first := true; ; first = false {
		n, readErr := fill(body, piece)
		if whole := n == len(piece); first && whole || direct && !whole {
			if direct, err = setDirect(file, whole); err != nil {
				return err
			}
		}
		if n > 0 {
			if _, err := file.Write(piece[:n]); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		var typed *httpapi.Error
		if errors.As(readErr, &typed) {
			return readErr
		}
		if readErr != nil {
			return httpapi.Errorf(http.StatusBadRequest, "reading the body: %v", readErr)
		}
	}
}

// setDirect makes writes to a file go past the page cache (O_DIRECT of open(2)) or through it. It tells whether they do: not
// every file system can.
func setDirect(file *os.File, wanted bool) (bool, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return false, err
	}
	var errno syscall.Errno
	err = raw.Control(func(descriptor uintptr) {
		var flags uintptr
		if flags, _, errno = syscall.Syscall(syscall.SYS_FCNTL, descriptor, syscall.F_GETFL, 0); errno != 0 {
			return
		}
		flags &^= syscall.O_DIRECT
		if wanted {
			flags |= syscall.O_DIRECT
		}
		_, _, errno = syscall.Syscall(syscall.SYS_FCNTL, descriptor, syscall.F_SETFL, flags)
	})
	switch {
	case err != nil:
		return false, err
	case wanted && errors.Is(errno, syscall.EINVAL):
		return false, nil
	case errno != 0:
		return false, errno
	}
	return wanted, nil
}
