// Package cgrouptest gives tests a control group of their own.
package cgrouptest

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// New makes a group in the cgroup2 file system of this machine, and removes it with all its processes when the test ends. The
// test is skipped where that is not possible.
func New(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp(mountPoint(t), "warren-test-")
	if err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	t.Cleanup(func() { remove(t, root) })
	return root
}

// Enter moves this process into a group below one of New until the test ends.
func Enter(t testing.TB, group string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	former := ""
	for _, line := range strings.Split(string(text), "\n") {
		// The hierarchy of version 2 has number 0 (cgroups(7)).
		if path, ok := cutPrefix(line, "0::"); ok {
			former = filepath.Join(mountPoint(t), path)
		}
	}
	move := func(group string) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { move(former) })
	move(group)
}

func cutPrefix(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}

// mountPoint finds the cgroup2 file system, which beside version 1 is mounted somewhere below.
func mountPoint(t testing.TB) string {
	mounts, err := os.Open("/proc/mounts")
	if err != nil {
		t.Skip(err)
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	t.Skip("no cgroup2 file system is mounted")
	return ""
}

// remove ends the processes of a group and removes it. A group can be removed once the last of them has been reaped.
func remove(t testing.TB, root string) {
	if err := os.WriteFile(root+"/cgroup.kill", []byte("1"), 0); err != nil {
		t.Error(err)
	}
	var groups []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			// Whoever made it has just removed it.
			return nil
		}
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Minute); len(groups) > 0; {
		last := groups[len(groups)-1]
		if err := os.Remove(last); err == nil || os.IsNotExist(err) {
			groups = groups[:len(groups)-1]
		} else if time.Now().After(deadline) {
			t.Errorf("removing the control group: %v", err)
			return
		}
	}
}
