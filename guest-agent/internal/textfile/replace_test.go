package textfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/guest-agent/internal/nstest"
)

func TestMain(m *testing.M) { nstest.Main(m, syscall.CLONE_NEWNS, nil) }

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var status syscall.Stat_t
	if err := syscall.Stat(path, &status); err != nil {
		t.Fatal(err)
	}
	return status.Ino
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := Replace(path, text); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%q %v, want %q", got, err, text)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.new")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc/name")
	replace(t, path, "box\n")
	first := inode(t, path)
	replace(t, path, "cat\n")
	if inode(t, path) != first {
		t.Error("a text of the same length was not written in place")
	}
	for _, text := range []string{"longer\n", "", "short"} {
		replace(t, path, text)
	}
}

func TestTheSameTextIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	replace(t, path, "box\n")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, path, "box\n")
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the file was written", err)
	}
}

func TestFileOnWhichSomethingIsMounted(t *testing.T) {
	nstest.Need(t)
	directory := t.TempDir()
	path, other := filepath.Join(directory, "name"), filepath.Join(directory, "other")
	replace(t, path, "box\n")
	replace(t, other, "of a container\n")
	if err := syscall.Mount(other, path, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(path, 0)
	replace(t, path, "cat\n")
}

func TestFullDisk(t *testing.T) {
	nstest.Need(t)
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, "size=8k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(directory, 0)
	path := filepath.Join(directory, "name")
	replace(t, path, "box\n")
	// One page is left.
	if err := Replace(path, strings.Repeat("x", 5000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	replace(t, path, "cat\n")
}

func TestErrors(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "file")
	replace(t, file, "text")
	for _, path := range []string{directory, filepath.Join(file, "below")} {
		if err := Replace(path, "text"); err == nil {
			t.Errorf("%s was replaced", path)
		}
	}
}

// TestWhatAGuestPutInTheWay plays what the root user of a guest can put in the place of a file: it stays, and is not waited for.
func TestWhatAGuestPutInTheWay(t *testing.T) {
	nstest.Need(t)
	for name, make := range map[string]func(path string) error{
		"directory":    func(path string) error { return os.Mkdir(path, 0o755) },
		"pipe":         func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"endless file": func(path string) error { return os.Symlink("/dev/zero", path) },
		"loop":         func(path string) error { return os.Symlink(path, path) },
		"silent file":  func(path string) error { return os.Symlink("/proc/kmsg", path) },
		"huge file": func(path string) error {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(path, 1<<40)
		},
	} {
		path := filepath.Join(t.TempDir(), "name")
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Replace(path, "text"); err == nil {
			t.Errorf("%s: replaced", name)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
			t.Errorf("%s: is no longer what it was: %v", name, err)
		}
	}
}

func TestWhatIsLeftOfAReplacementIsNotFollowed(t *testing.T) {
	directory := t.TempDir()
	path, other := filepath.Join(directory, "name"), filepath.Join(directory, "other")
	replace(t, other, "of the user")
	for _, put := range []func() error{
		func() error { return os.Symlink(other, path+".new") },
		func() error { return syscall.Mkfifo(path+".new", 0o644) },
	} {
		_ = os.Remove(path)
		if err := put(); err != nil {
			t.Fatal(err)
		}
		replace(t, path, "text")
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "of the user" {
		t.Errorf("%q %v", text, err)
	}
}

func TestALinkIsFollowed(t *testing.T) {
	directory := t.TempDir()
	target, path := filepath.Join(directory, "target"), filepath.Join(directory, "name")
	replace(t, target, "box\n")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	replace(t, path, "cat\n")
	if text, err := os.ReadFile(target); err != nil || string(text) != "cat\n" {
		t.Errorf("%q %v", text, err)
	}
}
