package process

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"warren/guest-agent/internal/kernelfs"
)

// Size is that of a terminal, in characters.
type Size struct {
	Cols, Rows uint32
}

// ioctl requests that package syscall does not name on every architecture; asm-generic/ioctls.h.
const (
	tiocgptpeer = 0x5441
	tiocsptlck  = 0x40045431
	tiocswinsz  = 0x5414
)

// openPTY opens a pseudo-terminal of the given size. The terminal side belongs to uid and is for a child process.
func openPTY(size Size, uid uint32) (master *os.File, terminal int, err error) {
	descriptor, err := syscall.Open(kernelfs.Path("/dev/ptmx"), syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, -1, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	defer func() {
		if err != nil {
			syscall.Close(descriptor)
		}
	}()
	var unlocked int32
	if err := ioctlPointer(descriptor, tiocsptlck, unsafe.Pointer(&unlocked)); err != nil {
		return nil, -1, fmt.Errorf("unlocking a pseudo-terminal: %w", err)
	}
	if err := resize(descriptor, size); err != nil {
		return nil, -1, err
	}
	peer, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(descriptor), tiocgptpeer, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC)
	if errno != 0 {
		return nil, -1, fmt.Errorf("opening the terminal side of a pseudo-terminal: %w", errno)
	}
	terminal = int(peer)
	if err := syscall.Fchown(terminal, int(uid), -1); err != nil {
		syscall.Close(terminal)
		return nil, -1, fmt.Errorf("giving a pseudo-terminal to its user: %w", err)
	}
	return os.NewFile(uintptr(descriptor), "/dev/ptmx"), terminal, nil
}

// resize sets the size of a terminal; its foreground processes get SIGWINCH when it changes.
func resize(descriptor int, size Size) error {
	window := struct{ rows, cols, x, y uint16 }{rows: clamp16(size.Rows), cols: clamp16(size.Cols)}
	if err := ioctlPointer(descriptor, tiocswinsz, unsafe.Pointer(&window)); err != nil {
		return fmt.Errorf("setting the size of a terminal: %w", err)
	}
	return nil
}

func clamp16(value uint32) uint16 {
	if value > 1<<16-1 {
		return 1<<16 - 1
	}
	return uint16(value)
}

func ioctlPointer(descriptor int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(descriptor), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
