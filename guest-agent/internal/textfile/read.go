package textfile

import (
	"fmt"
	"os"
	"syscall"
)

// maxFile bounds the size of a file that is read, in bytes.
const maxFile = 4 << 20

// Read returns the text of a regular file, to which a link may lead. The guest may have put anything in its place: nothing else
// is read, and nothing is waited for.
func Read(path string) (string, error) {
	descriptor, err := open(path, syscall.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer syscall.Close(descriptor)
	// The size that is told is not trusted: files of the kernel tell none. One byte more tells that there is a rest.
	text := make([]byte, 0, 512)
	for {
		n, err := syscall.Read(descriptor, text[len(text):cap(text)])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return "", &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return string(text), nil
		default:
			text = text[:len(text)+n]
		}
		if len(text) > maxFile {
			return "", fmt.Errorf("%s is larger than %d bytes", path, maxFile)
		}
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
	}
}

// open opens a regular file that exists.
func open(path string, flags int) (int, error) {
	descriptor, err := syscall.Open(path, flags|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var status syscall.Stat_t
	if err := syscall.Fstat(descriptor, &status); err != nil {
		syscall.Close(descriptor)
		return -1, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if status.Mode&syscall.S_IFMT != syscall.S_IFREG {
		syscall.Close(descriptor)
		return -1, fmt.Errorf("%s is not a regular file", path)
	}
	return descriptor, nil
}
