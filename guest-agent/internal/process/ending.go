package process

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"warren/guest-agent/internal/nonblocking"
)

const (
	// grace is the time between the request to end and the kill, for commands whose caller names no other.
	grace = 5 * time.Second
	// killWait bounds the wait for killed processes to be gone. It can take longer only while one sits in the kernel.
	killWait = 2 * time.Second
	// quiet is the time without output after which that of an ended process counts as complete, though descendants hold its
	// streams open; lingering bounds the wait for it.
	quiet     = 100 * time.Millisecond
	lingering = 2 * time.Second
)

// terminate ends all processes of the command: they get a signal that asks them to end, and are killed after a while. The first
// call counts.
func (p *Process) terminate(signal syscall.Signal, after time.Duration) {
	p.killOnce.Do(func() {
		close(p.killed)
		go func() {
			defer close(p.cleared)
			// A signal that cannot be sent, to none or to all, leaves the kill.
			_ = p.members.Signal(signal)
			// One that was stopped gets no signal before it continues.
			_ = p.members.Signal(syscall.SIGCONT)
			if p.emptyWithin(after) {
				return
			}
			_ = p.members.Kill()
			p.emptyWithin(killWait)
		}()
	})
}

// destroy ends all processes of the command at once.
func (p *Process) destroy() error {
	err := p.members.Kill()
	p.killOnce.Do(func() {
		close(p.killed)
		go func() {
			defer close(p.cleared)
			p.emptyWithin(killWait)
		}()
	})
	return err
}

func (p *Process) emptyWithin(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return p.members.Empty(ctx) == nil
}

// expire ends the command at its deadline.
func (p *Process) expire() {
	p.timedOut.Store(true)
	close(p.expired)
	p.terminate(syscall.SIGTERM, grace)
}

// setDeadline makes the command end after a while; 0 = never. It replaces an earlier deadline, unless that has passed.
func (p *Process) setDeadline(after time.Duration) {
	p.deadlineMu.Lock()
	defer p.deadlineMu.Unlock()
	if p.deadline != nil && !p.deadline.Stop() || p.over {
		return
	}
	p.deadline = nil
	if after > 0 {
		p.deadline = time.AfterFunc(after, p.expire)
	}
}

// endDeadline lets no deadline pass from here on.
func (p *Process) endDeadline() {
	p.deadlineMu.Lock()
	defer p.deadlineMu.Unlock()
	p.over = true
	if p.deadline != nil {
		p.deadline.Stop()
	}
}

// settle waits until the output of the process, which has ended, is complete: its streams have been read to their ends, or they
// are quiet and only descendants hold them open. Whatever the process itself wrote is in the pipes by its end.
func (p *Process) settle() {
	drained := make(chan struct{})
	go func() {
		for _, source := range p.sources {
			<-source.drained
		}
		close(drained)
	}()
	silence, limit := time.NewTimer(quiet), time.NewTimer(lingering)
	defer silence.Stop()
	defer limit.Stop()
	killed := p.killed
	for waiting := true; waiting; {
		select {
		case <-drained:
			return
		case <-killed:
			<-p.cleared
			waiting = false
		case <-p.moved:
			silence.Reset(quiet)
		case <-silence.C:
			if waiting = p.publishing.Load() > 0; waiting {
				silence.Reset(quiet)
			}
		case <-limit.C:
			waiting = false
		}
	}
	p.release()
	<-drained
}

// release makes the pumps stop waiting, for readers and for descendants that hold the streams open.
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
	output, err := nonblocking.Of(s.file)
	if err == nil {
		err = copyOutput(output, buffer, func(data []byte) { p.publish(s.kind, data) })
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		close(s.drained)
		return
	}
	p.publishAvailable(s, buffer)
	close(s.drained)
	if s.file.SetReadDeadline(time.Time{}) == nil {
		_ = copyOutput(output, buffer, func([]byte) {})
	}
}

// publish hands output to the readers, and says that something moved.
func (p *Process) publish(kind eventKind, data []byte) {
	p.publishing.Add(1)
	p.output.publish(kind, data)
	p.publishing.Add(-1)
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// copyOutput reads until an error; the end of a pipe is io.EOF, that of a terminal EIO.
func copyOutput(output io.Reader, buffer []byte, take func([]byte)) error {
	for {
		n, err := output.Read(buffer)
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
