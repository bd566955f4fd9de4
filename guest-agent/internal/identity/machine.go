package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"syscall"

	"warren/guest-agent/internal/textfile"
)

// bootIDPath is the file of the kernel that tells one boot of a machine from others (random(4)).
const bootIDPath = "/proc/sys/kernel/random/boot_id"

// writeMachineID gives the machine the id of a sandbox (machine-id(5)). It follows from the sandbox's own, so that copies of a
// sandbox have others, and it needs to be kept nowhere.
func writeMachineID(root, sandboxID string) error {
	id := derivedID("machine", sandboxID)
	return textfile.Replace(filepath.Join(root, "etc/machine-id"), hex.EncodeToString(id[:])+"\n")
}

// writeHostname writes the name that the machine has from the next boot on, which programs take for the present one.
func writeHostname(root, hostname string) error {
	return textfile.Replace(filepath.Join(root, "etc/hostname"), hostname+"\n")
}

// derivedID is a random-looking UUID for a purpose.
func derivedID(purpose, sandboxID string) (id [16]byte) {
	sum := sha256.Sum256([]byte("warren " + purpose + " id of " + sandboxID))
	copy(id[:], sum[:])
	// Version 4 and the variant of RFC 9562, as machine-id(5) wants them.
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// BootID gives copies of a machine boot ids of their own. The kernel draws its id at the first look at it, so that copies of a
// machine on which nobody has looked differ by themselves. Only when somebody has, another id is mounted over the kernel's in the
// copy: a file system of processes with something mounted on it can no longer be mounted by unprivileged containers
// (user_namespaces(7)).
type BootID struct {
	// file is what is mounted.
	file string
	// events tell of looks at the kernel's id.
	events  int
	mounted bool
}

// WatchBootID looks out for looks at the kernel's id. file is what is written when it is to be replaced.
func WatchBootID(file string) (*BootID, error) {
	// Held open, so that every look at the file is one at this inode.
	const pathOnly = 0x200000 // O_PATH
	if _, err := syscall.Open(bootIDPath, pathOnly|syscall.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("watching %s: %w", bootIDPath, err)
	}
	events, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err == nil {
		_, err = syscall.InotifyAddWatch(events, bootIDPath, syscall.IN_ACCESS|syscall.IN_ONESHOT)
	}
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", bootIDPath, err)
	}
	return &BootID{file: file, events: events}, nil
}

// renew gives the machine, which is a copy, an id that follows from its sandbox's.
func (b *BootID) renew(sandboxID string) error {
	if b == nil || !b.mounted && !b.seen() {
		return nil
	}
	id := derivedID("boot", sandboxID)
	text := fmt.Sprintf("%x-%x-%x-%x-%x\n", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if err := textfile.Replace(b.file, text); err != nil || b.mounted {
		return err
	}
	if err := syscall.Mount(b.file, bootIDPath, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", bootIDPath, err)
	}
	b.mounted = true
	return nil
}

// seen tells whether somebody has looked.
func (b *BootID) seen() bool {
	var event [4096]byte
	n, _ := syscall.Read(b.events, event[:])
	return n > 0
}
