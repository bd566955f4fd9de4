package process

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
)

// Defaults are the settings of the sandbox that apply to processes.
type Defaults interface {
	// Workdir is the default working directory; "" = the user's home.
	Workdir() string
	// Environment are the global variables.
	Environment() map[string]string
}

// Service serves process.Process.
type Service struct {
	manager  *Manager
	defaults Defaults
}

// Register adds the procedures of process.Process.
func Register(mux *rpc.Mux, manager *Manager, defaults Defaults) {
	s := &Service{manager: manager, defaults: defaults}
	const prefix = "/process.Process/"
	rpc.Unary(mux, prefix+"List", decodeList, s.list)
	rpc.ServerStream(mux, prefix+"Watch", decodeWatch, s.watch)
	rpc.ServerStream(mux, prefix+"Start", decodeStart, s.start)
	rpc.ServerStream(mux, prefix+"Connect", decodeConnect, s.connect)
	rpc.Unary(mux, prefix+"Update", decodeUpdate, s.update)
	rpc.Unary(mux, prefix+"SendInput", decodeSendInput, s.sendInput)
	rpc.ClientStream(mux, prefix+"StreamInput", decodeStreamInput, s.streamInput)
	rpc.Unary(mux, prefix+"SendSignal", decodeSignal, s.sendSignal)
	rpc.Unary(mux, prefix+"CloseStdin", decodeSelector, s.closeStdin)
}

type empty struct{}

func (s *Service) start(ctx context.Context, call *rpc.Call, request startRequest, stream *rpc.Stream) error {
	user, err := call.User()
	if err != nil {
		return err
	}
	if request.config.Cmd == "" {
		return rpc.Errorf(rpc.InvalidArgument, "process.cmd: a program is required")
	}
	directory, err := s.directory(request.config.Cwd, user)
	if err != nil {
		return err
	}
	environment := s.defaults.Environment()
	for name, value := range request.config.Envs {
		environment[name] = value
	}
	if request.keep > maxKept {
		return rpc.Errorf(rpc.InvalidArgument, "keepOutputBytes: at most %d bytes of output are kept", maxKept)
	}
	spec := specification{
		config: request.config, tag: request.tag, user: user, directory: directory,
		environment: environment, size: request.size, stdin: request.stdin, exclusive: request.exclusiveTag, keep: int(request.keep),
	}
	limit, expired := call.Timeout, call.Timeout > 0
	if request.timeLimit > 0 {
		limit, expired = request.timeLimit, false
	}
	p, reader, err := s.manager.start(ctx, spec, limit)
	if err != nil {
		return err
	}
	defer reader.close()
	if !expired {
		return follow(ctx, stream, p, reader, call.Keepalive, nil)
	}
	return follow(ctx, stream, p, reader, call.Keepalive, p.expired)
}

// directory is the working directory of a new process. A home that does not exist gives way to /, as at login.
func (s *Service) directory(cwd *string, user users.User) (string, error) {
	asked, workdir := "", s.defaults.Workdir()
	if cwd != nil {
		asked = *cwd
	}
	directory, err := paths.Resolve(asked, user, workdir)
	if err != nil {
		return "", rpc.Errorf(rpc.InvalidArgument, "cwd: %v", err)
	}
	err = checkDirectory(directory)
	if err != nil && asked == "" && workdir == "" {
		return string(filepath.Separator), nil
	}
	return directory, err
}

func (s *Service) connect(ctx context.Context, call *rpc.Call, request connectRequest, stream *rpc.Stream) error {
	p, err := s.manager.find(request.process)
	if err != nil {
		return err
	}
	if call.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, call.Timeout)
		defer cancel()
	}
	reader := p.output.subscribe(request.from)
	defer reader.close()
	return follow(ctx, stream, p, reader, call.Keepalive, nil)
}

