package cgroups

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// A command is a crowd with this fraction of all tasks, once it has been refused more.
	crowdFraction = 8
	// holdWait bounds the wait for crowds to stand still, and holdLimit the time for which one command has them do so.
	holdWait, holdLimit = 30 * time.Second, time.Minute
)

// crowds are the fork bombs among the commands of all users but root: those that have been refused processes and still have
// many. They stand still while somebody wants that.
type crowds struct {
	// refusals becomes readable when a command is refused a process; nil = not watched.
	refusals *os.File

	mu      sync.Mutex
	wanting int
	held    map[string]struct{}
}

// HoldCrowds makes fork bombs stand still until release is called, for a minute at most, those too that come to be one
// meanwhile. Whoever looks through /proc waits for locks that each of a thousand processes takes for its fork and gives back
// no sooner than at its next turn; and what is to be ended forks no more. It returns when those that there are stand, or after
// a while.
func (t *Tree) HoldCrowds(ctx context.Context) (release func()) {
	t.crowds.mu.Lock()
	t.crowds.wanting++
	t.crowds.mu.Unlock()
	var once sync.Once
	letGo := func() { once.Do(t.letGo) }
	limit := time.AfterFunc(holdLimit, letGo)
	ctx, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	for _, group := range t.hold() {
		// One that has ended meanwhile, or takes longer, is no reason to do nothing.
		_ = t.await(ctx, group, "frozen", true)
	}
	return func() {
		limit.Stop()
		letGo()
	}
}

// watchRefusals has crowds held, while somebody wants that, as soon as they become such.
func (t *Tree) watchRefusals() error {
	descriptor, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	t.crowds.refusals = os.NewFile(uintptr(descriptor), "inotify")
	// From Linux 6.12 on, a refusal counts where the bound is, and before in the group of whoever was refused.
	t.watchRefusalsOf(othersGroup, "pids.events.local")
	go func() {
		buffer := make([]byte, 4096)
		for {
			if _, err := t.crowds.refusals.Read(buffer); err != nil {
				return
			}
			t.hold()
		}
	}()
	return nil
}

// watchRefusalsOf adds a group, which ends with the group. The file may be missing; then nothing is ever refused there.
func (t *Tree) watchRefusalsOf(group, file string) {
	if t.crowds.refusals == nil {
		return
	}
	raw, err := t.crowds.refusals.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(descriptor uintptr) {
		_, _ = syscall.InotifyAddWatch(int(descriptor), filepath.Join(t.root, group, file), syscall.IN_MODIFY)
	})
}

// hold makes all crowds stand still if somebody wants that, and returns those that do.
func (t *Tree) hold() []string {
	t.crowds.mu.Lock()
	defer t.crowds.mu.Unlock()
	if t.crowds.wanting == 0 {
		return nil
	}
	groups := t.findCrowds()
	for _, group := range groups {
		if _, held := t.crowds.held[group]; held {
			continue
		}
		// It fails when the group is gone.
		if t.write(group+"/cgroup.freeze", "1") == nil {
			if t.crowds.held == nil {
				t.crowds.held = map[string]struct{}{}
			}
			t.crowds.held[group] = struct{}{}
		}
	}
	return groups
}

// letGo lets crowds run once nobody wants them to stand still.
func (t *Tree) letGo() {
	t.crowds.mu.Lock()
	defer t.crowds.mu.Unlock()
	if t.crowds.wanting--; t.crowds.wanting > 0 {
		return
	}
	for group := range t.crowds.held {
		_ = t.write(group+"/cgroup.freeze", "0")
	}
	t.crowds.held = nil
}

// findCrowds looks for the groups of commands that are crowds.
func (t *Tree) findCrowds() []string {
	fewest := t.groups.crowd()
	if fewest == 0 || t.number(othersGroup+"/pids.current") < fewest {
		return nil
	}
	together := t.counted(othersGroup+"/pids.events.local", "max")
	var found []string
	for _, parent := range []string{terminalsGroup, processesGroup} {
		entries, err := os.ReadDir(filepath.Join(t.root, parent))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			group := filepath.Join(parent, entry.Name())
			if !entry.IsDir() || t.number(group+"/pids.current") < fewest {
				continue
			}
			if together > 0 || t.counted(group+"/pids.events", "max") > 0 {
				found = append(found, group)
			}
		}
	}
	return found
}

// number is the content of a file of the tree; 0 when it cannot be read.
func (t *Tree) number(file string) uint64 {
	text, _ := os.ReadFile(filepath.Join(t.root, file))
	number, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return number
}

// counted is the number behind a key in a file of the tree; 0 when there is none, as where a controller is missing.
func (t *Tree) counted(file, key string) uint64 {
	text, _ := os.ReadFile(filepath.Join(t.root, file))
	for _, line := range strings.Split(string(text), "\n") {
		if count := strings.TrimPrefix(line, key+" "); count != line {
			number, _ := strconv.ParseUint(count, 10, 64)
			return number
		}
	}
	return 0
}
