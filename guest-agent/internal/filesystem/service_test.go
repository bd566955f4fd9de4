package filesystem

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatOfAFile(t *testing.T) {
	s := newSandbox(t)
	path := s.home + "/file.txt"
	s.write(path, "hello")
	s.check(os.Chown(path, annID, annGroup))
	s.check(os.Chtimes(path, time.Unix(0, 0), time.Date(2026, 2, 3, 4, 5, 6, 120_000_000, time.UTC)))
	if err := syscall.Setxattr(path, "user.e2b.colour", []byte("green"), 0); err != nil {
		t.Skipf("the file system of %s has no user attributes: %v", path, err)
	}
	s.check(syscall.Setxattr(path, "user.other", []byte("hidden"), 0))
	for _, given := range []string{path, "file.txt", "~/file.txt", "./x/../file.txt"} {
		got := s.entry("Stat", object{"path": given})
		if got.Name != "file.txt" || got.Type != "FILE_TYPE_FILE" || got.Path != path || got.Size != "5" || got.Mode != 0o644 || got.Permissions != "-rw-r--r--" ||
			got.Owner != "ann" || got.Group != "people" || got.ModifiedTime != "2026-02-03T04:05:06.120Z" || got.SymlinkTarget != nil ||
			len(got.Metadata) != 1 || got.Metadata["colour"] != "green" {
			t.Errorf("%s: %+v", given, got)
		}
	}
	s.check(os.Chown(path, 54999, 54998))
	if got := s.entry("Stat", object{"path": path}); got.Owner != "54999" || got.Group != "54998" {
		t.Errorf("unknown owner: %+v", got)
	}
}

func TestStatOfOtherKinds(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/dir")
	s.check(os.Chmod(s.home+"/dir", os.ModeSticky|0o777))
	s.write(s.home+"/dir/file", "x")
	s.check(os.Chmod(s.home+"/dir/file", 0o600))
	s.check(syscall.Mkfifo(s.home+"/pipe", 0o644))
	s.check(os.Symlink("dir/file", s.home+"/to-file"))
	s.check(os.Symlink("to-file", s.home+"/to-link"))
	s.check(os.Symlink("dir", s.home+"/to-dir"))
	s.write(s.home+"/program", "x")
	s.check(os.Chmod(s.home+"/program", os.ModeSetuid|os.ModeSetgid|0o755))
	s.check(os.Symlink("nowhere", s.home+"/dangling"))
	s.check(os.Symlink("loop", s.home+"/loop"))
	for name, want := range map[string]struct {
		kind, permissions, target string
		mode                      int
	}{
		"dir":      {"FILE_TYPE_DIRECTORY", "dtrwxrwxrwx", "", 0o1777},
		"program":  {"FILE_TYPE_FILE", "ugrwxr-xr-x", "", 0o6755},
		"pipe":     {"FILE_TYPE_UNSPECIFIED", "prw-r--r--", "", 0o644},
		"to-file":  {"FILE_TYPE_FILE", "Lrwxrwxrwx", "/dir/file", 0o600},
		"to-link":  {"FILE_TYPE_FILE", "Lrwxrwxrwx", "/dir/file", 0o600},
		"to-dir":   {"FILE_TYPE_DIRECTORY", "Lrwxrwxrwx", "/dir", 0o1777},
		"dangling": {"FILE_TYPE_UNSPECIFIED", "Lrwxrwxrwx", "/dangling", 0},
		"loop":     {"FILE_TYPE_UNSPECIFIED", "Lrwxrwxrwx", "/loop", 0},
	} {
		got := s.entry("Stat", object{"path": name})
		if got.Type != want.kind || got.Permissions != want.permissions || got.Mode != want.mode || got.Path != s.home+"/"+name {
			t.Errorf("%s: %+v", name, got)
		}
		if (got.SymlinkTarget != nil) != (want.target != "") || want.target != "" && *got.SymlinkTarget != s.home+want.target {
			t.Errorf("%s: target %v", name, got.SymlinkTarget)
		}
	}
	if got := s.entry("Stat", object{"path": "/"}); got.Name != "/" || got.Path != "/" || got.Type != "FILE_TYPE_DIRECTORY" {
		t.Errorf("/: %+v", got)
	}
	if got := s.entry("Stat", object{"path": "/dev/null"}); got.Type != "FILE_TYPE_UNSPECIFIED" {
		t.Errorf("/dev/null: %+v", got)
	}
}

