package files

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// put uploads one file with more in its query.
func (s *sandbox) put(path, content string, more url.Values) exchange {
	s.t.Helper()
	query := url.Values{"path": {path}}
	for name, values := range more {
		query[name] = values
	}
	return s.do(http.MethodPost, "/files", query, map[string]string{"Content-Type": "application/octet-stream"}, strings.NewReader(content))
}

func TestAnUploadReplacesAFileAsACarefulEditorDoes(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/script", "a longer text than the new one")
	s.check(os.Chmod(s.home+"/script", 0o750))
	s.check(os.Mkdir(s.home+"/elsewhere", 0o755))
	s.check(os.Symlink("../script", s.home+"/elsewhere/link"))
	reader, err := os.Open(s.home + "/script")
	s.check(err)
	defer reader.Close()
	if got := s.post("elsewhere/link", "new", nil); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if status := stat(t, s.home+"/script"); s.read(s.home+"/script") != "new" || status.Mode != syscall.S_IFREG|0o750 || status.Uid != annID {
		t.Errorf("%q %o %d", s.read(s.home+"/script"), status.Mode, status.Uid)
	}
	if target, err := os.Readlink(s.home + "/elsewhere/link"); err != nil || target != "../script" {
		t.Errorf("the link: %q %v", target, err)
	}
	if before, err := io.ReadAll(reader); err != nil || string(before) != "a longer text than the new one" {
		t.Errorf("whoever reads the former file goes on with it: %q %v", before, err)
	}
	// Root keeps the owner.
	if got := s.put(s.home+"/script", "by root", url.Values{"username": {"root"}}); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if status := stat(t, s.home+"/script"); status.Uid != annID || status.Gid != annGroup || status.Mode != syscall.S_IFREG|0o750 {
		t.Errorf("%d:%d %o", status.Uid, status.Gid, status.Mode)
	}
	if entries, err := os.ReadDir(s.home); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestAnUploadCopiesIntoAFileThatCannotBeReplaced(t *testing.T) {
	s := newSandbox(t)
	large := pattern(3<<20 + 17)
	s.give(s.home+"/one", large)
	s.check(os.Link(s.home+"/one", s.home+"/other"))
	s.check(os.Mkdir(s.home+"/closed", 0o755))
	s.give(s.home+"/closed/mine", "before")
	s.check(os.Mkdir(s.home+"/shared", 0o777))
	s.check(os.Chmod(s.home+"/shared", 0o777))
	s.write(s.home+"/shared/roots", "before")
	s.check(os.Chmod(s.home+"/shared/roots", 0o666))
	for path, also := range map[string]string{"one": "other", "closed/mine": "closed/mine", "shared/roots": "shared/roots"} {
		before := stat(t, s.home+"/"+path)
		for _, content := range []string{"short", large + "longer", ""} {
			if got := s.post(path, content, nil); got.status != 200 || s.read(s.home+"/"+also) != content {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if after := stat(t, s.home+"/"+path); after.Ino != before.Ino || after.Uid != before.Uid || after.Mode != before.Mode {
			t.Errorf("%s is another file", path)
		}
	}
	s.check(os.Symlink("made", s.home+"/dangling"))
	if got := s.post("dangling", "x", nil); got.status != 200 || s.read(s.home+"/made") != "x" {
		t.Errorf("where a link leads: %d %s", got.status, got.body)
	}
	s.check(os.Symlink("/not/there", s.home+"/astray"))
	s.post("astray", "x", nil).wantError(t, "a link to nowhere", 404,
		"path '"+s.home+"/astray' is a link to '/not/there', whose directory does not exist: make that first, or remove the link")
}

// A program that runs cannot be written, but replaced.
func TestAnUploadReplacesAProgramThatRuns(t *testing.T) {
	s := newSandbox(t)
	program, err := os.ReadFile("/bin/sleep")
	s.check(err)
	s.give(s.home+"/sleep", string(program))
	s.check(os.Chmod(s.home+"/sleep", 0o755))
	process, err := os.StartProcess(s.home+"/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	s.check(err)
	defer func() { _ = process.Kill(); _, _ = process.Wait() }()
	if got := s.post("sleep", "new", nil); got.status != 200 || s.read(s.home+"/sleep") != "new" || stat(t, s.home+"/sleep").Mode != syscall.S_IFREG|0o755 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAnUploadToANameThatNoFileCanHaveMakesNothing(t *testing.T) {
	s := newSandbox(t)
	path := "new/deep/" + strings.Repeat("x", 300)
	s.post(path, "x", nil).wantError(t, "a long name", 400, "path '"+s.home+"/"+path+"': file name too long")
	if _, err := os.Stat(s.home + "/new"); err == nil {
		t.Error("directories stay behind")
	}
}

func TestUploadsThatBreakOffChangeNothing(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/file", "kept")
	s.give(s.home+"/linked", "kept")
	s.check(os.Link(s.home+"/linked", s.home+"/again"))
	s.check(os.Symlink("nowhere", s.home+"/dangling"))
	for _, path := range []string{"file", "linked", "dangling", "new"} {
		reader, writer := io.Pipe()
		go func() {
			_, _ = io.WriteString(writer, strings.Repeat("x", 2<<20))
			writer.CloseWithError(io.ErrUnexpectedEOF)
		}()
		request, err := http.NewRequest("POST", s.server.URL+"/files?path="+path, reader)
		s.check(err)
		request.Header.Set("Content-Type", "application/octet-stream")
		if response, err := client.Do(request); err == nil {
			t.Errorf("%s: %v", path, response.Status)
		}
	}
	s.server.Close()
	if s.read(s.home+"/file") != "kept" || s.read(s.home+"/linked") != "kept" {
		t.Error("a file changed")
	}
	if entries, err := os.ReadDir(s.home); err != nil || len(entries) != 4 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestUploadsAtOnceDoNotMix(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/linked", "")
	s.check(os.Link(s.home+"/linked", s.home+"/again"))
	const size = 1<<20 + 1
	for _, path := range []string{"file", "linked"} {
		var all sync.WaitGroup
		for i := 0; i < 4; i++ {
			content := strings.Repeat(string(rune('a'+i)), size)
			all.Add(1)
			go func() {
				defer all.Done()
				if got := s.post(path, content, nil); got.status != 200 {
					t.Errorf("%d %s", got.status, got.body)
				}
			}()
		}
		all.Wait()
		if text := s.read(s.home + "/" + path); len(text) != size || strings.Count(text, text[:1]) != size {
			t.Errorf("%s holds parts of several uploads", path)
		}
	}
}

func TestModeAndTimeOfUploads(t *testing.T) {
	s := newSandbox(t)
	const at = "2001-02-03T04:05:06.789Z"
	wanted, err := time.Parse(time.RFC3339Nano, at)
	s.check(err)
	s.give(s.home+"/old", "x")
	s.give(s.home+"/linked", "x")
	s.check(os.Link(s.home+"/linked", s.home+"/again"))
	for _, path := range []string{"new", "old", "linked"} {
		if got := s.put(path, "#!/bin/sh\n", url.Values{"mode": {"0751"}, "modified_at": {at}}); got.status != 200 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		info, err := os.Stat(s.home + "/" + path)
		s.check(err)
		if info.Mode() != 0o751 || !info.ModTime().Equal(wanted) {
			t.Errorf("%s: %v %v", path, info.Mode(), info.ModTime())
		}
		got := s.get(path, nil)
		if got.header.Get("X-File-Mode") != "0751" || got.header.Get("X-File-Modified-At") != at {
			t.Errorf("%s comes with %v", path, got.header)
		}
	}
	for name, query := range map[string]url.Values{
		`mode "abc" is not an octal number up to 7777`:   {"mode": {"abc"}},
		`mode "10000" is not an octal number up to 7777`: {"mode": {"10000"}},
		`modified_at "noon" is not a time of RFC 3339`:   {"modified_at": {"noon"}},
	} {
		s.put("old", "x", query).wantError(t, name, 400, name)
	}
}

func TestUploadsIntoADirectory(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/dir", 0o755))
	s.own(s.home + "/dir")
	for _, path := range []string{"dir", "dir/", "new/", "~", "dir/."} {
		if got := s.put(path, "x", url.Values{"name": {"file.txt"}}); got.status != 200 || !strings.Contains(string(got.body), "/file.txt") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if s.read(s.home+"/dir/file.txt")+s.read(s.home+"/new/file.txt")+s.read(s.home+"/file.txt") != "xxx" {
		t.Error("the content differs")
	}
	if got := s.postForm(url.Values{"path": {"dir/"}}, formFile{field: "file", filename: "by-form", content: "y"}); got.status != 200 || s.read(s.home+"/dir/by-form") != "y" {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, name := range []string{"..", "a/b", "."} {
		s.put("dir", "x", url.Values{"name": {name}}).wantError(t, name, 400, fmt.Sprintf("'%s' is not the name of a file", name))
	}
	s.put("dir/", "x", nil).wantError(t, "no name", 400, "path '"+s.home+"/dir' is a directory")
}

func TestUploadsHaveTheRightsOfTheirUser(t *testing.T) {
	s := newSandbox(t)
	s.write(s.root+"/roots", "kept")
	s.check(os.Mkdir(s.root+"/sticky", 0o777))
	s.check(os.Chmod(s.root+"/sticky", os.ModeSticky|0o777))
	s.check(os.Symlink(s.home+"/victim", s.root+"/sticky/link"))
	s.give(s.home+"/victim", "kept")
	for path, message := range map[string]string{
		s.root + "/roots":     "permission denied",
		s.root + "/new":       "permission denied",
		s.root + "/new/below": "permission denied",
	} {
		s.post(path, "x", nil).wantError(t, path, 403, "path '"+path+"': "+message)
	}
	if protected, err := os.ReadFile("/proc/sys/fs/protected_symlinks"); err == nil && string(protected) == "1\n" {
		s.check(os.Lchown(s.root+"/sticky/link", 54999, 54999))
		path := s.root + "/sticky/link"
		s.post(path, "x", nil).wantError(t, "a stranger's link", 403, "path '"+path+"' is a link of another user in a directory that all may write to: such links are not followed")
		s.put(path, "x", url.Values{"username": {"root"}}).wantError(t, "a stranger's link as root", 403, "path '"+path+"' is a link of another user in a directory that all may write to: such links are not followed")
	}
	s.check(os.Mkdir(s.home+"/shared", 0o777))
	s.check(os.Chmod(s.home+"/shared", 0o777))
	s.write(s.home+"/shared/roots", "kept")
	s.check(os.Chmod(s.home+"/shared/roots", 0o666))
	s.put("shared/roots", "x", url.Values{"mode": {"755"}}).wantError(t, "the mode of another's file", 403, "path '"+s.home+"/shared/roots' belongs to another user, who alone may change its mode and time")
	if s.read(s.home+"/victim")+s.read(s.root+"/roots")+s.read(s.home+"/shared/roots") != "keptkeptkept" {
		t.Error("a file changed")
	}
}
