// Package cgroups keeps user processes in control groups of their own (version 2), bounded so that a memory hog or a fork bomb
// leaves the agent answering, and able to be frozen together.
//
//	<root>/agent            the agent
//	<root>/user             limits of all user processes, and the freezer
//	<root>/user/terminals   processes with a terminal
//	<root>/user/processes   all others
//
// See Documentation/admin-guide/cgroup-v2.rst of the Linux kernel.
package cgroups

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	// reserveFraction of memory, at most reserveLimit bytes, is kept from user processes.
	reserveFraction = 8
	reserveLimit    = 128 << 20
	// Weights of processor time among siblings (1-10000, default 100).
	agentWeight, userWeight         = 200, 100
	terminalWeight, processesWeight = 200, 50
	// Memory of the agent that is never reclaimed, and that is reclaimed last, in bytes.
	agentMemoryMin, agentMemoryLow = 5 << 20, 24 << 20
	// memoryPerTask is the share of memory, in bytes, that the number of user tasks is bounded by: a task costs kernel memory
	// that its control group is not charged for.
	memoryPerTask = 512 << 10
	// Bounds of the number of user tasks.
	minTasks, maxTasks = 256, 16384
)

// Tree is the groups of one agent.
type Tree struct {
	root                 string
	terminals, processes *os.File
	started              chan struct{}

	mu       sync.Mutex
	changed  *sync.Cond
	entering int
	// frozen keeps processes from being started; stopped says that the kernel holds those that there are.
	frozen, stopped bool
}

// Resources are the machine's, from which limits follow.
type Resources struct {
	// Memory is in bytes.
	Memory uint64
	// Tasks is the kernel's limit of tasks.
	Tasks uint64
}

// New makes the groups under root, a directory of a cgroup2 file system in which this process may make groups.
func New(root string) (*Tree, error) {
	tree := &Tree{root: root, started: make(chan struct{}, 1)}
	tree.changed = sync.NewCond(&tree.mu)
	var err error
	for _, group := range []string{"agent", "user", "user/terminals", "user/processes"} {
		if err := os.MkdirAll(filepath.Join(root, group), 0o755); err != nil {
			return nil, fmt.Errorf("making control group %s: %w", group, err)
		}
	}
	if tree.terminals, err = os.Open(filepath.Join(root, "user/terminals")); err != nil {
		return nil, err
	}
	if tree.processes, err = os.Open(filepath.Join(root, "user/processes")); err != nil {
		return nil, err
	}
	return tree, nil
}

// group is the directory of the group for new processes.
func (t *Tree) group(terminal bool) *os.File {
	if terminal {
		return t.terminals
	}
	return t.processes
}