func TestErrorsOfPaths(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/file", "")
	s.write(s.home+"/other", "")
	s.write(s.home+"/dir/below", "")
	s.check(os.Symlink("loop", s.home+"/loop"))
	for _, test := range []struct {
		procedure string
		request   object
		code      string
	}{
		{"Stat", object{"path": "missing"}, "not_found"},
		{"Stat", object{"path": "file/below"}, "invalid_argument"},
		{"Stat", object{"path": "~root/x"}, "invalid_argument"},
		{"Stat", object{"path": "a\x00b"}, "invalid_argument"},
		{"Stat", object{"path": "/" + strings.Repeat("x", 300)}, "invalid_argument"},
		{"Stat", object{"path": 5}, "invalid_argument"},
		{"ListDir", object{"path": "missing"}, "not_found"},
		{"ListDir", object{"path": "file"}, "invalid_argument"},
		{"ListDir", object{"path": "loop"}, "failed_precondition"},
		{"ListDir", object{"path": "/", "depth": -1}, "invalid_argument"},
		{"MakeDir", object{"path": "file"}, "invalid_argument"},
		{"MakeDir", object{"path": "file/below"}, "invalid_argument"},
		{"MakeDir", object{"path": ""}, "already_exists"},
		{"Move", object{"source": "missing", "destination": "new/place"}, "not_found"},
		{"Move", object{"source": "file", "destination": "other", "keep": true}, "already_exists"},
		{"Move", object{"source": "file", "destination": "/dev/shm/x"}, "failed_precondition"},
		{"Move", object{"source": "dir", "destination": "dir/below"}, "invalid_argument"},
		{"Move", object{"source": "file", "destination": "/etc/"}, "permission_denied"},
		{"MakeDir", object{"path": "not/there", "withoutParents": true}, "not_found"},
		{"MakeDir", object{"path": "/etc/warren"}, "permission_denied"},
		{"ListDir", object{"path": "dir", "after": "/elsewhere"}, "invalid_argument"},
		{"ListDir", object{"path": "/root"}, "permission_denied"},
		{"Stat", object{"path": "/root/x"}, "permission_denied"},
		{"Remove", object{"path": "dir", "single": true}, "failed_precondition"},
		{"Remove", object{"path": "missing", "single": true}, "not_found"},
		{"Remove", object{"path": "/etc/passwd"}, "permission_denied"},
		{"Remove", object{"path": "/"}, "invalid_argument"},
		{"Remove", object{"path": "/proc/self/status"}, "permission_denied"},
		{"MakeDir", object{"path": "new/deep/" + strings.Repeat("x", 300)}, "invalid_argument"},
		{"Move", object{"source": "/etc/passwd", "destination": "new/deep/passwd"}, "permission_denied"},
		{"Move", object{"source": "dir", "destination": "new/deep/" + strings.Repeat("x", 300)}, "invalid_argument"},
		{"WatchDirX", object{}, "unimplemented"},
	} {
		s.WantFailure(prefix+test.procedure, test.request, test.code)
	}
	if _, err := os.Stat(s.home + "/new"); err == nil {
		t.Error("a call that failed left a directory behind")
	}
	s.As("stranger").WantFailure(prefix+"Stat", object{"path": "file"}, "unauthenticated")
}

func TestMakeDir(t *testing.T) {
	s := newSandbox(t)
	got := s.entry("MakeDir", object{"path": "a/b/c"})
	if got.Path != s.home+"/a/b/c" || got.Type != "FILE_TYPE_DIRECTORY" || got.Mode != 0o755 || got.Owner != "ann" || got.Group != "people" {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/a", "/a/b", "/a/b/c"} {
		if owner := ownerOf(t, s.home+path); owner != annOwns {
			t.Errorf("%s belongs to %s", path, owner)
		}
	}
	s.As("root").Must(prefix+"MakeDir", object{"path": s.home + "/r"}, nil)
	if owner := ownerOf(t, s.home+"/r"); owner != "0:0" {
		t.Errorf("made as root, it belongs to %s", owner)
	}
	s.check(os.Symlink("a", s.home+"/link"))
	s.WantFailure(prefix+"MakeDir", object{"path": "a"}, "already_exists")
	s.WantFailure(prefix+"MakeDir", object{"path": "link"}, "already_exists")
}

