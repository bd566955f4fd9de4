package files

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rights"
)

const (
	// unpackedMembers is how many members an archive that is unpacked has at most.
	unpackedMembers = 1_000_000
	// memberPath is how many bytes the path of a member has at most (PATH_MAX of Linux without its end mark).
	memberPath = 4095
	// namedFailures is how many members that could not be unpacked an answer names, and failureText how long it is about each.
	namedFailures, failureText = 5, 300
)

// unpack serves POST of /files?archive=tar: it unpacks a tar archive, as it comes, into a directory, which is made when it is
// missing. Each file takes its place when it is whole. What the user may not write, and what is neither file, directory nor link,
// is left out and named by the answer once all else is there.
func (s *Service) unpack(w http.ResponseWriter, r *http.Request) error {
	if err := onlyTar(r.URL.Query()); err != nil {
		return err
	}
	user, path, err := s.asked(r.URL.Query())
	if err != nil {
		return err
	}
	defer readInBulk(r)()
	body, err := decodeBody(r)
	if err != nil {
		return err
	}
	if err := rights.As(user, func() error { return unpackInto(path, body) }); err != nil {
		return pathError(path, err)
	}
	httpapi.WriteJSON(w, http.StatusOK, []written{{Name: filepath.Base(path), Path: path, Type: "directory"}})
	return nil
}

func unpackInto(path string, body io.Reader) (err error) {
	made, err := paths.MakeDirectories(path)
	if err != nil {
		return err
	}
	root, err := os.OpenFile(path, openPath|syscall.O_DIRECTORY, 0)
	if err != nil {
		made.Undo()
		return err
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	source := &archiveSource{body: bufio.NewReaderSize(body, bufferSize)}
	u := &unpacker{
		path: path, source: source, in: tar.NewReader(source), buffer: *buffer,
		open: []openLevel{{directory: root}}, late: map[string]*lateAttributes{},
	}
	defer u.leave(0)
	if len(made) > 0 {
		u.late[""] = &lateAttributes{mode: newDirectoryMode}
	}
	err = u.all()
	if left := u.finish(); err == nil {
		err = left
	}
	if err != nil {
		// They are empty only when nothing at all came of the archive.
		made.Undo()
		return err
	}
	return u.failed()
}

// unpacker unpacks one archive. Whoever made it may be an enemy: each directory on the way to a member is opened by its name below
// the one before, and never through a link, so that nothing is made outside of the first one, whatever others do there meanwhile.
type unpacker struct {
	path   string
	source *archiveSource
	in     *tar.Reader
	// open are the directory that is unpacked into and those on the way to the last member, outermost first.
	open    []openLevel
	members int
	// late has the directories that this archive made, by their paths; lateBytes is about what memory that takes.
	late      map[string]*lateAttributes
	lateBytes int
	// failures say what was left out, up to a number; more counts the others. status is that of the first.
	failures []string
	more     int
	status   int
	buffer   []byte
}

func (u *unpacker) all() error {
	for {
		header, err := u.source.next(u.in)
		if err == io.EOF {
			return u.source.end()
		}
		if err != nil {
			return err
		}
		if u.members++; u.members > unpackedMembers {
			return httpapi.Errorf(http.StatusRequestEntityTooLarge, "the archive has more than %d members", unpackedMembers)
		}
		if err := u.member(header); err != nil {
			if err := u.leaveOut(header.Name, err); err != nil {
				return err
			}
		}
		// What a member that was left out has.
		if _, err := io.Copy(io.Discard, content{u.in}); err != nil {
			return err
		}
	}
}

func (u *unpacker) member(header *tar.Header) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if sparse(header) {
		return malformed("%q is sparse: archives that are unpacked have files as a whole", header.Name)
	}
	parts, err := partsOf(header.Name)
	if err != nil {
		return err
	}
	if header.Typeflag == tar.TypeDir {
		return u.directory(parts, header)
	}
	if len(parts) == 0 {
		return malformed("%q is no directory", header.Name)
	}
	if err := u.enter(parts[:len(parts)-1]); err != nil {
		return err
	}
	place := filepath.Join(paths.OfDescriptor(u.open[len(u.open)-1].directory), parts[len(parts)-1])
	switch header.Typeflag {
	case tar.TypeReg:
		return u.file(place, header)
	case tar.TypeSymlink:
		return replacing(place, func(name string) error {
			if err := os.Symlink(header.Linkname, name); err != nil {
				return err
			}
			return setModifiedAt(name, header.ModTime, dontFollow)
		})
	case tar.TypeLink:
		return u.link(place, header.Linkname)
	}
	return httpapi.Errorf(http.StatusUnprocessableEntity, "%q is neither a file nor a directory nor a link", header.Name)
}

