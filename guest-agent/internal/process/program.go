package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"warren/guest-agent/internal/users"
)

// Exit codes of programs that cannot be run, as shells give them (POSIX.1-2017, XCU 2.8.2).
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// unrunnable says why a program cannot be run. It becomes a process that prints the text and exits with the code.
type unrunnable struct {
	code int
	text string
}

func (u *unrunnable) Error() string { return u.text }

// findProgram finds the file to execute: a name with a slash relative to directory, any other name in the directories of path.
func findProgram(name, directory, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, checkProgram(name, absolute(name, directory))
	}
	denied := false
	for _, element := range filepath.SplitList(path) {
		candidate := filepath.Join(absolute(element, directory), name)
		err := checkProgram(name, candidate)
		if err == nil {
			return candidate, nil
		}
		var reason *unrunnable
		if info, statErr := os.Stat(candidate); errors.As(err, &reason) && reason.code == exitNotExecutable && statErr == nil && !info.IsDir() {
			denied = true
		}
	}
	if denied {
		return "", &unrunnable{exitNotExecutable, name + ": Permission denied"}
	}
	return "", &unrunnable{exitNotFound, name + ": command not found"}
}

func absolute(path, directory string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(directory, path)
}

func checkProgram(name, file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &unrunnable{exitNotFound, name + ": No such file or directory"}
	case err != nil:
		return &unrunnable{exitNotExecutable, name + ": " + reasonOf(err)}
	case info.IsDir():
		return &unrunnable{exitNotExecutable, name + ": Is a directory"}
	case info.Mode()&0o111 == 0:
		return &unrunnable{exitNotExecutable, name + ": Permission denied"}
	}
	return nil
}

func reasonOf(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// explainExec turns an error of execve into an unrunnable where the program is to blame, and else into nil.
func explainExec(name string, errno syscall.Errno) *unrunnable {
	switch errno {
	case syscall.ENOENT:
		// The file is there, so what is missing is the interpreter that it names.
		return &unrunnable{exitNotFound, name + ": cannot execute: required file not found"}
	case syscall.ENOEXEC:
		return &unrunnable{exitNotExecutable, name + ": cannot execute binary file: Exec format error"}
	case syscall.EACCES, syscall.EPERM:
		return &unrunnable{exitNotExecutable, name + ": Permission denied"}
	case syscall.ENOTDIR, syscall.ELOOP, syscall.ELIBBAD, syscall.EISDIR, syscall.ETXTBSY:
		return &unrunnable{exitNotExecutable, name + ": " + errno.Error()}
	}
	return nil
}

// isText tells whether a file without a known format may be a script for the shell: its first bytes hold no NUL.
func isText(file string) bool {
	handle, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer handle.Close()
	head := make([]byte, 128)
	n, _ := handle.Read(head)
	return bytes.IndexByte(head[:n], 0) < 0
}

// canEnter tells by permission bits whether a user may enter a directory.
func canEnter(directory string, user users.User) bool {
	if user.UID == 0 {
		return true
	}
	for path := directory; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		owner := info.Sys().(*syscall.Stat_t)
		bit := os.FileMode(0o001)
		if owner.Uid == user.UID {
			bit = 0o100
		} else if owner.Gid == user.GID || contains(user.Groups, owner.Gid) {
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return false
		}
		if path == "/" {
			return true
		}
	}
}

func contains(ids []uint32, id uint32) bool {
	for _, candidate := range ids {
		if candidate == id {
			return true
		}
	}
	return false
}

// failureName is the name under which this program runs itself to stand in for one that cannot be run.
const failureName = "warren-guest-agent-failure"

// failureArguments are the arguments of the stand-in.
func failureArguments(reason *unrunnable) []string {
	return []string{failureName, strconv.Itoa(reason.code), reason.text}
}

// RunFailure does the work of the stand-in when the program was started as one: it says why a program cannot be run and exits.
// It returns otherwise. Call it first thing in main.
func RunFailure(arguments []string) {
	if len(arguments) != 3 || arguments[0] != failureName {
		return
	}
	code, err := strconv.Atoi(arguments[1])
	if err != nil {
		code = exitNotFound
	}
	fmt.Fprintf(os.Stderr, "warren: %s\n", arguments[2])
	os.Exit(code)
}
