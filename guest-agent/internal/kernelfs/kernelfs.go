// Package kernelfs keeps the file systems of the kernel within reach of the agent, whatever the root user of the guest mounts on
// their places or unmounts: /proc, /dev and /sys with the control groups.
//
// The agent's working directory is the root of a copy of the mounts that no mount namespace holds (open_tree(2)), and it goes
// there by relative paths. Nothing else in the agent is relative to a working directory, and processes have one of their own.
package kernelfs

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Values of linux/mount.h and linux/fcntl.h. The system call has the same number on all architectures.
const (
	sysOpenTree   = 428
	openTreeClone = 1
	atRecursive   = 0x8000
	workingFolder = ^uintptr(99) // AT_FDCWD
)

// held is set once there is a copy of the mounts.
var held bool

// Hold copies the mounts that there are. It is called once, before anything else of the agent asks for a Path.
func Hold() error {
	root := []byte("/\x00")
	tree, _, errno := syscall.Syscall(sysOpenTree, workingFolder, uintptr(unsafe.Pointer(&root[0])), openTreeClone|atRecursive|syscall.O_CLOEXEC)
	if errno != 0 {
		return fmt.Errorf("copying the mounts: %w", errno)
	}
	// The descriptor stays open: the mounts are unmounted with it.
	if err := syscall.Fchdir(int(tree)); err != nil {
		return fmt.Errorf("entering the copy of the mounts: %w", err)
	}
	held = true
	return nil
}

// Path is the path by which the agent reaches what is at an absolute path of a file system of the kernel. It means nothing to
// other processes.
func Path(absolute string) string {
	if held {
		return absolute[1:]
	}
	return absolute
}
