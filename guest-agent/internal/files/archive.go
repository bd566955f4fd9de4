package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rights"
)

const (
	// archiveDepth is how many levels of directories an archive has: each of them is held open while what is below it is read.
	archiveDepth = 256
	// namedLeftOut is how many entries that were left out are named.
	namedLeftOut = 1000
	// plainBits are the permission bits of members: a file of the guest gives nobody elsewhere the rights of its owner.
	plainBits = 0o777
)

// archive serves GET and HEAD of /files?archive=tar: a directory as a tar archive (pax), read while it is sent. Links are members
// as they are, and directories of other file systems are empty. What the user may not read, and what is neither file, directory
// nor link, is left out and named by a last member. An error is returned only while nothing has been written.
func (s *Service) archive(w http.ResponseWriter, r *http.Request) error {
	if err := onlyTar(r.URL.Query()); err != nil {
		return err
	}
	user, path, err := s.asked(r.URL.Query())
	if err != nil {
		return err
	}
	var root *os.File
	if err := rights.As(user, func() (err error) { root, err = openDirectory(path); return }); err != nil {
		return err
	}
	defer root.Close()
	w.Header().Set("Content-Type", "application/x-tar")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if rights.As(user, func() error { return writeArchive(w, root, filepath.Base(path), s.now()) }) != nil {
		// A failure after the headers can only be shown by breaking the connection.
		panic(http.ErrAbortHandler)
	}
	return nil
}

func openDirectory(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, httpapi.Errorf(http.StatusNotFound, "%s", paths.Missing(path))
	}
	if err != nil {
		return nil, pathError(path, err)
	}
	if !info.IsDir() {
		return nil, httpapi.Errorf(http.StatusBadRequest, "path '%s' is not a directory", path)
	}
	root, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	return root, nil
}

// archiver writes the members of an archive. Its errors are those of whoever takes the archive; faults of entries leave those out.
type archiver struct {
	out *tar.Writer
	// device is the file system that the archive stays on.
	device uint64
	// leftOut has a line for each entry that was left out, up to a number; more counts the others.
	leftOut []string
	more    int
	buffer  []byte
}

// writeArchive writes a directory under a name ("/" = without one).
func writeArchive(w io.Writer, root *os.File, name string, now time.Time) error {
	info, err := root.Stat()
	if err != nil {
		return err
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	a := &archiver{out: tar.NewWriter(w), device: info.Sys().(*syscall.Stat_t).Dev, buffer: *buffer}
	prefix := name + "/"
	if name == "/" {
		prefix = ""
	} else if err := a.header(info, prefix, ""); err != nil {
		return err
	}
	if err := a.content(root, prefix, 1); err != nil {
		return err
	}
	if err := a.nameLeftOut(strings.TrimSuffix(prefix, "/"), now); err != nil {
		return err
	}
	return a.out.Close()
}

// content writes what is in an open directory whose members begin with a prefix.
func (a *archiver) content(directory *os.File, prefix string, depth int) error {
	access := paths.OfDescriptor(directory)
	for {
		names, end := directory.Readdirnames(256)
		for _, name := range names {
			if err := a.entry(filepath.Join(access, name), prefix+name, depth); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			a.leaveOut(prefix, end)
			return nil
		}
	}
}

// entry writes what is found at a path, and what is below it.
func (a *archiver) entry(access, name string, depth int) error {
	info, err := os.Lstat(access)
	if errors.Is(err, os.ErrNotExist) {
		// It has vanished meanwhile.
		return nil
	}
	if err != nil {
		a.leaveOut(name, err)
		return nil
	}
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(access)
		if err != nil {
			a.leaveOut(name, err)
			return nil
		}
		return a.header(info, name, target)
	case info.IsDir():
		return a.directory(access, name, depth)
	case info.Mode().IsRegular():
		return a.file(access, name)
	}
	a.leaveOut(name, errors.New("neither a file nor a directory nor a link"))
	return nil
}

