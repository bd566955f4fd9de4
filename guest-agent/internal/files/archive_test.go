package files

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// member is one of an archive.
type member struct {
	header *tar.Header
	text   string
}

// unpack reads an archive; its members come by their names.
func unpack(t *testing.T, body []byte) map[string]member {
	t.Helper()
	members := map[string]member{}
	for reader := tar.NewReader(bytes.NewReader(body)); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := members[header.Name]; twice {
			t.Errorf("%q is there twice", header.Name)
		}
		members[header.Name] = member{header, string(text)}
	}
}

func (s *sandbox) archive(path string) exchange {
	s.t.Helper()
	return s.do(http.MethodGet, "/files", url.Values{"path": {path}, "archive": {"tar"}}, nil, nil)
}

func TestDirectoryAsAnArchive(t *testing.T) {
	s := newSandbox(t)
	content := pattern(1_000_003)
	long := strings.Repeat("n", 200)
	when := time.Unix(1_700_000_000, 123_000_000)
	s.write(s.home+"/project/src/main.c", content)
	s.own(s.home + "/project/src/main.c")
	s.check(os.Chmod(s.home+"/project/src/main.c", 0o4751))
	s.check(os.Chtimes(s.home+"/project/src/main.c", when, when))
	s.write(s.home+"/project/empty", "")
	s.check(os.Mkdir(s.home+"/project/nothing", 0o700))
	s.own(s.home + "/project/nothing")
	s.check(os.Symlink("/etc/passwd", s.home+"/project/link"))
	for _, name := range []string{long, "line\nbreak", "not-utf8-\xff", "<b>.txt"} {
		s.write(s.home+"/project/"+name, name)
	}
	got := s.archive("project")
	if got.status != 200 || got.header.Get("Content-Type") != "application/x-tar" || got.header.Get("Content-Length") != "" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	members := unpack(t, got.body)
	if len(members) != 10 {
		t.Errorf("%d members", len(members))
	}
	program := members["project/src/main.c"]
	if program.text != content || program.header.Mode != 0o751 || !program.header.ModTime.Equal(when) {
		t.Errorf("main.c: %d bytes, %+v", len(program.text), program.header)
	}
	for name, kind := range map[string]byte{"project/": tar.TypeDir, "project/nothing/": tar.TypeDir, "project/empty": tar.TypeReg, "project/link": tar.TypeSymlink} {
		if members[name].header == nil || members[name].header.Typeflag != kind || members[name].text != "" {
			t.Errorf("%s: %+v", name, members[name])
		}
	}
	if target := members["project/link"].header.Linkname; target != "/etc/passwd" {
		t.Errorf("the link holds %q", target)
	}
	for _, name := range []string{long, "line\nbreak", "not-utf8-\xff", "<b>.txt"} {
		if members["project/"+name].text != name {
			t.Errorf("%q: %+v", name, members["project/"+name])
		}
	}
	if got := s.do(http.MethodHead, "/files", url.Values{"path": {"project"}, "archive": {"tar"}}, nil, nil); got.status != 200 || len(got.body) != 0 {
		t.Errorf("HEAD: %d, %d bytes", got.status, len(got.body))
	}
}

func TestWhatAnArchiveLeavesOut(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/d/open", "open")
	s.write(s.home+"/d/secret", "secret")
	s.check(os.Chmod(s.home+"/d/secret", 0o600))
	s.check(os.Mkdir(s.home+"/d/locked", 0o700))
	s.check(syscall.Mkfifo(s.home+"/d/pi\npe", 0o644))
	deep := s.home + "/d" + strings.Repeat("/x", archiveDepth)
	s.check(os.MkdirAll(deep, 0o755))
	s.write(deep+"/far", "far")
	members := unpack(t, s.archive("d").body)
	if members["d/open"].text != "open" {
		t.Error("what may be read is missing")
	}
	told := members["d.left-out.txt"].text
	for _, line := range []string{
		"d/secret: permission denied\n", "d/locked: permission denied\n", `"d/pi\npe": neither a file nor a directory nor a link` + "\n",
		fmt.Sprintf("d%s/: what is in it lies more than %d levels deep\n", strings.Repeat("/x", archiveDepth), archiveDepth),
	} {
		if !strings.Contains(told, line) {
			t.Errorf("%q is not in %q", line, told)
		}
	}
	for name, found := range members {
		if found.text == "secret" || found.text == "far" {
			t.Errorf("%s is there", name)
		}
	}
	for i := 0; i < namedLeftOut+5; i++ {
		s.check(syscall.Mkfifo(fmt.Sprintf("%s/d/%d", s.home, i), 0o644))
	}
	told = unpack(t, s.archive("d").body)["d.left-out.txt"].text
	if lines := strings.Count(told, "\n"); lines != namedLeftOut+2 || !strings.HasSuffix(told, "and 9 more\n") {
		t.Errorf("%d lines, the last of them %q", lines, told[len(told)-20:])
	}
}

