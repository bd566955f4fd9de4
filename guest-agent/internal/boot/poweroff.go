package boot

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// exitGrace is how long processes have to end after SIGTERM at power-off.
const exitGrace = 2 * time.Second

// PowerOff ends all processes, writes everything to disk and ends the virtual machine. It does not return.
//
// The machine is restarted, not powered off: monitors are run such that a restart ends them, and unlike power-off it needs no
// firmware.
func PowerOff() {
	terminateAll()
	syscall.Sync()
	// Fails while a file is still open for writing; the journal of the file system covers that.
	if err := syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		Log("remounting the root file system read-only: %v", err)
	}
	End()
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

// terminateAll ends all processes but this one, first with SIGTERM, then with SIGKILL. The end of each is announced by SIGCHLD,
// as process 1 is the parent of all orphans.
func terminateAll() {
	ended := childSignals()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		// Fails when there is no process left.
		_ = syscall.Kill(-1, sig)
		timeout := time.NewTimer(exitGrace)
		for waiting := anyProcess(); waiting; waiting = waiting && anyProcess() {
			select {
			case <-ended:
			case <-timeout.C:
				waiting = false
			}
		}
		timeout.Stop()
	}
}

// kernelThreads is the pid of kthreadd, the parent of all kernel threads.
const kernelThreads = 2

// anyProcess tells whether a process besides this one and the kernel's threads still runs.
func anyProcess() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() || pid == kernelThreads {
			continue
		}
		text, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// The fields after the command, which stands in parentheses, are state and parent (proc(5)).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[0] != "Z" && fields[1] != strconv.Itoa(kernelThreads) {
			return true
		}
	}
	return false
}

func childSignals() <-chan os.Signal {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	return ended
}