func TestMove(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/one", "1")
	s.write(s.home+"/two", "2")
	if got := s.entry("Move", object{"source": "one", "destination": "deep/er/three"}); got.Path != s.home+"/deep/er/three" || got.Name != "three" {
		t.Errorf("%+v", got)
	}
	if owner := ownerOf(t, s.home+"/deep/er"); owner != annOwns {
		t.Errorf("the new parent belongs to %s", owner)
	}
	s.entry("Move", object{"source": "two", "destination": "deep/er/three"})
	if text, err := os.ReadFile(s.home + "/deep/er/three"); err != nil || string(text) != "2" {
		t.Errorf("a file is replaced: %q %v", text, err)
	}
	s.check(os.Symlink("nowhere", s.home+"/dangling"))
	if got := s.entry("Move", object{"source": "dangling", "destination": "moved"}); got.SymlinkTarget == nil {
		t.Errorf("a dangling link: %+v", got)
	}
	if got := s.entry("Move", object{"source": "deep", "destination": "shallow"}); got.Type != "FILE_TYPE_DIRECTORY" {
		t.Errorf("a directory: %+v", got)
	}
}

func TestRemove(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/tree/a/b/file", "x")
	s.write(s.home+"/kept", "x")
	s.check(os.Symlink(s.home+"/kept", s.home+"/tree/link"))
	s.check(os.Symlink(s.home, s.home+"/link"))
	for _, path := range []string{"/tree", "/tree/a", "/tree/a/b"} {
		s.check(os.Chown(s.home+path, annID, annGroup))
	}
	for _, path := range []string{"tree", "tree", "link", "never/there"} {
		s.Must(prefix+"Remove", object{"path": path}, nil)
	}
	if left := s.list("", 0); len(left) != 1 || left[0].Name != "kept" {
		t.Errorf("left: %+v", left)
	}
}

func TestRemoveOfWhatMustStayTouchesNothing(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/../sticky", 0o777))
	s.check(os.Chmod(s.home+"/../sticky", os.ModeSticky|0o777))
	for _, directory := range []string{s.home, s.home + "/../sticky/others"} {
		s.write(directory+"/kept", "x")
		s.check(os.Chmod(directory, 0o777))
		message := s.WantFailure(prefix+"Remove", object{"path": directory}, "permission_denied")
		if strings.Contains(message, "has gone") {
			t.Errorf("%s: %s", directory, message)
		}
		if _, err := os.Stat(directory + "/kept"); err != nil {
			t.Errorf("%s could not be removed, and was emptied", directory)
		}
	}
}

func TestRemoveOfATreeSaysWhatMustStay(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/tree/a", "x")
	s.write(s.home+"/tree/roots/secret", "x")
	s.write(s.home+"/tree/z", "x")
	s.check(os.Chown(s.home+"/tree", annID, annGroup))
	message := s.WantFailure(prefix+"Remove", object{"path": "tree"}, "permission_denied")
	for _, part := range []string{"'" + s.home + "/tree/roots/secret': permission denied", "the rest of '" + s.home + "/tree' has gone"} {
		if !strings.Contains(message, part) {
			t.Errorf("%q is not in %q", part, message)
		}
	}
	if left := s.list("tree", 2); len(left) != 2 || left[0].Name != "roots" || left[1].Name != "secret" {
		t.Errorf("left: %+v", left)
	}
}

func TestMakeDirSaysWhichDirectoryIsMissing(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/p", 0o755))
	message := s.WantFailure(prefix+"MakeDir", object{"path": "p/q/r/s", "withoutParents": true}, "not_found")
	if want := "there is no directory '" + s.home + "/p/q' for '" + s.home + "/p/q/r/s'"; !strings.Contains(message, want) {
		t.Errorf("%q is not in %q", want, message)
	}
}