// Limit moves the agent into its group and sets the limits of all groups. It returns the settings that the kernel refused, which
// happens when a controller is missing.
func (t *Tree) Limit(resources Resources) []error {
	reserve := resources.Memory / reserveFraction
	if reserve > reserveLimit {
		reserve = reserveLimit
	}
	tasks := resources.Memory / memoryPerTask
	if most := resources.Tasks / 4 * 3; tasks > most {
		tasks = most
	}
	if tasks < minTasks {
		tasks = minTasks
	}
	if tasks > maxTasks {
		tasks = maxTasks
	}
	number := func(value uint64) string { return strconv.FormatUint(value, 10) }
	settings := [][2]string{
		{"agent/cgroup.procs", "0"},
		{"cgroup.subtree_control", "+cpu"},
		{"cgroup.subtree_control", "+memory"},
		{"cgroup.subtree_control", "+pids"},
		{"user/cgroup.subtree_control", "+cpu"},
		{"agent/cpu.weight", number(agentWeight)},
		{"user/cpu.weight", number(userWeight)},
		{"user/terminals/cpu.weight", number(terminalWeight)},
		{"user/processes/cpu.weight", number(processesWeight)},
		{"agent/memory.min", number(agentMemoryMin)},
		{"agent/memory.low", number(agentMemoryLow)},
		// Reclaim and throttling begin at `high`; at `max` processes are ended. There is no swap, so throttling cannot help a
		// process that only allocates: with any distance between the two, all user processes would crawl through it for
		// minutes before the one at fault is ended.
		{"user/memory.high", number(resources.Memory - reserve)},
		{"user/memory.max", number(resources.Memory - reserve)},
		{"user/pids.max", number(tasks)},
	}
	var refused []error
	for _, setting := range settings {
		if err := t.write(setting[0], setting[1]); err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

func (t *Tree) write(file, value string) error {
	handle, err := os.OpenFile(filepath.Join(t.root, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer handle.Close()
	if _, err := handle.WriteString(value); err != nil {
		return fmt.Errorf("writing %q: %w", value, err)
	}
	return nil
}

// Enter waits until user processes are not frozen and keeps Freeze waiting until leave is called. A process must not be started
// in a frozen group: it would stop before it executes its program, and the fork would not return.
func (t *Tree) Enter(ctx context.Context) (leave func(), err error) {
	stop := t.wakeOn(ctx)
	defer stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.frozen {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.changed.Wait()
	}
	t.entering++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.entering--
		t.changed.Broadcast()
		select {
		case t.started <- struct{}{}:
		default:
		}
	}, nil
}

// Freeze stops all user processes and returns when every one of them stands still. On failure they run on.
func (t *Tree) Freeze(ctx context.Context) error {
	stop := t.wakeOn(ctx)
	defer stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frozen = true
	for t.entering > 0 && ctx.Err() == nil {
		t.changed.Wait()
	}
	err := ctx.Err()
	if err == nil {
		err = t.freeze(ctx)
	}
	if err != nil {
		if undone := t.thaw(); undone != nil {
			return fmt.Errorf("%w; and thawing again: %v", err, undone)
		}
		return err
	}
	return nil
}

// freeze lets the kernel freeze user processes. Where there are none it has nothing to do, now and when they are let go.
func (t *Tree) freeze(ctx context.Context) error {
	populated, err := t.Populated()
	if err != nil || !populated {
		return err
	}
	t.stopped = true
	if err := t.write("user/cgroup.freeze", "1"); err != nil {
		return err
	}
	return t.await(ctx, "frozen", true)
}

// Thaw lets user processes run. It does nothing when they are not frozen.
func (t *Tree) Thaw() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.thaw()
}

func (t *Tree) thaw() error {
	var err error
	if t.stopped {
		err = t.write("user/cgroup.freeze", "0")
	}
	t.frozen, t.stopped = false, t.stopped && err != nil
	t.changed.Broadcast()
	return err
}

// wakeOn makes waiters look again when ctx ends.
func (t *Tree) wakeOn(ctx context.Context) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			t.mu.Lock()
			t.changed.Broadcast()
			t.mu.Unlock()
		case <-stopped:
		}
	}()
	return func() { close(stopped) }
}

// Empty waits until there are no user processes.
func (t *Tree) Empty(ctx context.Context) error { return t.await(ctx, "populated", false) }

// Kill ends all user processes at once, also frozen ones and those that fork faster than they could be counted (Linux 5.14).
func (t *Tree) Kill() error { return t.write("user/cgroup.kill", "1") }

// await waits until a key of cgroup.events has a value.
func (t *Tree) await(ctx context.Context, key string, want bool) error {
	events, err := t.watchEvents()
	if err != nil {
		return err
	}
	defer events.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := events.SetReadDeadline(deadline); err != nil {
			return err
		}
	}
	buffer := make([]byte, 4096)
	for {
		value, err := t.event(key)
		if err != nil || value == want {
			return err
		}
		if _, err := events.Read(buffer); err != nil {
			return fmt.Errorf("waiting for user processes to be %s=%v: %w", key, want, err)
		}
	}
}

// Started receives after processes have been started; several starts may count as one. It has one receiver.
func (t *Tree) Started() <-chan struct{} { return t.started }

// Populated tells whether there are user processes.
func (t *Tree) Populated() (bool, error) { return t.event("populated") }

// watchEvents opens an inotify descriptor that becomes readable whenever cgroup.events of the user group changes.
func (t *Tree) watchEvents() (*os.File, error) {
	descriptor, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	file := os.NewFile(uintptr(descriptor), "inotify")
	if _, err := syscall.InotifyAddWatch(descriptor, filepath.Join(t.root, "user/cgroup.events"), syscall.IN_MODIFY); err != nil {
		file.Close()
		return nil, os.NewSyscallError("inotify_add_watch", err)
	}
	return file, nil
}

// event reads one key of cgroup.events of the user group.
func (t *Tree) event(key string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(t.root, "user/cgroup.events"))
	if err != nil {
		return false, err
	}
	return strings.Contains("\n"+string(text), "\n"+key+" 1\n"), nil
}
