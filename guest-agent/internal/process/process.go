// Package process runs the processes of the guest: it starts them as any user of the image, with pipes or a terminal, hands
// their output to any number of readers, and reports how they end.
package process

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"warren/guest-agent/internal/oom"
	"warren/guest-agent/internal/reaper"
)

const (
	// Sizes of one chunk of output, in bytes.
	pipeChunk = 64 << 10
	ptyChunk  = 16 << 10
	// lastOutput bounds what is still read after a kill from pipes that descendants hold open, in bytes per pipe.
	lastOutput = 256 << 10
)

// Config is what a client asked to run.
type Config struct {
	Cmd  string            `json:"cmd"`
	Args []string          `json:"args,omitempty"`
	Envs map[string]string `json:"envs,omitempty"`
	Cwd  *string           `json:"cwd,omitempty"`
}

// Process is one started process.
type Process struct {
	// config is shortened when the process has ended and its end is kept for long.
	config atomic.Pointer[Config]
	tag    *string
	// user is the name of the user that it was started as.
	user    string
	started time.Time
	// order is that in which processes were started.
	order uint64
	// forgetting makes it unknown a while after its end.
	forgetting *time.Timer
	child      *reaper.Child
	output     *hub
	input      *input
	// terminal is the master side of the terminal; nil without one.
	terminal *os.File
	sources  []*source

	members members
	// letGo lets those run that stood still for the command.
	letGo func()
	// victim is the process of the command that was killed because memory ran out; nil = none.
	victim func() *oom.Victim
	// asked says that a client has asked the command to end, by a signal.
	asked    atomic.Bool
	killOnce sync.Once
	// killed is closed when the agent begins to end all processes of the command, cleared when they are gone.
	killed, cleared chan struct{}
	// gone is closed when the process has been reaped and is off the list.
	gone chan struct{}
	// moved holds a token when output has been published since settle last looked; publishing counts pumps that wait for readers.
	moved      chan struct{}
	publishing atomic.Int32

	// expired is closed when the deadline of the process has passed, and timedOut set.
	expired    chan struct{}
	timedOut   atomic.Bool
	deadlineMu sync.Mutex
	deadline   *time.Timer
	// over says that deadlines have no meaning any more.
	over bool
}

// source is one descriptor that output is read from.
type source struct {
	file *os.File
	kind eventKind
	size int
	// drained is closed when all output that belongs to the process has been published.
	drained chan struct{}
}

func (p *Process) pid() uint32 { return uint32(p.child.Pid) }

// keeps tells whether output of it is kept, and its end for long.
func (p *Process) keeps() bool { return p.output.kept != nil }

// run serves the process until its end, which it returns after publishing it. reaped is called as soon as the process is gone.
func (p *Process) run(reaped func()) *End {
	for _, source := range p.sources {
		go p.pump(source)
	}
	<-p.child.Done()
	p.letGo()
	p.endDeadline()
	reaped()
	status := p.child.Status()
	if status.Signaled() || p.asked.Load() {
		p.terminate(syscall.SIGTERM, grace)
	}
	p.settle()
	select {
	case <-p.killed:
		<-p.cleared
	default:
	}
	p.input.shut()
	end := endOf(status)
	end.TimedOut, end.OutOfMemory = p.timedOut.Load(), p.victim()
	p.members.Close()
	p.output.finish(end)
	return end
}

// signal sends a signal to the command. One that stands for the end, or that a terminal sends, is for all its processes; the
// meaning of any other is known to the program that was started alone.
func (p *Process) signal(signal syscall.Signal) error {
	switch signal {
	case syscall.SIGKILL:
		return p.destroy()
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		p.asked.Store(true)
		return p.members.Signal(signal)
	case syscall.SIGHUP, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGCONT:
		return p.members.Signal(signal)
	}
	return p.child.Signal(signal)
}

// endOf describes an exit status.
func endOf(status syscall.WaitStatus) *End {
	end := &End{ExitCode: -1}
	switch {
	case status.Exited():
		end.Exited, end.ExitCode = true, int32(status.ExitStatus())
		end.Status = fmt.Sprintf("exit status %d", end.ExitCode)
	case status.Signaled():
		end.Signal = int(status.Signal())
		end.Status = "signal: " + status.Signal().String()
		if status.CoreDump() {
			end.Status += " (core dumped)"
		}
	}
	if end.ExitCode != 0 {
		text := end.Status
		end.Error = &text
	}
	return end
}
