package reaper

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// Run runs a program of the system with the agent's rights and waits for it. Its output is dropped.
func (r *Reaper) Run(ctx context.Context, argv []string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	descriptor := null.Fd()
	child, err := r.Start(argv[0], argv, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"},
		Files: []uintptr{descriptor, descriptor, descriptor},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}, Hooks{})
	if err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		// It may have ended in the same moment.
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
		return ctx.Err()
	}
	if status := child.Status(); !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("%s failed: wait status %#x", argv[0], uint32(status))
	}
	return nil
}
