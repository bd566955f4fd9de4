package boot

import (
	"encoding/binary"
	"fmt"
	"net"
	"syscall"
	"unsafe"
)

// native is the byte order of netlink messages; all supported architectures are little-endian.
var native = binary.LittleEndian

// route sends one rtnetlink request and waits for its acknowledgement.
func route(kind uint16, flags uint16, payload []byte) error {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	message := make([]byte, syscall.NLMSG_HDRLEN, syscall.NLMSG_HDRLEN+len(payload))
	native.PutUint32(message, uint32(cap(message)))
	native.PutUint16(message[4:], kind)
	native.PutUint16(message[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_ACK|flags)
	message = append(message, payload...)
	if err := syscall.Sendto(socket, message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 8192)
	n, _, err := syscall.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	if n < syscall.NLMSG_HDRLEN+4 || native.Uint16(answer[4:]) != syscall.NLMSG_ERROR {
		return fmt.Errorf("unexpected answer to a netlink request")
	}
	if code := int32(native.Uint32(answer[syscall.NLMSG_HDRLEN:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// attribute appends a route attribute with its padding.
func attribute(message []byte, kind uint16, value []byte) []byte {
	length := syscall.SizeofRtAttr + len(value)
	var header [syscall.SizeofRtAttr]byte
	native.PutUint16(header[:], uint16(length))
	native.PutUint16(header[2:], kind)
	message = append(append(message, header[:]...), value...)
	for len(message)%syscall.RTA_ALIGNTO != 0 {
		message = append(message, 0)
	}
	return message
}

// structure is the bytes of a fixed-size kernel structure.
func structure[T any](value *T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(value)), unsafe.Sizeof(*value))...)
}

// linkUp brings an interface up.
func linkUp(index int) error {
	link := syscall.IfInfomsg{Family: syscall.AF_UNSPEC, Index: int32(index), Flags: syscall.IFF_UP, Change: syscall.IFF_UP}
	return route(syscall.RTM_NEWLINK, 0, structure(&link))
}

// addAddress gives an interface an IPv4 address.
func addAddress(index int, address net.IP, network *net.IPNet) error {
	prefix, _ := network.Mask.Size()
	header := syscall.IfAddrmsg{Family: syscall.AF_INET, Prefixlen: uint8(prefix), Index: uint32(index)}
	message := attribute(structure(&header), syscall.IFA_LOCAL, address.To4())
	message = attribute(message, syscall.IFA_ADDRESS, address.To4())
	return route(syscall.RTM_NEWADDR, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, message)
}

// addDefaultRoute sends everything that has no other route to a gateway.
func addDefaultRoute(index int, gateway net.IP) error {
	header := syscall.RtMsg{
		Family: syscall.AF_INET, Table: syscall.RT_TABLE_MAIN, Protocol: syscall.RTPROT_BOOT,
		Scope: syscall.RT_SCOPE_UNIVERSE, Type: syscall.RTN_UNICAST,
	}
	message := attribute(structure(&header), syscall.RTA_GATEWAY, gateway.To4())
	var out [4]byte
	native.PutUint32(out[:], uint32(index))
	message = attribute(message, syscall.RTA_OIF, out[:])
	return route(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, message)
}

// neighbourMessage is struct ndmsg of linux/neighbour.h.
type neighbourMessage struct {
	family uint8
	_      [3]uint8
	index  int32
	state  uint16
	flags  uint8
	kind   uint8
}

// Constants of linux/neighbour.h.
const (
	neighbourPermanent   = 0x80
	neighbourDestination = 1
	neighbourAddress     = 2
)

// addNeighbour tells the hardware address of a neighbour for good, so that nobody has to be asked for it.
func addNeighbour(index int, neighbour net.IP, address net.HardwareAddr) error {
	header := neighbourMessage{family: syscall.AF_INET, index: int32(index), state: neighbourPermanent}
	message := attribute(structure(&header), neighbourDestination, neighbour.To4())
	message = attribute(message, neighbourAddress, address)
	return route(syscall.RTM_NEWNEIGH, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, message)
}
