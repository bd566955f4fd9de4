package process

import (
	"context"
	"errors"
	"syscall"
	"time"

	"warren/guest-agent/internal/cgroups"
)

// members are a command's processes: the one that was started, and its descendants.
type members interface {
	// Signal sends a signal to all of them.
	Signal(signal syscall.Signal) error
	// Kill ends all of them at once.
	Kill() error
	// Usage is what they have used: processor time, and the bytes of memory that they have now; 0 where the kernel does not count.
	Usage() (processor time.Duration, memory uint64)
	// Empty waits until none is left.
	Empty(ctx context.Context) error
	// Close is called once nobody asks any more.
	Close()
}

var _ members = (*cgroups.Group)(nil)

// processGroup stands in for a control group on a machine where none can be made: descendants that leave it are out of reach.
type processGroup struct{ pid int }

func (g processGroup) Signal(signal syscall.Signal) error {
	if err := syscall.Kill(-g.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func (processGroup) Usage() (time.Duration, uint64) { return 0, 0 }

func (g processGroup) Kill() error { return g.Signal(syscall.SIGKILL) }

// pollInterval is how often a process group, which announces nothing, is looked at.
const pollInterval = 10 * time.Millisecond

func (g processGroup) Empty(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if err := syscall.Kill(-g.pid, 0); errors.Is(err, syscall.ESRCH) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (processGroup) Close() {}
