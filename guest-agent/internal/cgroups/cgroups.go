// Package cgroups keeps user processes in control groups of their own (version 2), bounded so that a memory hog or a fork bomb
// leaves the agent answering, and able to be frozen together.
//
//	<root>/agent                     the agent
//	<root>/user                      limits of all user processes, and the freezer
//	<root>/user/root/N               one command of root
//	<root>/user/others               bounds of all other users' commands, below those of `user`
//	<root>/user/others/terminals/N   one command with a terminal
//	<root>/user/others/processes/N   one command without
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
	// What others leave to the commands of root, so that it can end those that went wrong: tasks, and a fraction of memory.
	rescueTasks, rescueFraction = 64, 16
	// One command leaves this fraction of the tasks of its level to the others.
	spareFraction = 8
)

// controllers are handed down to the group of each command.
const controllers = "+cpu +memory +pids"

// Tree is the groups of one agent.
type Tree struct {
	root    string
	started chan struct{}

	mu       sync.Mutex
	changed  *sync.Cond
	entering int
	// frozen keeps processes from being started; stopped says that the kernel holds those that there are.
	frozen, stopped bool

	groups groups
	crowds crowds
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
	for _, group := range []string{"agent", userGroup, rootGroup, othersGroup, terminalsGroup, processesGroup} {
		if err := os.MkdirAll(filepath.Join(root, group), 0o755); err != nil {
			return nil, fmt.Errorf("making control group %s: %w", group, err)
		}
	}
	return tree, nil
}

// Limit moves the agent into its group and sets the limits of all groups. It returns what the kernel refused, which happens when
// a controller is missing. It is called once.
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
	limit := resources.Memory - reserve
	settings := [][2]string{
		{"agent/cgroup.procs", "0"},
		{"cgroup.subtree_control", controllers},
		{userGroup + "/cgroup.subtree_control", controllers},
		{othersGroup + "/cgroup.subtree_control", controllers},
		{rootGroup + "/cgroup.subtree_control", controllers},
		{terminalsGroup + "/cgroup.subtree_control", controllers},
		{processesGroup + "/cgroup.subtree_control", controllers},
		{"agent/cpu.weight", number(agentWeight)},
		{userGroup + "/cpu.weight", number(userWeight)},
		{terminalsGroup + "/cpu.weight", number(terminalWeight)},
		{processesGroup + "/cpu.weight", number(processesWeight)},
		{"agent/memory.min", number(agentMemoryMin)},
		{"agent/memory.low", number(agentMemoryLow)},
		// Reclaim and throttling begin at `high`; at `max` processes are ended. There is no swap, so throttling cannot help a
		// process that only allocates: with any distance between the two, all user processes would crawl through it for
		// minutes before the one at fault is ended.
		{userGroup + "/memory.high", number(limit)},
		{userGroup + "/memory.max", number(limit)},
		{othersGroup + "/memory.high", number(limit - limit/rescueFraction)},
		{othersGroup + "/memory.max", number(limit - limit/rescueFraction)},
		{userGroup + "/pids.max", number(tasks + rescueTasks)},
		{othersGroup + "/pids.max", number(tasks)},
	}
	var refused []error
	for _, setting := range settings {
		if err := t.write(setting[0], setting[1]); err != nil {
			refused = append(refused, err)
		}
	}
	t.groups.limit(tasks)
	if err := t.watchRefusals(); err != nil {
		refused = append(refused, err)
	}
	return refused
}

func (t *Tree) write(file, value string) error {
	path := filepath.Join(t.root, file)
	handle, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil && t.makeWritable(err) {
		handle, err = os.OpenFile(path, os.O_WRONLY, 0)
	}
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
	if err := t.write(userGroup+"/cgroup.freeze", "1"); err != nil {
		return err
	}
	return t.await(ctx, userGroup, "frozen", true)
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
		err = t.write(userGroup+"/cgroup.freeze", "0")
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
func (t *Tree) Empty(ctx context.Context) error { return t.await(ctx, userGroup, "populated", false) }

// Kill ends all user processes at once, also frozen ones and those that fork faster than they could be counted (Linux 5.14).
func (t *Tree) Kill() error { return t.write(userGroup+"/cgroup.kill", "1") }

// await waits until a key of cgroup.events of a group has a value.
func (t *Tree) await(ctx context.Context, group, key string, want bool) error {
	events, err := t.watchEvents(group)
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
		value, err := t.event(group, key)
		if err != nil || value == want {
			return err
		}
		if _, err := events.Read(buffer); err != nil {
			return fmt.Errorf("waiting for processes to be %s=%v: %w", key, want, err)
		}
	}
}

// Started receives after processes have been started; several starts may count as one. It has one receiver.
func (t *Tree) Started() <-chan struct{} { return t.started }

// Populated tells whether there are user processes.
func (t *Tree) Populated() (bool, error) { return t.event(userGroup, "populated") }

// watchEvents opens an inotify descriptor that becomes readable whenever cgroup.events of a group changes.
func (t *Tree) watchEvents(group string) (*os.File, error) {
	descriptor, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	file := os.NewFile(uintptr(descriptor), "inotify")
	if _, err := syscall.InotifyAddWatch(descriptor, filepath.Join(t.root, group, "cgroup.events"), syscall.IN_MODIFY); err != nil {
		file.Close()
		return nil, os.NewSyscallError("inotify_add_watch", err)
	}
	return file, nil
}

// event reads one key of cgroup.events of a group.
func (t *Tree) event(group, key string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(t.root, group, "cgroup.events"))
	if err != nil {
		return false, err
	}
	return strings.Contains("\n"+string(text), "\n"+key+" 1\n"), nil
}