func TestListDir(t *testing.T) {
	s := newSandbox(t)
	for _, path := range []string{"b/z/deep/er", "b/a", "B", "a.txt", "a", "c d"} {
		s.write(s.home+"/tree/"+path, "x")
	}
	s.check(os.Symlink("b", s.home+"/tree/link"))
	s.check(os.Symlink("tree", s.home+"/alias"))
	names := func(path string, depth int) string {
		var all []string
		for _, e := range s.list(path, depth) {
			relative, err := filepath.Rel(s.home, e.Path)
			s.check(err)
			all = append(all, relative)
		}
		return strings.Join(all, ",")
	}
	const direct = "tree/B,tree/a,tree/a.txt,tree/b,tree/c d,tree/link"
	for _, test := range []struct {
		path  string
		depth int
		want  string
	}{
		{"tree", 0, direct},
		{"tree", 1, direct},
		{"tree", 2, "tree/B,tree/a,tree/a.txt,tree/b,tree/b/a,tree/b/z,tree/c d,tree/link"},
		{"tree", 4294967295, "tree/B,tree/a,tree/a.txt,tree/b,tree/b/a,tree/b/z,tree/b/z/deep,tree/b/z/deep/er,tree/c d,tree/link"},
		{"alias", 1, strings.ReplaceAll(direct, "tree/", "alias/")},
		{"tree/b/z/deep", 9, "tree/b/z/deep/er"},
	} {
		if got := names(test.path, test.depth); got != test.want {
			t.Errorf("%s depth %d: %s", test.path, test.depth, got)
		}
	}
	s.mkdir(s.home + "/empty")
	if response := s.Unary(prefix+"ListDir", object{"path": "empty"}); string(response.Body) != `{"entries":[]}` {
		t.Errorf("empty: %s", response.Body)
	}
	s.workdir = s.home + "/tree/b/z"
	if got := names("", 1); got != "tree/b/z/deep" {
		t.Errorf("default working directory: %s", got)
	}
}

func TestListDirInPages(t *testing.T) {
	s := newSandbox(t)
	for _, path := range []string{"a", "b/1", "b/2/x", "b/2/y", "b/3", "b.c", "d"} {
		s.write(s.home+"/tree/"+path, "x")
	}
	for i := 0; i < 40; i++ {
		s.write(fmt.Sprintf("%s/tree/many/%02d", s.home, i), "")
	}
	pages := func(depth, limit int) (all []string) {
		after := ""
		for {
			var answer struct {
				Entries   []info
				Truncated bool
			}
			s.Must(prefix+"ListDir", object{"path": "tree", "depth": depth, "limit": limit, "after": after}, &answer)
			if len(answer.Entries) > limit {
				t.Fatalf("%d entries in a page of %d", len(answer.Entries), limit)
			}
			for _, e := range answer.Entries {
				after = e.Path
				all = append(all, strings.TrimPrefix(e.Path, s.home+"/tree/"))
			}
			if !answer.Truncated {
				return all
			}
		}
	}
	for _, depth := range []int{1, 2, 9} {
		var want []string
		for _, e := range s.list("tree", depth) {
			want = append(want, strings.TrimPrefix(e.Path, s.home+"/tree/"))
		}
		for _, limit := range []int{1, 2, 3, 7, 1000} {
			if got := pages(depth, limit); strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("depth %d, pages of %d: %v, want %v", depth, limit, got, want)
			}
		}
	}
	var first struct{ Truncated bool }
	s.Must(prefix+"ListDir", object{"path": "tree/b", "limit": 3}, &first)
	if first.Truncated {
		t.Error("a page that has all says that there is more")
	}
}

