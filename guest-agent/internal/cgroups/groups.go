package cgroups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Groups below the root of a tree.
const (
	userGroup      = "user"
	rootGroup      = userGroup + "/root"
	othersGroup    = userGroup + "/others"
	terminalsGroup = othersGroup + "/terminals"
	processesGroup = othersGroup + "/processes"
)

// groups are those of commands.
type groups struct {
	mu sync.Mutex
	// last is the number of the newest group.
	last uint64
	// left are groups of commands that have ended, whose descendants live on or are about to be gone.
	left map[string]struct{}
	// tasks is the most that one group may hold, as pids.max takes it; "" = no bound.
	tasks string
	// fewest is the number of tasks from which on a group may be a crowd; 0 = none is.
	fewest uint64
}

func (g *groups) limit(tasks uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tasks, g.fewest = strconv.FormatUint(tasks-tasks/spareFraction, 10), tasks/crowdFraction
}

func (g *groups) crowd() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fewest
}

// Group holds one command and all that descends from it.
type Group struct {
	tree      *Tree
	path      string
	directory *os.File
}

// NewGroup makes an empty group for a command.
func (t *Tree) NewGroup(root, terminal bool) (*Group, error) {
	parent := processesGroup
	switch {
	case root:
		parent = rootGroup
	case terminal:
		parent = terminalsGroup
	}
	t.sweep()
	group, tasks, err := t.makeGroup(parent)
	if err != nil {
		return nil, fmt.Errorf("making the control group of a command: %w", err)
	}
	if tasks != "" {
		// Without the file the root user of the guest has taken the controller away, and with it all bounds.
		if err := t.write(group.path+"/pids.max", tasks); err != nil && !errors.Is(err, os.ErrNotExist) {
			group.Close()
			return nil, err
		}
	}
	if !root {
		t.watchRefusalsOf(group.path, "pids.events")
	}
	return group, nil
}

func (t *Tree) makeGroup(parent string) (group *Group, tasks string, err error) {
	g := &t.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		g.last++
		path := filepath.Join(parent, strconv.FormatUint(g.last, 10))
		if err = os.Mkdir(filepath.Join(t.root, path), 0o755); errors.Is(err, os.ErrNotExist) || t.makeWritable(err) {
			// The root user of the guest has removed the parent, or remounted all.
			err = os.MkdirAll(filepath.Join(t.root, path), 0o755)
		}
		if errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return nil, "", err
		}
		directory, err := os.Open(filepath.Join(t.root, path))
		if err != nil {
			// It is empty.
			_ = os.Remove(filepath.Join(t.root, path))
			return nil, "", err
		}
		return &Group{tree: t, path: path, directory: directory}, g.tasks, nil
	}
}

// sweep removes the groups of ended commands whose last process is gone.
func (t *Tree) sweep() {
	g := &t.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	for path := range g.left {
		if err := syscall.Rmdir(filepath.Join(t.root, path)); err == nil || errors.Is(err, syscall.ENOENT) {
			delete(g.left, path)
		}
	}
}

// Ended is the number of groups whose commands have ended, and whose descendants live on.
func (t *Tree) Ended() int {
	t.sweep()
	t.groups.mu.Lock()
	defer t.groups.mu.Unlock()
	return len(t.groups.left)
}

// Close gives up a group. It goes once it is empty: whatever lives in it lives on.
func (g *Group) Close() {
	g.directory.Close()
	left := &g.tree.groups
	left.mu.Lock()
	if left.left == nil {
		left.left = map[string]struct{}{}
	}
	left.left[g.path] = struct{}{}
	left.mu.Unlock()
	g.tree.sweep()
}

// Signal sends a signal to every process of the group. A process that is forked meanwhile may miss it.
func (g *Group) Signal(signal syscall.Signal) error {
	text, err := os.ReadFile(filepath.Join(g.tree.root, g.path, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, line := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return fmt.Errorf("reading a control group: %w", err)
		}
		// 0 stands for a process outside of this pid namespace. One that has ended meanwhile needs no signal.
		if pid > 0 {
			if err := syscall.Kill(pid, signal); err != nil && err != syscall.ESRCH {
				return err
			}
		}
	}
	return nil
}

// Kill ends all processes of the group at once, those too that fork meanwhile.
func (g *Group) Kill() error { return g.tree.write(g.path+"/cgroup.kill", "1") }

// Empty waits until no process of the group is left.
func (g *Group) Empty(ctx context.Context) error {
	return g.tree.await(ctx, g.path, "populated", false)
}

// KilledForMemory is the number of processes of the group that the kernel has killed because memory ran out.
func (g *Group) KilledForMemory() int {
	return int(g.tree.counted(g.path+"/memory.events", "oom_kill"))
}

// Usage is the processor time that the processes of the group have used, and the bytes of memory that they are charged with.
func (g *Group) Usage() (processor time.Duration, memory uint64) {
	processor = time.Duration(g.tree.counted(g.path+"/cpu.stat", "usage_usec")) * time.Microsecond
	// Absent where the root user of the guest has taken the controller away.
	text, _ := os.ReadFile(filepath.Join(g.tree.root, g.path, "memory.current"))
	memory, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return processor, memory
}

// Path is that of the group as the kernel names it in its messages, below the root of the tree.
func (g *Group) Path() string { return "/" + g.path }
