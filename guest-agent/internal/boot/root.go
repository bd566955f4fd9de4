package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// newRoot is where the root file system is mounted before it becomes the root.
const newRoot = "/newroot"

// mount is one file system to mount.
type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
	// mode is that of the mount point when it has to be made.
	mode os.FileMode
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, m.mode); err != nil {
		return fmt.Errorf("making mount point %s: %w", m.target, err)
	}
	if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
		return fmt.Errorf("mounting %s (%s) on %s: %w", m.source, m.kind, m.target, err)
	}
	return nil
}

const restricted = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC

// earlyMounts are needed to find the root file system, and move into it.
var earlyMounts = []mount{
	{"devtmpfs", "/dev", "devtmpfs", syscall.MS_NOSUID, "mode=0755", 0o755},
	{"proc", "/proc", "proc", restricted, "", 0o555},
	{"sysfs", "/sys", "sysfs", restricted, "", 0o555},
}

// terminals are mounted in the root file system. Group 5 is tty in every distribution's base files.
var terminals = mount{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", 0o755}

// temporaryMounts are made in the root file system. The agent holds none of them: what is in them goes when they are unmounted.
var temporaryMounts = []mount{
	{"tmpfs", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777", 0o1777},
	{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0755", 0o755},
}

// msLazyTime is MS_LAZYTIME of linux/mount.h.
const msLazyTime = 1 << 25

// mountRoot mounts the root file system from a block device.
func mountRoot(device string) error {
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	// Access times are not kept: they would change blocks, and so the size of what is frozen, for every read. Other times are
	// written with the rest of an inode, or when it leaves memory (lazytime), not for each write to a file. Nor does the kernel
	// read or write tables of the file system ahead of need: it would go on with that in every thawed copy.
	const flags = syscall.MS_NOATIME | msLazyTime
	if err := syscall.Mount(device, newRoot, "ext4", flags, "noinit_itable,no_prefetch_block_bitmaps"); err != nil {
		return fmt.Errorf("mounting the root file system %s (ext4): %w", device, err)
	}
	return nil
}

// switchRoot makes the mounted root file system the root of this process and frees the memory of the initramfs. The initramfs
// cannot be unmounted or pivoted away, so the new root is moved over it (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
func switchRoot() error {
	for _, early := range earlyMounts {
		target := newRoot + early.target
		if err := os.MkdirAll(target, early.mode); err != nil {
			return fmt.Errorf("making mount point %s: %w", early.target, err)
		}
		if err := syscall.Mount(early.target, target, "", syscall.MS_MOVE, ""); err != nil {
			return fmt.Errorf("moving %s into the root file system: %w", early.target, err)
		}
	}
	var here syscall.Stat_t
	if err := syscall.Stat("/", &here); err != nil {
		return err
	}
	if err := removeOn("/", here.Dev); err != nil {
		return fmt.Errorf("emptying the initramfs: %w", err)
	}
	if err := syscall.Chdir(newRoot); err != nil {
		return err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving the root file system into place: %w", err)
	}
	if err := syscall.Chroot("."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	return syscall.Chdir("/")
}

// removeOn removes what lies in a directory on the given device, and leaves mount points alone.
func removeOn(directory string, device uint64) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		var status syscall.Stat_t
		if err := syscall.Lstat(path, &status); err != nil {
			return err
		}
		if status.Dev != device {
			continue
		}
		if entry.IsDir() {
			if err := removeOn(path, device); err != nil {
				return err
			}
			// A directory that holds a mount point stays.
			if err := syscall.Rmdir(path); err != nil && err != syscall.ENOTEMPTY && err != syscall.EBUSY {
				return err
			}
			continue
		}
		if err := syscall.Unlink(path); err != nil {
			return err
		}
	}
	return nil
}
