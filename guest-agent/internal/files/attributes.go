package files

import (
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"warren/guest-agent/internal/httpapi"
)

// permissionBits are those that a mode may have.
const permissionBits = 0o7777

// attributes are what an upload may give a file besides its content.
type attributes struct {
	// mode is the permission bits; nil = those of the file that is replaced, or 0644.
	mode *uint32
	// modified is the time of the last change; nil = now.
	modified *time.Time
}

// parseAttributes reads the query parameters mode (octal) and modified_at (RFC 3339).
func parseAttributes(query url.Values) (attributes, error) {
	var parsed attributes
	if text := query.Get("mode"); text != "" {
		mode, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mode > permissionBits {
			return parsed, httpapi.Errorf(http.StatusBadRequest, "mode %q is not an octal number up to 7777", text)
		}
		bits := uint32(mode)
		parsed.mode = &bits
	}
	if text := query.Get("modified_at"); text != "" {
		modified, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return parsed, httpapi.Errorf(http.StatusBadRequest, "modified_at %q is not a time of RFC 3339", text)
		}
		parsed.modified = &modified
	}
	return parsed, nil
}

// setMode gives an open file permission bits, including those that os.FileMode spells differently.
func setMode(file *os.File, mode uint32) error {
	return syscall.Fchmod(int(file.Fd()), mode)
}

// workingFolder is AT_FDCWD: where relative paths start (kernelfs.Path).
const workingFolder = ^uintptr(99)

// dontFollow is AT_SYMLINK_NOFOLLOW of utimensat(2): a link itself is meant.
const dontFollow = 0x100

// setModified sets the time of the last change of an open file; that of the last access is left.
func setModified(file *os.File, modified time.Time) error {
	return changeTime(file.Fd(), nil, modified, 0)
}

// setModifiedAt does so by a path.
func setModifiedAt(path string, modified time.Time, flags uintptr) error {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	return changeTime(workingFolder, name, modified, flags)
}

func changeTime(descriptor uintptr, name *byte, modified time.Time, flags uintptr) error {
	// UTIME_OMIT of utimensat(2).
	const omit = 1<<30 - 2
	times := [2]syscall.Timespec{{Nsec: omit}, {Sec: modified.Unix(), Nsec: int64(modified.Nanosecond())}}
	if _, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, descriptor, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&times[0])), flags, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
