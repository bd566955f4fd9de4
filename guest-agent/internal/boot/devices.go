package boot

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// ueventGroup is the multicast group of kernel events (NETLINK_KOBJECT_UEVENT).
const ueventGroup = 1

// deviceTimeout bounds the wait for a device.
const deviceTimeout = 10 * time.Second

// deviceEvents tells when devices appear.
type deviceEvents struct {
	socket int
}

// listenForDevices subscribes to kernel events. Devices that appear afterwards are not missed.
func listenForDevices() (*deviceEvents, error) {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, syscall.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("listening for devices: %w", err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: ueventGroup}); err != nil {
		syscall.Close(socket)
		return nil, fmt.Errorf("listening for devices: %w", err)
	}
	return &deviceEvents{socket}, nil
}

func (d *deviceEvents) close() { syscall.Close(d.socket) }

// await waits until path exists. The content of events does not matter: each is a reason to look again.
func (d *deviceEvents) await(path string) error {
	deadline := time.Now().Add(deviceTimeout)
	buffer := make([]byte, 8192)
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		rest := time.Until(deadline)
		if rest <= 0 {
			return fmt.Errorf("%s did not appear within %v", path, deviceTimeout)
		}
		wait := syscall.NsecToTimeval(rest.Nanoseconds())
		if err := syscall.SetsockoptTimeval(d.socket, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &wait); err != nil {
			return err
		}
		switch _, _, err := syscall.Recvfrom(d.socket, buffer, 0); err {
		case nil, syscall.EAGAIN, syscall.EINTR, syscall.ENOBUFS:
		default:
			return fmt.Errorf("waiting for %s: %w", path, err)
		}
	}
}