// directory makes a directory. One that is there keeps its mode and time.
func (u *unpacker) directory(parts []string, header *tar.Header) error {
	if err := u.enter(parts); err != nil {
		return err
	}
	if made := u.late[strings.Join(parts, "/")]; made != nil {
		made.mode, made.modified = uint32(header.Mode)&plainBits, &header.ModTime
	}
	return nil
}

// file writes a regular file beside its place, which it takes when it is whole.
func (u *unpacker) file(place string, header *tar.Header) error {
	spool, err := newSpool(filepath.Dir(place))
	if err != nil {
		return err
	}
	defer spool.discard()
	if err := checkSpace(spool.file, header.Size); err != nil {
		return err
	}
	if header.Size < pieceSize {
		_, err = io.CopyBuffer(struct{ io.Writer }{spool.file}, content{u.in}, u.buffer)
	} else {
		err = copyUpload(spool.file, content{u.in})
	}
	if err != nil {
		return err
	}
	if err := setMode(spool.file, uint32(header.Mode)&plainBits); err != nil {
		return err
	}
	if err := setModified(spool.file, header.ModTime); err != nil {
		return err
	}
	return spool.takeName(place, false)
}

// link gives a file that is in the directory already, such as one of an earlier member, another name.
func (u *unpacker) link(place, target string) error {
	parts, err := partsOf(target)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return malformed("a link to %q", target)
	}
	held := u.open[0].directory
	for _, name := range parts[:len(parts)-1] {
		next, err := openBelow(held, name)
		if held != u.open[0].directory {
			held.Close()
		}
		if err != nil {
			return err
		}
		held = next
	}
	if held != u.open[0].directory {
		defer held.Close()
	}
	from := filepath.Join(paths.OfDescriptor(held), parts[len(parts)-1])
	err = replacing(place, func(name string) error { return os.Link(from, name) })
	if errors.Is(err, os.ErrNotExist) {
		return httpapi.Errorf(http.StatusNotFound, "'%s' is to be another name of '%s', which is not there", filepath.Base(place), target)
	}
	return err
}

// replacing makes something under a name, in place of what has that name and is no directory.
func replacing(place string, make func(name string) error) error {
	err := make(place)
	if !errors.Is(err, syscall.EEXIST) {
		return err
	}
	hidden, err := hiddenName(filepath.Dir(place))
	if err != nil {
		return err
	}
	if err := make(hidden); err != nil {
		return err
	}
	// It is still there when it could not be renamed, and when both names are of one file (rename(2)).
	defer os.Remove(hidden)
	return syscall.Rename(hidden, place)
}

// leaveOut notes that a member could not be unpacked; it returns what ends all of it.
func (u *unpacker) leaveOut(name string, err error) error {
	var typed *httpapi.Error
	if !errors.As(pathError(filepath.Join(u.path, name), err), &typed) {
		return err
	}
	ending := typed.Status >= 500 || typed.Status == http.StatusUnsupportedMediaType || typed.Status == http.StatusRequestEntityTooLarge
	if ending {
		return typed
	}
	if u.status == 0 {
		u.status = typed.Status
	}
	if len(u.failures) == namedFailures {
		u.more++
		return nil
	}
	u.failures = append(u.failures, fmt.Sprintf("%.*s", failureText, typed.Message))
	return nil
}

// failed is the error of what was left out.
func (u *unpacker) failed() error {
	if len(u.failures) == 0 {
		return nil
	}
	text := strings.Join(u.failures, "; ")
	if u.more > 0 {
		text += fmt.Sprintf("; and %d more", u.more)
	}
	return httpapi.Errorf(u.status, "not all of the archive was unpacked: %s", text)
}