func TestArchiveStaysOnItsFileSystem(t *testing.T) {
	s := newSandbox(t)
	s.check(os.MkdirAll(s.home+"/d/mounted", 0o755))
	if err := syscall.Mount("tmpfs", s.home+"/d/mounted", "tmpfs", 0, ""); err != nil {
		t.Skipf("mounting: %v", err)
	}
	t.Cleanup(func() { s.check(syscall.Unmount(s.home+"/d/mounted", 0)) })
	s.write(s.home+"/d/mounted/file", "elsewhere")
	members := unpack(t, s.archive("d").body)
	if members["d/mounted/"].header == nil || members["d/mounted/file"].header != nil {
		t.Errorf("%v", members)
	}
	if told := members["d.left-out.txt"].text; !strings.Contains(told, "d/mounted/: what is in it is on another file system") {
		t.Errorf("%q", told)
	}
}

func TestArchiveThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/file", "")
	s.check(os.Mkdir(s.home+"/locked", 0o700))
	for path, want := range map[string]struct {
		status  int
		message string
	}{
		"missing": {404, "path '" + s.home + "/missing' does not exist"},
		"file":    {400, "path '" + s.home + "/file' is not a directory"},
		"locked":  {403, "path '" + s.home + "/locked': permission denied"},
		"a\x00b":  {400, "path 'a\x00b': a path must not contain a NUL byte"},
	} {
		s.archive(path).wantError(t, path, want.status, want.message)
	}
	s.do("GET", "/files", url.Values{"path": {"."}, "archive": {"zip"}}, nil, nil).wantError(t, "zip", 400, `archive "zip" is not tar`)
}

// A file that shrinks while it is read must not shift the members behind it.
func TestArchiveOfAFileThatShrinks(t *testing.T) {
	s := newSandbox(t)
	size := 8 << 20
	s.write(s.home+"/d/log", strings.Repeat("x", size))
	s.write(s.home+"/d/zzz", "behind")
	root, err := openDirectory(s.home + "/d")
	s.check(err)
	defer root.Close()
	var body bytes.Buffer
	cut := writerFunc(func(piece []byte) (int, error) {
		if body.Len() > 1<<20 {
			s.check(os.Truncate(s.home+"/d/log", 4))
		}
		return body.Write(piece)
	})
	s.check(writeArchive(cut, root, "d", s.now))
	members := unpack(t, body.Bytes())
	if len(members["d/log"].text) != size || members["d/zzz"].text != "behind" {
		t.Errorf("%d bytes, then %q", len(members["d/log"].text), members["d/zzz"].text)
	}
	if told := members["d.left-out.txt"].text; !strings.Contains(told, "it became shorter while it was read") {
		t.Errorf("%q", told)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(piece []byte) (int, error) { return w(piece) }

func TestArchiveEndsWithItsReader(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/d/file", strings.Repeat("x", 1<<20))
	service := NewService(s, func() time.Time { return s.now })
	request := httptest.NewRequest("GET", "/files?archive=tar&path="+url.QueryEscape(filepath.Join(s.home, "d")), nil)
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the connection was not broken")
		}
	}()
	service.ServeFiles(brokenPipe{newRecorder()}, request)
}

// brokenPipe is the answer to a client that has gone.
type brokenPipe struct{ *recorder }

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }
