package kernelfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/cgroups/cgrouptest"
	"warren/guest-agent/internal/kernelfs"
	"warren/guest-agent/internal/nstest"
	"warren/guest-agent/internal/paths"
)

func TestMain(m *testing.M) { nstest.Main(m, syscall.CLONE_NEWNS, nil) }

// cover mounts an empty file system on a directory until the test ends.
func cover(t *testing.T, directory string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsCoveredOrUnmountedStaysInReach(t *testing.T) {
	nstest.Need(t)
	groups := cgrouptest.New(t)
	kept, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := syscall.Mount("tmpfs", kept.Name(), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kept.Name(), "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := kernelfs.Hold(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Unmount(kept.Name(), syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for _, directory := range []string{"/proc", "/sys", "/dev", filepath.Dir(groups)} {
		if directory == "/sys" && strings.HasPrefix(groups, "/sys/") {
			continue
		}
		cover(t, directory)
	}

	if text, err := os.ReadFile(kernelfs.Path(kept.Name() + "/file")); err != nil || string(text) != "text" {
		t.Errorf("unmounted: %q %v", text, err)
	}
	if text, err := os.ReadFile(kernelfs.Path("/proc/self/stat")); err != nil || len(text) == 0 {
		t.Errorf("/proc: %v", err)
	}
	if info, err := os.Stat(paths.OfDescriptor(kept)); err != nil || !info.IsDir() {
		t.Errorf("an open file: %v", err)
	}
	tree, err := cgroups.New(kernelfs.Path(groups))
	if err != nil {
		t.Fatal(err)
	}
	group, err := tree.NewGroup(true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	if populated, err := tree.Populated(); err != nil || populated {
		t.Errorf("%v %v", populated, err)
	}
	if err := group.Kill(); err != nil {
		t.Error(err)
	}
}
