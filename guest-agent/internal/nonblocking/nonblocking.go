// Package nonblocking reads and writes descriptors that never block without the Go scheduler's part in a system call. The
// scheduler takes the processor from a call that lasts 20 µs and hands it to another thread; where the guest is emulated all calls
// last that long, and a stream of output spent two fifths of its time on switches between threads (runtime/proc.go, sysmon).
package nonblocking

import (
	"io"
	"syscall"
	"unsafe"
)

// maxCall bounds one call, in bytes: no other goroutine runs meanwhile on a single processor.
const maxCall = 256 << 10

// Descriptor is a pipe, terminal or socket in non-blocking mode. Deadlines and closing of the file that it was made of hold for
// its calls too.
type Descriptor struct {
	raw syscall.RawConn
}

// Of is the descriptor of an open file or connection.
func Of(file syscall.Conn) (Descriptor, error) {
	raw, err := file.SyscallConn()
	return Descriptor{raw}, err
}

// Read implements io.Reader.
func (d Descriptor) Read(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	var n int
	var errno syscall.Errno
	err := d.raw.Read(func(descriptor uintptr) bool {
		n, errno = call(syscall.SYS_READ, descriptor, data)
		return errno != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (d Descriptor) Write(data []byte) (written int, err error) {
	for written < len(data) {
		var n int
		var errno syscall.Errno
		err := d.raw.Write(func(descriptor uintptr) bool {
			n, errno = call(syscall.SYS_WRITE, descriptor, data[written:])
			return errno != syscall.EAGAIN
		})
		if err == nil && errno != 0 {
			err = errno
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

func call(number, descriptor uintptr, data []byte) (int, syscall.Errno) {
	length := len(data)
	if length > maxCall {
		length = maxCall
	}
	for {
		n, _, errno := syscall.RawSyscall(number, descriptor, uintptr(unsafe.Pointer(&data[0])), uintptr(length))
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}
