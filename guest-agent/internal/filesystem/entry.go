// Package filesystem serves filesystem.Filesystem: it describes, lists, moves, removes and watches what lies in the file system
// of the guest, with the rights of the user that a call names.
package filesystem

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"warren/guest-agent/internal/metadata"
	"warren/guest-agent/internal/users"
)

// entry is an EntryInfo.
type entry struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Path is absolute.
	Path string `json:"path"`
	// Size is in bytes.
	Size int64 `json:"size,string"`
	// Mode is the permission bits, with those for set-user-ID, set-group-ID and the sticky bit.
	Mode        uint32 `json:"mode"`
	Permissions string `json:"permissions"`
	Owner       string `json:"owner"`
	Group       string `json:"group"`
	// ModifiedTime is RFC 3339 in UTC.
	ModifiedTime  string  `json:"modifiedTime"`
	SymlinkTarget *string `json:"symlinkTarget,omitempty"`
	// LinkText is what a link holds, as it was made.
	LinkText string            `json:"linkText,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

const (
	typeFile        = "FILE_TYPE_FILE"
	typeDirectory   = "FILE_TYPE_DIRECTORY"
	typeUnspecified = "FILE_TYPE_UNSPECIFIED"
)

// modeBits are those of a mode that are no type (inode(7)).
const modeBits = 0o7777

// describe makes the entry of a path. Of a link, type and mode are those of its final target and the rest are its own; a link
// that leads nowhere is its own target.
func describe(path string, names users.Names) (entry, error) {
	return describeAt(path, path, names)
}

// describeAt makes the entry of a path by another that leads to the same, for one that is too long for the kernel.
func describeAt(path, access string, names users.Names) (entry, error) {
	info, err := os.Lstat(access)
	if err != nil {
		return entry{}, err
	}
	status := info.Sys().(*syscall.Stat_t)
	e := entry{
		Name:         filepath.Base(path),
		Type:         typeOf(info),
		Path:         path,
		Size:         info.Size(),
		Mode:         status.Mode & modeBits,
		Permissions:  info.Mode().String(),
		Owner:        names.User(status.Uid),
		Group:        names.Group(status.Gid),
		ModifiedTime: timestamp(info.ModTime()),
	}
	if info.Mode()&os.ModeSymlink != 0 {
		target := path
		e.Mode = 0
		final := access
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			target, final = resolved, resolved
		}
		if info, err := os.Stat(final); err == nil {
			e.Type, e.Mode = typeOf(info), info.Sys().(*syscall.Stat_t).Mode&modeBits
		}
		e.SymlinkTarget = &target
		// Without it the entry is complete for all but copies.
		e.LinkText, _ = os.Readlink(access)
	}
	if e.Type != typeUnspecified {
		e.Metadata = metadata.Read(access)
	}
	return e, nil
}

func typeOf(info os.FileInfo) string {
	switch {
	case info.Mode().IsRegular():
		return typeFile
	case info.IsDir():
		return typeDirectory
	}
	return typeUnspecified
}

// timestamp formats a time with 0, 3, 6 or 9 digits of fraction, as the protobuf JSON mapping does.
func timestamp(t time.Time) string {
	t = t.UTC()
	layout := "2006-01-02T15:04:05.000000000Z"
	switch n := t.Nanosecond(); {
	case n == 0:
		layout = "2006-01-02T15:04:05Z"
	case n%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case n%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return t.Format(layout)
}