// A page is bounded in bytes too: the host takes 1 MiB at most.
func TestListDirInPagesOfLongPaths(t *testing.T) {
	s := newSandbox(t)
	directory := s.home + "/long"
	// JSON writes this character with six.
	for part := strings.Repeat("\x01", 200); len(directory) < 3600; directory += "/" + part {
	}
	s.mkdir(directory)
	const links = 100
	for i := 0; i < links; i++ {
		s.check(os.Symlink(strings.Repeat("\x01", 4000), fmt.Sprintf("%s/%03d", directory, i)))
	}
	after, listed := "", 0
	for more := true; more; {
		response := s.Unary(prefix+"ListDir", object{"path": directory, "limit": 200, "after": after})
		if len(response.Body) > 1<<20 {
			t.Fatalf("a page of %d bytes", len(response.Body))
		}
		var answer struct {
			Entries   []info
			Truncated bool
		}
		s.check(json.Unmarshal(response.Body, &answer))
		for _, e := range answer.Entries {
			if after = e.Path; filepath.Base(after) != fmt.Sprintf("%03d", listed) {
				t.Fatalf("entry %d is %q", listed, filepath.Base(after))
			}
			listed++
		}
		more = answer.Truncated
	}
	if listed != links {
		t.Errorf("%d entries", listed)
	}
}

// Paths may be longer than the kernel takes them at once (PATH_MAX): directories are made from within others.
func TestListDirWherePathsAreTooLong(t *testing.T) {
	s := newSandbox(t)
	const levels = 60
	name := strings.Repeat("d", 200)
	s.mkdir(s.home + "/tree")
	directory, err := syscall.Open(s.home+"/tree", syscall.O_DIRECTORY, 0)
	s.check(err)
	for i := 0; i < levels; i++ {
		s.check(syscall.Mkdirat(directory, name, 0o755))
		below, err := syscall.Openat(directory, name, syscall.O_DIRECTORY, 0)
		s.check(err)
		s.check(syscall.Close(directory))
		directory = below
	}
	file, err := syscall.Openat(directory, "file", syscall.O_CREAT|syscall.O_WRONLY, 0o600)
	s.check(err)
	s.check(syscall.Fchown(file, annID, annGroup))
	s.check(syscall.Fchmod(file, 0o640))
	s.check(syscall.Close(file))
	s.check(syscall.Close(directory))
	want := s.home + "/tree" + strings.Repeat("/"+name, levels)
	entries := s.list("tree", levels+1)
	if len(entries) != levels+1 || entries[levels-1].Path != want || entries[levels-1].Type != "FILE_TYPE_DIRECTORY" {
		t.Fatalf("%d entries of %d", len(entries), levels+1)
	}
	if last := entries[levels]; last.Path != want+"/file" || last.Name != "file" || last.Mode != 0o640 || last.Owner != "ann" {
		t.Errorf("%+v", last)
	}
	var page struct{ Entries []info }
	s.Must(prefix+"ListDir", object{"path": "tree", "depth": levels + 1, "limit": 2, "after": want}, &page)
	if len(page.Entries) != 1 || page.Entries[0].Name != "file" {
		t.Errorf("behind a long path: %d entries", len(page.Entries))
	}
}

func TestMoveIntoADirectory(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/file", "x")
	s.mkdir(s.home + "/dir")
	s.check(os.Chown(s.home+"/dir", annID, annGroup))
	if got := s.entry("Move", object{"source": "file", "destination": "dir"}); got.Path != s.home+"/dir/file" {
		t.Errorf("%+v", got)
	}
	if got := s.entry("Move", object{"source": "dir/file", "destination": "new/"}); got.Path != s.home+"/new/file" {
		t.Errorf("%+v", got)
	}
}

func TestListDirOfManyEntries(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/many")
	for i := 0; i < 3000; i++ {
		s.write(s.home+"/many/"+strings.Repeat("n", 100)+time.Duration(i).String(), "")
	}
	if got := s.list("many", 1); len(got) != 3000 {
		t.Errorf("%d entries", len(got))
	}
}

func TestTimestamp(t *testing.T) {
	for nanoseconds, want := range map[int]string{0: "", 120_000_000: ".120", 120_300_000: ".120300", 5: ".000000005"} {
		at := time.Date(2026, 1, 2, 3, 4, 5, nanoseconds, time.FixedZone("", 3600))
		if got := timestamp(at); got != "2026-01-02T02:04:05"+want+"Z" {
			t.Errorf("%d ns: %s", nanoseconds, got)
		}
	}
}
