package files

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/metadata"
	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/users"
)

// openPath is O_PATH of open(2), which has no effect on what is opened.
const openPath = 0x200000

// target is where the content of a request goes. The content is received into a file of its own, and takes the place of the
// former one only when it is whole: until then nothing of what is there changes.
//
// The new file takes the name of the former one, as careful editors do it, whenever nothing but the content would differ. Where it
// would (more links to the file, an owner that cannot be kept, access lists), where the directory cannot be written, and where a
// name cannot be taken (mount points, /proc), the whole content is copied into the former file.
//
// Its functions are called with the rights of the user.
type target struct {
	user       users.User
	path       string
	attributes attributes
	metadata   map[string]string
	// former is the file that is there, open for writing; nil = there is none, or it runs as a program.
	former *os.File
	// status is that of the former file; nil = there is none.
	status *syscall.Stat_t
	// made is set when the former file is an empty one that was made where a link leads.
	made bool
	// place is the name to take; "" = the content must be copied.
	place   string
	content *spool
}

// openTarget checks that a path can be written and makes missing directories above it.
func openTarget(path string, user users.User, wanted attributes, attached map[string]string) (_ *target, err error) {
	t := &target{user: user, path: path, attributes: wanted, metadata: attached, place: path}
	undo := func() {}
	defer func() {
		if err != nil {
			t.close()
			undo()
		}
	}()
	if err := t.openFormer(); err != nil {
		return nil, err
	}
	if t.status == nil {
		made, err := makeDirectoryFor(path)
		if err != nil {
			return nil, err
		}
		undo = made.Undo
	} else if err := t.inspect(); err != nil {
		return nil, err
	}
	if t.place == "" {
		return t, nil
	}
	t.content, err = newSpool(filepath.Dir(t.place))
	if err != nil && t.former != nil && untakeable(err) {
		t.place, err = "", nil
	}
	return t, err
}

// makeDirectoryFor makes the missing directories above a file, unless no file can have its name, which is known only there.
func makeDirectoryFor(path string) (paths.Made, error) {
	made, err := paths.MakeParents(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		made.Undo()
		return nil, err
	}
	return made, nil
}

// openFormer opens what is at the path, links followed by the kernel's rules.
func (t *target) openFormer() error {
	descriptor, err := syscall.Open(t.path, openPath|syscall.O_CLOEXEC, 0)
	if err == syscall.ENOENT {
		if info, err := os.Lstat(t.path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			return nil
		}
		file, err := os.OpenFile(t.path, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0o644)
		if errors.Is(err, os.ErrNotExist) {
			return unusableLink(t.path)
		}
		if err != nil {
			return err
		}
		t.made = true
		return t.take(file)
	}
	if err != nil {
		return err
	}
	held := os.NewFile(uintptr(descriptor), t.path)
	defer held.Close()
	info, err := held.Stat()
	if err == nil {
		err = regular(t.path, info)
	}
	if err != nil {
		return err
	}
	file, err := os.OpenFile(paths.OfDescriptor(held), os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, syscall.ETXTBSY) {
		// The rights have been checked by then. The program goes on with the file that it has.
		t.status = info.Sys().(*syscall.Stat_t)
		t.place, err = nameOf(paths.OfDescriptor(held), info)
		return err
	}
	if err != nil {
		return err
	}
	return t.take(file)
}

// unusableLink is the error of a link to a place where no file can be made.
func unusableLink(link string) error {
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	return httpapi.Errorf(http.StatusNotFound, "path '%s' is a link to '%s', whose directory does not exist: make that first, or remove the link", link, target)
}

// take makes an open file the former one.
func (t *target) take(file *os.File) error {
	t.former = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := regular(t.path, info); err != nil {
		return err
	}
	t.status = info.Sys().(*syscall.Stat_t)
	t.place, err = nameOf(paths.OfDescriptor(file), info)
	if err != nil {
		t.place = ""
	}
	return nil
}

// nameOf is the name of an open file, free of links.
func nameOf(descriptor string, info os.FileInfo) (string, error) {
	name, err := os.Readlink(descriptor)
	if err != nil {
		return "", err
	}
	found, err := os.Lstat(name)
	if err == nil && !os.SameFile(found, info) {
		err = syscall.EBUSY
	}
	return name, err
}

