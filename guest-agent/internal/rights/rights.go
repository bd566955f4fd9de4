// Package rights lets the agent, which is root, act with the rights of a user of the image.
package rights

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"warren/guest-agent/internal/users"
)

// unchanged is the id that leaves an id of a thread as it is (setresuid(2)).
const unchanged = ^uintptr(0)

// own are the supplementary groups of the agent itself.
var own struct {
	once   sync.Once
	groups []uint32
}

// As does work with the rights of a user: effective ids and supplementary groups of the thread are the user's, and it has no
// capabilities, so that the kernel itself checks all that work does. Files that work makes belong to the user. What work opens
// stays open afterwards. An agent that is not root works with its own rights.
//
// The effective user is changed, not that of the file system alone: settings in /proc/sys are open to whoever is root by it.
// The real user stays root, so that no process of the user may touch the thread (credentials(7), ptrace(2)).
func As(user users.User, work func() error) error {
	if os.Geteuid() != 0 || user.UID == 0 {
		return work()
	}
	own.once.Do(func() {
		groups, _ := syscall.Getgroups()
		for _, group := range groups {
			own.groups = append(own.groups, uint32(group))
		}
	})
	runtime.LockOSThread()
	defer leave()
	if err := enter(user); err != nil {
		return fmt.Errorf("taking the rights of user %s: %w", user.Name, err)
	}
	return work()
}

// enter gives the thread the credentials of a user. Raw system calls change those of one thread, others those of all.
func enter(user users.User) error {
	if err := setGroups(user.Groups); err != nil {
		return err
	}
	if err := setIDs(syscall.SYS_SETRESGID, uintptr(user.GID)); err != nil {
		return err
	}
	return setIDs(syscall.SYS_SETRESUID, uintptr(user.UID))
}

// leave gives the thread the agent's own credentials back. A thread that keeps those of a user serves nobody any more: the
// request is given up, and the thread ends with its goroutine.
func leave() {
	for _, restored := range []error{setIDs(syscall.SYS_SETRESUID, 0), setIDs(syscall.SYS_SETRESGID, uintptr(os.Getgid())), setGroups(own.groups)} {
		if restored != nil {
			panic(http.ErrAbortHandler)
		}
	}
	runtime.UnlockOSThread()
}

func setIDs(call, effective uintptr) error {
	if _, _, errno := syscall.RawSyscall(call, unchanged, effective, unchanged); errno != 0 {
		return errno
	}
	return nil
}

func setGroups(groups []uint32) error {
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}
