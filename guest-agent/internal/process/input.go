package process

import (
	"context"
	"errors"
	"os"
	"time"

	"warren/guest-agent/internal/nonblocking"
	"warren/guest-agent/internal/rpc"
)

// input is the writing side of a process's standard input or terminal. A nil input is one that was never opened.
type input struct {
	file     *os.File
	terminal bool
	// turn holds a token while nobody writes, so that inputs do not mix.
	turn chan struct{}
}

func newInput(file *os.File, terminal bool) *input {
	in := &input{file: file, terminal: terminal, turn: make(chan struct{}, 1)}
	in.turn <- struct{}{}
	return in
}

// write writes all of data, waiting for the process to read, until ctx ends.
func (in *input) write(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	select {
	case <-in.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { in.turn <- struct{}{} }()
	if err := in.file.SetWriteDeadline(time.Time{}); err != nil {
		return inputError(err)
	}
	written := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ctx.Done():
			// Fails only on a closed file, whose writes have ended already.
			_ = in.file.SetWriteDeadline(time.Now())
		case <-written:
		}
	}()
	output, err := nonblocking.Of(in.file)
	if err == nil {
		_, err = output.Write(data)
	}
	close(written)
	<-watched
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	if err != nil {
		// The descriptor has an error of its own for a file that was closed meanwhile.
		if closed := in.file.SetWriteDeadline(time.Time{}); closed != nil {
			err = closed
		}
		return inputError(err)
	}
	return nil
}

func inputError(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return rpc.Errorf(rpc.Internal, "the input of the process is closed")
	}
	return rpc.Errorf(rpc.Internal, "writing the input of the process: %v", err)
}

// shut closes standard input; a pending write fails. A terminal stays open for its output: its pump closes it.
func (in *input) shut() {
	if in == nil || in.terminal {
		return
	}
	// It may be closed already, which is what the caller wants.
	_ = in.file.Close()
}
