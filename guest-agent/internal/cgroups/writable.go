package cgroups

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// System calls, with the same numbers on all architectures, and values of linux/mount.h.
const (
	sysFsconfig         = 431
	sysFspick           = 433
	fspickCloexec       = 1
	fsconfigSetFlag     = 0
	fsconfigReconfigure = 7
	workingDirectory    = ^uintptr(99) // AT_FDCWD
)

// makeWritable undoes what the root user of the guest did by remounting the control groups read-only, when that is why something
// failed. Without groups that can be made, root could run no command to undo it.
func (t *Tree) makeWritable(reason error) bool {
	if !errors.Is(reason, syscall.EROFS) {
		return false
	}
	root, err := syscall.BytePtrFromString(t.root)
	if err != nil {
		return false
	}
	picked, _, errno := syscall.Syscall(sysFspick, workingDirectory, uintptr(unsafe.Pointer(root)), fspickCloexec)
	if errno != 0 {
		return false
	}
	context := os.NewFile(picked, t.root)
	defer context.Close()
	option := []byte("rw\x00")
	if _, _, errno = syscall.Syscall6(sysFsconfig, picked, fsconfigSetFlag, uintptr(unsafe.Pointer(&option[0])), 0, 0, 0); errno != 0 {
		return false
	}
	_, _, errno = syscall.Syscall6(sysFsconfig, picked, fsconfigReconfigure, 0, 0, 0, 0)
	return errno == 0
}
