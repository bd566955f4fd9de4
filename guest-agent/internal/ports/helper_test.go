package ports

import (
	"net"
	"syscall"
	"testing"
	"unsafe"

	"warren/guest-agent/internal/nstest"
)

// TestMain runs the tests in a network namespace of their own: forwarding concerns every listener of a network.
func TestMain(m *testing.M) { nstest.Main(m, syscall.CLONE_NEWNET, loopbackUp) }

func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	// struct ifreq: a name of 16 bytes and, here, flags.
	var request [40]byte
	copy(request[:], "lo")
	*(*uint16)(unsafe.Pointer(&request[16])) = syscall.IFF_UP | syscall.IFF_RUNNING
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	nstest.Need(t)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