// follow sends the events of a process until its end, until ctx ends, or until expired is closed.
func follow(ctx context.Context, stream *rpc.Stream, p *Process, reader *subscription, keepalive time.Duration, expired <-chan struct{}) error {
	if err := stream.Send(startMessage(p, reader.offset)); err != nil {
		return err
	}
	last := time.Now()
	timer := time.NewTimer(keepalive)
	defer timer.Stop()
	for {
		sent, end, err := flush(stream, reader)
		if err != nil {
			return err
		}
		if end != nil {
			return finish(stream, end, expired)
		}
		if sent {
			last = time.Now()
		}
		select {
		case <-reader.wake:
		case <-timer.C:
			rest := keepalive - time.Since(last)
			if rest <= 0 {
				if err := stream.Send(keepaliveMessage()); err != nil {
					return err
				}
				last, rest = time.Now(), keepalive
			}
			timer.Reset(rest)
		case <-expired:
			if _, _, err := flush(stream, reader); err != nil {
				return err
			}
			return context.DeadlineExceeded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush sends the output that is queued. It stops at the end, which it returns.
func flush(stream *rpc.Stream, reader *subscription) (sent bool, end *End, err error) {
	for {
		e, ok := reader.next()
		if !ok || e.kind == endEvent {
			return sent, e.end, nil
		}
		err = stream.SendAppended(func(dst []byte) []byte { return appendOutput(dst, e) })
		e.done()
		if err != nil {
			return sent, nil, err
		}
		sent = true
	}
}

// finish sends the end, unless the deadline of the process brought it about.
func finish(stream *rpc.Stream, end *End, expired <-chan struct{}) error {
	select {
	case <-expired:
		return context.DeadlineExceeded
	default:
		return stream.Send(endMessage(end))
	}
}

func (s *Service) update(_ context.Context, _ *rpc.Call, request updateRequest) (any, error) {
	p, err := s.manager.findOpen(request.process)
	if err != nil {
		return nil, err
	}
	if request.timeLimit != nil {
		p.setDeadline(*request.timeLimit)
	}
	if request.size == nil {
		return empty{}, nil
	}
	if p.terminal == nil {
		return nil, rpc.Errorf(rpc.Internal, "the process has no terminal")
	}
	raw, err := p.terminal.SyscallConn()
	if err == nil {
		var resizeErr error
		err = raw.Control(func(descriptor uintptr) { resizeErr = resize(int(descriptor), *request.size) })
		if err == nil {
			err = resizeErr
		}
	}
	if err != nil {
		return nil, rpc.Errorf(rpc.Internal, "%v", err)
	}
	return empty{}, nil
}

func (s *Service) sendInput(ctx context.Context, _ *rpc.Call, request sendInputRequest) (any, error) {
	return empty{}, s.write(ctx, request.process, request.input)
}

// write sends input to a process.
func (s *Service) write(ctx context.Context, target selector, input inputData) error {
	p, err := s.manager.findOpen(target)
	if err != nil {
		return err
	}
	switch {
	case input.kind == 0:
		return rpc.Errorf(rpc.Unimplemented, "input is stdin or pty")
	case input.kind == ptyInput && p.terminal == nil:
		return rpc.Errorf(rpc.Internal, "the process has no terminal: send stdin")
	case input.kind == stdinInput && p.terminal != nil:
		return rpc.Errorf(rpc.Internal, "the process has a terminal: send pty")
	case p.input == nil:
		return rpc.Errorf(rpc.Internal, "the process was started without stdin")
	}
	return p.input.write(ctx, input.data)
}

func (s *Service) streamInput(ctx context.Context, _ *rpc.Call, next func() (streamInputRequest, error)) (any, error) {
	var target *selector
	for {
		request, err := next()
		if errors.Is(err, io.EOF) {
			return empty{}, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case request.start != nil:
			if _, err := s.manager.findOpen(*request.start); err != nil {
				return nil, err
			}
			target = request.start
		case request.data != nil && target == nil:
			return nil, rpc.Errorf(rpc.InvalidArgument, "the first message of the stream must be start")
		case request.data != nil:
			if err := s.write(ctx, *target, *request.data); err != nil {
				return nil, err
			}
		}
	}
}

func (s *Service) sendSignal(ctx context.Context, _ *rpc.Call, request signalRequest) (any, error) {
	p, err := s.manager.findOpen(request.process)
	if err != nil {
		return nil, err
	}
	if request.signal < 1 || request.signal > lastSignal {
		return nil, rpc.Errorf(rpc.Unimplemented, "%d is not the number of a signal", request.signal)
	}
	if request.killAfter > 0 {
		p.terminate(request.signal, request.killAfter)
		return empty{}, nil
	}
	if err := p.signal(request.signal); errors.Is(err, syscall.ESRCH) {
		return nil, request.process.notFound()
	} else if err != nil {
		return nil, rpc.Errorf(rpc.Internal, "sending a signal: %v", err)
	}
	if request.signal == syscall.SIGKILL {
		wait := time.NewTimer(killWait)
		defer wait.Stop()
		select {
		case <-p.gone:
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	return empty{}, nil
}

func (s *Service) closeStdin(_ context.Context, _ *rpc.Call, target selector) (any, error) {
	p, err := s.manager.findOpen(target)
	if err != nil {
		return nil, err
	}
	if p.terminal != nil {
		return nil, rpc.Errorf(rpc.Unknown, "a terminal cannot be closed: its end of file is the input byte 0x04")
	}
	p.input.shut()
	return empty{}, nil
}
