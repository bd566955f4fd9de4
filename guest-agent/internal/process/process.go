// Package process runs the processes of the guest: it starts them as any user of the image, with pipes or a terminal, hands
// their output to any number of readers, and reports how they end.
package process

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

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
	config Config
	tag    *string
	child  *reaper.Child
	output *hub
	input  *input
	// terminal is the master side of the terminal; nil without one.
	terminal *os.File
	sources  []*source

	killOnce sync.Once
	// killed is closed when the agent has killed the process: the end then waits for nothing but the process itself.
	killed chan struct{}
	// gone is closed when the process has been reaped and is off the list.
	gone chan struct{}
	// expired is closed when the deadline of the process has passed.
	expired  chan struct{}
	deadline *time.Timer
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

// run serves the process until its end, which it returns after publishing it. reaped is called as soon as the process is gone.
func (p *Process) run(reaped func()) *End {
	for _, source := range p.sources {
		go p.pump(source)
	}
	<-p.child.Done()
	reaped()
	drained := make(chan struct{})
	go func() {
		for _, source := range p.sources {
			<-source.drained
		}
		close(drained)
	}()
	select {
	case <-drained:
	case <-p.killed:
		p.release()
		<-drained
	}
	if p.deadline != nil {
		p.deadline.Stop()
	}
	p.input.shut()
	end := endOf(p.child.Status())
	p.output.finish(end)
	return end
}

// release makes the pumps stop waiting, for readers and for descendants that hold the pipes open.
func (p *Process) release() {
	p.output.lift()
	for _, source := range p.sources {
		// A closed descriptor means that its pump has reached the end already.
		_ = source.file.SetReadDeadline(time.Now())
	}
}

// pump publishes output up to end of file. When release interrupts it, it publishes what is there and from then on drops what
// descendants of the process write, so that they never block.
func (p *Process) pump(s *source) {
	defer s.file.Close()
	buffer := make([]byte, s.size)
	err := copyOutput(s.file, buffer, func(data []byte) { p.output.publish(s.kind, data) })
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		close(s.drained)
		return
	}
	p.publishAvailable(s, buffer)
	close(s.drained)
	if s.file.SetReadDeadline(time.Time{}) == nil {
		_ = copyOutput(s.file, buffer, func([]byte) {})
	}
}

// copyOutput reads until an error; the end of a pipe is io.EOF, that of a terminal EIO.
func copyOutput(file *os.File, buffer []byte, take func([]byte)) error {
	for {
		n, err := file.Read(buffer)
		if n > 0 {
			take(buffer[:n])
		}
		if err != nil {
			return err
		}
	}
}

// publishAvailable publishes what can be read without waiting.
func (p *Process) publishAvailable(s *source, buffer []byte) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	for total := 0; total < lastOutput; {
		var n int
		if controlErr := raw.Control(func(descriptor uintptr) { n, err = syscall.Read(int(descriptor), buffer) }); controlErr != nil || err != nil || n <= 0 {
			return
		}
		p.output.publish(s.kind, buffer[:n])
		total += n
	}
}

// kill sends a signal that is meant to end the process.
func (p *Process) kill(sig syscall.Signal) error {
	err := p.child.Signal(sig)
	if err == nil {
		p.killOnce.Do(func() { close(p.killed) })
	}
	return err
}

// expire ends the process at its deadline.
func (p *Process) expire() {
	close(p.expired)
	// The process may be gone while descendants hold its output open; the end stops waiting for them in any case.
	_ = p.child.Signal(syscall.SIGKILL)
	p.killOnce.Do(func() { close(p.killed) })
}

// endOf describes an exit status.
func endOf(status syscall.WaitStatus) *End {
	end := &End{ExitCode: -1}
	switch {
	case status.Exited():
		end.Exited, end.ExitCode = true, int32(status.ExitStatus())
		end.Status = fmt.Sprintf("exit status %d", end.ExitCode)
	case status.Signaled():
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
