// Package reaper starts child processes and is the only place that waits for them.
//
// Process 1 inherits every orphan of the system and must reap those too, so one loop collects whatever has ended and hands each
// exit status to the child it belongs to. The standard library's os/exec is not used beside it: its Wait would compete for the
// same statuses. A lock that is held both over fork and over reaping makes a pid unambiguous: no status is collected between
// the fork of a child and its registration, and no signal is sent to a pid that has been reaped.
package reaper

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Reaper owns the children of this process.
type Reaper struct {
	orphans bool

	mu       sync.Mutex
	children map[int]*Child
}

// Child is a process started by Start.
type Child struct {
	// Pid is the process id. It is free for reuse by the kernel once Done is closed.
	Pid int

	reaper *Reaper
	done   chan struct{}
	status syscall.WaitStatus
}

// New starts the reaping loop. With orphans set it collects every child, as process 1 has to; otherwise only those it started.
func New(orphans bool) *Reaper {
	r := &Reaper{orphans: orphans, children: map[int]*Child{}}
	// One slot is enough: each signal makes the loop collect all that has ended.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			r.collect()
		}
	}()
	return r
}

// Hooks are called on the way through a fork, under the lock that serializes forks.
type Hooks struct {
	// Before is called right before the fork.
	Before func() error
	// After is called right after it, whether it succeeded (pid > 0) or not (pid 0). An error ends the process.
	After func(pid int) error
}

// Start forks and executes a program.
func (r *Reaper) Start(path string, argv []string, attr *syscall.ProcAttr, hooks Hooks) (*Child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hooks.Before != nil {
		if err := hooks.Before(); err != nil {
			return nil, err
		}
	}
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		pid = 0
	}
	var unfit error
	if hooks.After != nil {
		unfit = hooks.After(pid)
	}
	if err != nil {
		return nil, err
	}
	child := &Child{Pid: pid, reaper: r, done: make(chan struct{})}
	r.children[pid] = child
	if unfit != nil {
		// It cannot have been reaped under the lock, so the pid is its own.
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return nil, unfit
	}
	return child, nil
}

// collect reaps all children that have ended.
func (r *Reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orphans {
		for {
			pid, status, ok := wait(-1)
			if !ok {
				return
			}
			r.deliver(pid, status)
		}
	}
	for pid := range r.children {
		if reaped, status, ok := wait(pid); ok {
			r.deliver(reaped, status)
		}
	}
}

func (r *Reaper) deliver(pid int, status syscall.WaitStatus) {
	child, ours := r.children[pid]
	if !ours {
		return
	}
	delete(r.children, pid)
	child.status = status
	close(child.done)
}

// wait reaps one ended process; -1 stands for any.
func wait(target int) (pid int, status syscall.WaitStatus, ok bool) {
	for {
		pid, err := syscall.Wait4(target, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return pid, status, err == nil && pid > 0
		}
	}
}

// Done is closed when the process has been reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status is valid once Done is closed.
func (c *Child) Status() syscall.WaitStatus { return c.status }

// Signal sends a signal to the process itself. It returns syscall.ESRCH when the process has ended, even if it is not reaped yet.
func (c *Child) Signal(sig syscall.Signal) error {
	c.reaper.mu.Lock()
	defer c.reaper.mu.Unlock()
	select {
	case <-c.done:
		return syscall.ESRCH
	default:
		return syscall.Kill(c.Pid, sig)
	}
}