func (a *archiver) directory(access, name string, depth int) error {
	opened, err := os.OpenFile(access, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		a.leaveOut(name, err)
		return nil
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		a.leaveOut(name, err)
		return nil
	}
	if err := a.header(info, name+"/", ""); err != nil {
		return err
	}
	switch {
	case info.Sys().(*syscall.Stat_t).Dev != a.device:
		a.leaveOut(name+"/", errors.New("what is in it is on another file system"))
		return nil
	case depth == archiveDepth:
		a.leaveOut(name+"/", fmt.Errorf("what is in it lies more than %d levels deep", archiveDepth))
		return nil
	}
	return a.content(opened, name+"/", depth+1)
}

// file writes a regular file. A member has as many bytes as its header says: one that is cut meanwhile is filled up with zeros.
func (a *archiver) file(access, name string) error {
	file, err := os.OpenFile(access, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		a.leaveOut(name, err)
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file any more")
	}
	if err != nil {
		a.leaveOut(name, err)
		return nil
	}
	if err := a.header(info, name, ""); err != nil {
		return err
	}
	source := io.LimitReader(present{file}, info.Size())
	rest := info.Size()
	for rest > 0 {
		n, failure := source.Read(a.buffer)
		if _, err := a.out.Write(a.buffer[:n]); err != nil {
			return err
		}
		rest -= int64(n)
		if failure != nil && rest > 0 {
			if failure == io.EOF {
				failure = errors.New("it became shorter while it was read")
			}
			a.leaveOut(name, fmt.Errorf("its last %d bytes are zeros: %v", rest, causeOf(failure)))
			return a.zeros(rest)
		}
	}
	return nil
}

func (a *archiver) zeros(count int64) error {
	for i := range a.buffer {
		a.buffer[i] = 0
	}
	for count > 0 {
		piece := a.buffer
		if count < int64(len(piece)) {
			piece = piece[:count]
		}
		n, err := a.out.Write(piece)
		if err != nil {
			return err
		}
		count -= int64(n)
	}
	return nil
}

// header begins a member; target is what a link holds.
func (a *archiver) header(info os.FileInfo, name, target string) error {
	raw := info.Sys().(*syscall.Stat_t)
	header := &tar.Header{
		Name: name, Linkname: target, Mode: int64(raw.Mode & plainBits), Uid: int(raw.Uid), Gid: int(raw.Gid), ModTime: info.ModTime(),
		Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}
	switch {
	case info.IsDir():
		header.Typeflag = tar.TypeDir
	case info.Mode()&os.ModeSymlink != 0:
		header.Typeflag = tar.TypeSymlink
	default:
		header.Size = info.Size()
	}
	return a.out.WriteHeader(header)
}

// leaveOut notes that an entry is not in the archive, or not as it is.
func (a *archiver) leaveOut(name string, reason error) {
	if len(a.leftOut) == namedLeftOut {
		a.more++
		return
	}
	a.leftOut = append(a.leftOut, fmt.Sprintf("%s: %v\n", printable(name), causeOf(reason)))
}

// causeOf is the kernel's error without the path, by which the agent reached the file.
func causeOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// printable is a name on one line.
func printable(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// nameLeftOut writes a last member that says what was left out, if anything was.
func (a *archiver) nameLeftOut(name string, now time.Time) error {
	if len(a.leftOut) == 0 {
		return nil
	}
	if a.more > 0 {
		a.leftOut = append(a.leftOut, fmt.Sprintf("and %d more\n", a.more))
	}
	text := "Not in this archive, or not as they are:\n" + strings.Join(a.leftOut, "")
	if name != "" {
		name += "."
	}
	header := &tar.Header{
		Name: name + "left-out.txt", Mode: 0o644, Size: int64(len(text)), ModTime: now, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}
	if err := a.out.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.WriteString(a.out, text)
	return err
}
