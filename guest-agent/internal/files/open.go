package files

import (
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
)

// openSource opens a regular file for reading. Whatever could block or never end (devices, pipes, sockets) is refused, before it
// is opened where opening has effects, and again afterwards because the path may have changed.
func openSource(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, httpapi.Errorf(http.StatusNotFound, "%s", paths.Missing(path))
	}
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

func regular(path string, info os.FileInfo) error {
	switch {
	case info.IsDir():
		return httpapi.Errorf(http.StatusBadRequest, "path '%s' is a directory", path)
	case !info.Mode().IsRegular():
		return httpapi.Errorf(http.StatusBadRequest, "path '%s' is not a regular file", path)
	}
	return nil
}

// present reads what a file has, and waits for no more: some files of /proc that look like regular ones are queues (proc_kmsg(5)),
// on which a read would wait for ever.
type present struct{ file *os.File }

// Read implements io.Reader.
func (p present) Read(buffer []byte) (n int, err error) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	if err := raw.Read(func(descriptor uintptr) bool {
		n, failure = syscall.Read(int(descriptor), buffer)
		return true
	}); err != nil {
		return 0, err
	}
	switch {
	case failure == nil && n > 0:
		return n, nil
	case failure == nil, errors.Is(failure, syscall.EAGAIN):
		return 0, io.EOF
	case errors.Is(failure, syscall.EINTR):
		return 0, nil
	}
	return 0, &os.PathError{Op: "read", Path: p.file.Name(), Err: failure}
}
