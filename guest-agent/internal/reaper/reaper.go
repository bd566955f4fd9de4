// Package reaper starts child processes and is the only place that waits for them.
//
// Process 1 inherits every orphan of the system and must reap those too, so one loop collects whatever has ended and hands each
// exit status to the child it belongs to. The standard library's os/exec is not used beside it: its Wait would compete for the
// same statuses. Reaping goes on while a fork is under way, because the execution of a program may take its time; a status that
// comes in before its child is registered is kept until then. No signal is sent to a pid that has been reaped.
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
	// forks serializes forks, for the sake of their hooks.
	forks sync.Mutex

	mu       sync.Mutex
	children map[int]*Child
	// early are statuses of unknown pids that came in while a fork is under way; nil when none is.
	early map[int]syscall.WaitStatus
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

// Hooks are called on the way through a fork, one fork at a time.
type Hooks struct {
	// Before is called right before the fork.
	Before func() error
	// After is called right after it, whether it succeeded (pid > 0) or not (pid 0). An error ends the process.
	After func(pid int) error
}

// Start forks and executes a program.
func (r *Reaper) Start(path string, argv []string, attr *syscall.ProcAttr, hooks Hooks) (*Child, error) {
	r.forks.Lock()
	defer r.forks.Unlock()
	if hooks.Before != nil {
		if err := hooks.Before(); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.early = map[int]syscall.WaitStatus{}
	r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		pid = 0
	}
	var unfit error
	if hooks.After != nil {
		unfit = hooks.After(pid)
	}
	child := r.register(pid)
	if err != nil {
		return nil, err
	}
	if unfit != nil {
		// It may have ended by itself.
		_ = child.Signal(syscall.SIGKILL)
		return nil, unfit
	}
	return child, nil
}

// register adds a child whose fork is over; pid 0 stands for a fork that failed.
func (r *Reaper) register(pid int) *Child {
	r.mu.Lock()
	defer r.mu.Unlock()
	early, ended := r.early[pid]
	r.early = nil
	if pid == 0 {
		return nil
	}
	child := &Child{Pid: pid, reaper: r, done: make(chan struct{})}
	r.children[pid] = child
	// A child that ended before it was registered had its signal come too early, or its status is among those that were kept. A
	// kept status is that of another process, whose pid was used again, as long as the child can still be waited for.
	if _, status, state := wait(pid); state == reaped {
		r.deliver(pid, status)
	} else if state == unknown && ended {
		r.deliver(pid, early)
	}
	return child
}

// collect reaps all children that have ended.
func (r *Reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orphans {
		for {
			pid, status, state := wait(-1)
			if state != reaped {
				return
			}
			r.deliver(pid, status)
		}
	}
	for pid := range r.children {
		if _, status, state := wait(pid); state == reaped {
			r.deliver(pid, status)
		}
	}
}

// deliver hands a status to its child. Those of orphans are dropped.
func (r *Reaper) deliver(pid int, status syscall.WaitStatus) {
	child, ours := r.children[pid]
	if !ours {
		if r.early != nil {
			r.early[pid] = status
		}
		return
	}
	delete(r.children, pid)
	child.status = status
	close(child.done)
}

// waitState is what wait has found.
type waitState int

const (
	// running: there is such a child, and it has not ended.
	running waitState = iota
	// reaped: it had ended and is reaped by this call.
	reaped
	// unknown: there is no such child.
	unknown
)

// wait reaps one ended process; -1 stands for any.
func wait(target int) (pid int, status syscall.WaitStatus, state waitState) {
	for {
		pid, err := syscall.Wait4(target, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, 0, unknown
		case pid > 0:
			return pid, status, reaped
		default:
			return 0, 0, running
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