// inspect decides whether a new file can stand in for the former one, and refuses what would be left undone.
func (t *target) inspect() error {
	mine := t.user.UID == 0 || t.status.Uid == t.user.UID
	if !mine && (t.attributes.mode != nil || t.attributes.modified != nil) {
		return httpapi.Errorf(http.StatusForbidden, "path '%s' belongs to another user, who alone may change its mode and time", t.path)
	}
	if t.former == nil {
		return nil
	}
	if !mine || t.status.Nlink > 1 || !metadata.Plain(t.former) {
		t.place = ""
	}
	return nil
}

// finish puts the content into its place.
func (t *target) finish() error {
	if t.place != "" {
		err := t.replace()
		if err == nil || t.former == nil || !untakeable(err) {
			return err
		}
	}
	return t.overwrite()
}

// untakeable tells whether an error means that a name cannot be taken, though the file may be written.
func untakeable(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY, syscall.EXDEV, syscall.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// replace gives the content the place of the former file, with all that belonged to that.
func (t *target) replace() error {
	file := t.content.file
	if t.status != nil {
		if err := t.inherit(file); err != nil {
			return err
		}
	} else if t.content.private && t.attributes.mode == nil {
		if err := setMode(file, newFileMode); err != nil {
			return err
		}
	}
	if t.attributes.mode != nil {
		if err := setMode(file, *t.attributes.mode); err != nil {
			return err
		}
	}
	if err := t.describe(file); err != nil {
		return err
	}
	return t.content.takeName(t.place, t.status != nil)
}

// inherit gives the content owner, mode and attributes of the former file.
func (t *target) inherit(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if own := info.Sys().(*syscall.Stat_t); own.Uid != t.status.Uid || own.Gid != t.status.Gid {
		if err := file.Chown(int(t.status.Uid), int(t.status.Gid)); err != nil {
			return err
		}
	}
	mode := t.status.Mode & permissionBits
	if t.user.UID != 0 {
		// As after any other write of a user.
		mode &^= syscall.S_ISUID | syscall.S_ISGID
	}
	if err := setMode(file, mode); err != nil || t.former == nil {
		return err
	}
	return metadata.Copy(t.former, file)
}

// describe gives a file its metadata and its time. The time is last, since all else changes it.
func (t *target) describe(file *os.File) error {
	if err := metadata.Replace(file, t.metadata); err != nil {
		return err
	}
	if t.attributes.modified != nil {
		return setModified(file, *t.attributes.modified)
	}
	return nil
}

// overwriting is held by the request that copies into a file, so that what several copy at once does not mix.
var overwriting sync.Mutex

// overwrite copies the content into the former file. The space is taken first, so that a full disk changes nothing.
func (t *target) overwrite() error {
	overwriting.Lock()
	defer overwriting.Unlock()
	size, err := t.content.rewind()
	if err != nil {
		return err
	}
	if t.attributes.mode != nil {
		if err := setMode(t.former, *t.attributes.mode); err != nil {
			return err
		}
	}
	const keepSize = 1
	if size > 0 {
		if err := syscall.Fallocate(int(t.former.Fd()), keepSize, 0, size); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
			return err
		}
	}
	if err := t.content.copyTo(t.former); err != nil {
		return err
	}
	// Files of /proc and /sys have no size, and some cannot be given any.
	if t.status.Size > size {
		if err := t.former.Truncate(size); err != nil {
			return err
		}
	}
	return t.describe(t.former)
}

// close lets go of everything. What has not taken its place is gone.
func (t *target) close() {
	t.content.discard()
	if t.former != nil {
		_ = t.former.Close()
	}
}

// abandon removes the empty file that was made where a link leads.
func (t *target) abandon() {
	if t.made && t.place != "" {
		_ = os.Remove(t.place)
	}
}

// into completes a path that names a directory by the name of the file that goes into it.
func into(path, resolved, name string) (string, error) {
	directory := strings.HasSuffix(path, "/") || path == "." || path == ".." || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
	if !directory {
		info, err := os.Stat(resolved)
		if err != nil || !info.IsDir() {
			// What is wrong with the path, opening it says.
			return resolved, nil
		}
	}
	if name == "" {
		return "", httpapi.Errorf(http.StatusBadRequest, "path '%s' is a directory", resolved)
	}
	if name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", httpapi.Errorf(http.StatusBadRequest, "'%s' is not the name of a file", name)
	}
	return filepath.Join(resolved, name), nil
}
