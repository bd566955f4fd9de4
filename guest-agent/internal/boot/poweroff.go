package boot

import (
	"context"
	"os"
	"syscall"
	"time"
)

// exitGrace is how long processes have to end after SIGTERM at power-off, and again after SIGKILL.
const exitGrace = 2 * time.Second

// UserProcesses are all processes of the system but this one.
type UserProcesses interface {
	// Thaw lets them run, so that they can end by themselves.
	Thaw() error
	// Empty waits until there are none.
	Empty(ctx context.Context) error
	// Kill ends them.
	Kill() error
}

// PowerOff ends all processes, writes everything to disk and ends the virtual machine. It does not return.
//
// The machine is restarted, not powered off: monitors are run such that a restart ends them, and unlike power-off it needs no
// firmware.
func PowerOff(processes UserProcesses) {
	if err := endProcesses(processes); err != nil {
		Log("ending user processes: %v", err)
	}
	// Nothing has reason to run outside of the control groups, but the root user of the guest may have moved something.
	_ = syscall.Kill(-1, syscall.SIGKILL)
	syscall.Sync()
	// Fails while a file is still open for writing; the journal of the file system covers that.
	if err := syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		Log("remounting the root file system read-only: %v", err)
	}
	End()
}

// endProcesses asks all processes to end, and then ends them.
func endProcesses(processes UserProcesses) error {
	if err := processes.Thaw(); err != nil {
		return err
	}
	// Fails when there is no process.
	_ = syscall.Kill(-1, syscall.SIGTERM)
	gone := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), exitGrace)
		defer cancel()
		return processes.Empty(ctx)
	}
	if gone() == nil {
		return nil
	}
	if err := processes.Kill(); err != nil {
		return err
	}
	return gone()
}

// End ends the virtual machine at once.
func End() {
	syscall.Sync()
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART); err != nil {
		Log("restart: %v", err)
	}
	// Process 1 must not go on as if nothing had happened; its end makes the kernel panic, which ends the machine too.
	os.Exit(1)
}
