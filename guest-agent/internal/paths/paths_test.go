package paths

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/rights/rightstest"
	"warren/guest-agent/internal/users"
)

var ann = users.User{Name: "ann", UID: 54321, GID: 54322, Home: "/home/ann"}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		path, workdir, want string
	}{
		{"", "", "/home/ann"},
		{"", "/work", "/work"},
		{"", "~/work", "/home/ann/work"},
		{"~", "/work", "/home/ann"},
		{"~/", "", "/home/ann"},
		{"~/x/y", "/work", "/home/ann/x/y"},
		{"x", "/work", "/home/ann/x"},
		{"./x/../y", "", "/home/ann/y"},
		{"../../../etc", "", "/etc"},
		{"/", "", "/"},
		{"/a//b/../c/", "", "/a/c"},
		{"/../..", "", "/"},
		{"a~b", "", "/home/ann/a~b"},
		{"sp ace/ünï", "", "/home/ann/sp ace/ünï"},
	} {
		if got, err := Resolve(test.path, ann, test.workdir); err != nil || got != test.want {
			t.Errorf("%q in %q: %q %v, want %q", test.path, test.workdir, got, err, test.want)
		}
	}
	for path, want := range map[string]error{"~root": ErrOtherHome, "~root/x": ErrOtherHome, "a\x00b": ErrNUL, "/a\xff": ErrUTF8} {
		if got, err := Resolve(path, ann, ""); !errors.Is(err, want) {
			t.Errorf("%q: %q %v", path, got, err)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, path := range []string{"", "~", "~/..", "~x", "/", "a/../../b", "\x00", "//", "~/~"} {
		f.Add(path, "/work")
	}
	f.Fuzz(func(t *testing.T, path, workdir string) {
		resolved, err := Resolve(path, ann, workdir)
		if err != nil {
			return
		}
		if !filepath.IsAbs(resolved) || filepath.Clean(resolved) != resolved || strings.ContainsRune(resolved, 0) {
			t.Fatalf("%q in %q became %q", path, workdir, resolved)
		}
	})
}

func asAnn(make func(string) (Made, error), path string) error {
	return rights.As(ann, func() error { _, err := make(path); return err })
}

func TestMakeDirectories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving directories to another user needs root")
	}
	root := t.TempDir()
	rightstest.Open(t, root)
	if err := os.Chown(root, int(ann.UID), int(ann.GID)); err != nil {
		t.Fatal(err)
	}
	if err := asAnn(MakeDirectories, root+"/a/b/c"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a", "/a/b", "/a/b/c"} {
		info, err := os.Stat(root + path)
		if err != nil {
			t.Fatal(err)
		}
		status := info.Sys().(*syscall.Stat_t)
		if !info.IsDir() || info.Mode().Perm() != 0o755 || status.Uid != ann.UID || status.Gid != ann.GID {
			t.Errorf("%s: %v %d:%d", path, info.Mode(), status.Uid, status.Gid)
		}
	}
	if err := os.WriteFile(root+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere/at/all", root+"/dangling"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root+"/a", root+"/link"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{"/file/x": syscall.ENOTDIR, "/file": syscall.ENOTDIR, "/dangling/x": os.ErrExist} {
		if err := asAnn(MakeDirectories, root+path); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := asAnn(MakeDirectories, root+"/link/d"); err != nil {
		t.Error(err)
	}
	if err := asAnn(MakeParents, root+"/p/q/file"); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(root + "/p/q"); err != nil || !info.IsDir() {
		t.Error(err)
	}
}
