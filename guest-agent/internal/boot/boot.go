// Package boot turns process 1 of an initramfs into process 1 of a running system: it loads kernel modules, mounts the root
// file system from its block device, moves into it, and sets up what programs expect of a Linux system.
package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"warren/guest-agent/internal/hosts"
	"warren/guest-agent/internal/kernelfs"
)

// Types of the file system that an initramfs is unpacked into (statfs(2)).
const (
	ramfsMagic = 0x858458f6
	tmpfsMagic = 0x01021994
)

// Required reports whether this process is to boot the system: it is process 1 and its root is an initramfs. Process 1 of a
// container has another root.
func Required() bool {
	var root syscall.Statfs_t
	if os.Getpid() != 1 || syscall.Statfs("/", &root) != nil {
		return false
	}
	return root.Type == ramfsMagic || root.Type == tmpfsMagic
}

// Run boots the system. After an error the system is of no use.
func Run() (Parameters, error) {
	for _, early := range earlyMounts {
		if err := early.do(); err != nil {
			return Parameters{}, err
		}
	}
	openStandardStreams()
	openConsole()
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return Parameters{}, err
	}
	parameters, err := ParseCommandLine(string(text))
	if err != nil {
		return parameters, err
	}
	return parameters, boot(parameters)
}

func boot(parameters Parameters) error {
	devices, err := listenForDevices()
	if err != nil {
		return err
	}
	defer devices.close()
	if err := loadModules("/modules"); err != nil {
		return err
	}
	if err := devices.await(parameters.Root); err != nil {
		return err
	}
	if err := mountRoot(parameters.Root); err != nil {
		return err
	}
	if parameters.Address != nil {
		if err := devices.await("/sys/class/net/" + card); err != nil {
			return err
		}
	}
	if err := switchRoot(); err != nil {
		return err
	}
	return setUp(parameters)
}

// setUp makes the root file system a running system.
func setUp(parameters Parameters) error {
	if err := terminals.do(); err != nil {
		return err
	}
	if err := mountControlGroups(); err != nil {
		return err
	}
	if err := kernelfs.Hold(); err != nil {
		return err
	}
	for _, late := range temporaryMounts {
		if err := late.do(); err != nil {
			return err
		}
	}
	if err := completeDirectories("/"); err != nil {
		return err
	}
	if err := setLimits(); err != nil {
		return err
	}
	tuneKernel()
	if err := configureNetwork(parameters); err != nil {
		return err
	}
	if err := writeResolver("/", parameters.DNS); err != nil {
		return err
	}
	if err := hosts.Write("/", parameters.Hostname); err != nil {
		return err
	}
	return syscall.Sethostname([]byte(parameters.Hostname))
}

// openStandardStreams opens descriptors 0 to 2 on the console when the kernel could not, because the initramfs has no device
// nodes of its own.
func openStandardStreams() {
	for descriptor := 0; descriptor <= 2; descriptor++ {
		var status syscall.Stat_t
		if syscall.Fstat(descriptor, &status) == nil {
			continue
		}
		opened, err := syscall.Open("/dev/console", syscall.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			opened, err = syscall.Open(os.DevNull, syscall.O_RDWR, 0)
		}
		// Without any of the two there is nobody to tell.
		if err == nil && opened != descriptor {
			_ = syscall.Dup3(opened, descriptor, 0)
			syscall.Close(opened)
		}
	}
}

// completeDirectories makes what programs take for granted and what an image may lack.
func completeDirectories(root string) error {
	links := map[string]string{"dev/fd": "/proc/self/fd", "dev/stdin": "/proc/self/fd/0", "dev/stdout": "/proc/self/fd/1", "dev/stderr": "/proc/self/fd/2"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	for _, name := range []string{"tmp", "var/tmp", "run/lock"} {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, os.ModeSticky|0o777); err != nil {
			return err
		}
	}
	return nil
}

// ControlGroups is where the control groups (version 2) are mounted.
const ControlGroups = "/sys/fs/cgroup"

// mountControlGroups mounts cgroup2. Moving processes between groups is made cheap at the cost of slower forks where the kernel
// offers that (favordynmods, Linux 6.0).
func mountControlGroups() error {
	groups := mount{"cgroup2", ControlGroups, "cgroup2", restricted, "favordynmods", 0o755}
	if groups.do() == nil {
		return nil
	}
	groups.options = ""
	return groups.do()
}

// Limits of open files of every process.
const (
	openFilesSoft = 65536
	openFilesHard = 1048576
)

func setLimits() error {
	syscall.Umask(0o022)
	files := syscall.Rlimit{Cur: openFilesSoft, Max: openFilesHard}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("setting the limit of open files: %w", err)
	}
	return nil
}

// settings of the kernel, below /proc/sys.
var settings = map[string]string{
	"fs/inotify/max_user_watches":   "65536",
	"fs/inotify/max_user_instances": "1024",
	"fs/inotify/max_queued_events":  "65536",
	// What is in a directory that all may write to leads nobody astray but its owner, as on Debian.
	"fs/protected_symlinks":  "1",
	"fs/protected_hardlinks": "1",
	"fs/protected_fifos":     "1",
	"fs/protected_regular":   "2",
	// Periodic work that only costs wake-ups in a small virtual machine: statistics are folded in every two minutes, the
	// lock-up detectors are off, and memory is compacted when it has to be.
	"vm/stat_interval":            "120",
	"vm/compaction_proactiveness": "0",
	"kernel/watchdog":             "0",
}

// tuneKernel applies settings. A kernel may lack some of them.
func tuneKernel() {
	for name, value := range settings {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			Log("kernel setting %s: %v", strings.ReplaceAll(name, "/", "."), err)
		}
	}
}

// console is where lines are logged. A machine without one has standard error on the null device.
var console = os.Stderr

// openConsole opens the console once: later the guest may have put anything in its place.
func openConsole() {
	if opened, err := os.OpenFile("/dev/console", os.O_WRONLY|syscall.O_NOCTTY, 0); err == nil {
		console = opened
	}
}

// Log writes a line to the console.
func Log(format string, arguments ...any) {
	_, _ = fmt.Fprintf(console, "warren-guest-agent: "+format+"\n", arguments...)
}
