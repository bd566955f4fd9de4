//go:build go1.20

package cgroups

import "syscall"

// Prepare makes a process start in its group (CLONE_INTO_CGROUP, clone(2)).
func (t *Tree) Prepare(attributes *syscall.SysProcAttr, terminal bool) {
	attributes.UseCgroupFD = true
	attributes.CgroupFD = int(t.group(terminal).Fd())
}

// Placed completes the placement of a started process.
func (t *Tree) Placed(int, bool) error { return nil }
