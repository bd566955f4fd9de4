package identity

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// System is what /init changes outside of the agent.
type System interface {
	// Now is the wall-clock time.
	Now() time.Time
	// SetClock steps the wall clock.
	SetClock(time.Time) error
	// AddEntropy mixes random bytes into the kernel's generator and makes it use them at once.
	AddEntropy([]byte) error
	// SetHostname names the machine.
	SetHostname(string) error
	// Hostname is the name of the machine.
	Hostname() (string, error)
}

// Kernel is the system this process runs on.
type Kernel struct {
	// random is the device of the random generator, which the guest may take away later.
	random int
}

// OpenKernel opens what the methods need.
func OpenKernel() (Kernel, error) {
	random, err := syscall.Open("/dev/urandom", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return Kernel{}, fmt.Errorf("opening the random generator: %w", err)
	}
	return Kernel{random}, nil
}

// Now implements System.
func (Kernel) Now() time.Time { return time.Now() }

// SetClock implements System with clock_settime(2).
func (Kernel) SetClock(to time.Time) error {
	const clockRealtime = 0
	value := syscall.NsecToTimespec(to.UnixNano())
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_SETTIME, clockRealtime, uintptr(unsafe.Pointer(&value)), 0); errno != 0 {
		return fmt.Errorf("setting the clock: %w", errno)
	}
	return nil
}

// Requests of random(4) on amd64 and arm64.
const (
	rndAddEntropy = 0x40085203
	rndReseedCRNG = 0x5207
)

// AddEntropy implements System. All bits are credited: they come from the host's generator.
func (k Kernel) AddEntropy(random []byte) error {
	// struct rand_pool_info: bits of entropy, size in bytes, data.
	info := make([]byte, 8+len(random))
	*(*int32)(unsafe.Pointer(&info[0])) = int32(len(random) * 8)
	*(*int32)(unsafe.Pointer(&info[4])) = int32(len(random))
	copy(info[8:], random)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(k.random), rndAddEntropy, uintptr(unsafe.Pointer(&info[0]))); errno != 0 {
		return fmt.Errorf("adding entropy: %w", errno)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(k.random), rndReseedCRNG, 0); errno != 0 {
		return fmt.Errorf("reseeding the random generator: %w", errno)
	}
	return nil
}

// SetHostname implements System.
func (Kernel) SetHostname(name string) error {
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	return nil
}

// Hostname implements System with uname(2), which needs no file.
func (Kernel) Hostname() (string, error) {
	var names syscall.Utsname
	if err := syscall.Uname(&names); err != nil {
		return "", fmt.Errorf("reading the host name: %w", err)
	}
	var name []byte
	for _, letter := range names.Nodename {
		if letter == 0 {
			break
		}
		name = append(name, byte(letter))
	}
	return string(name), nil
}
