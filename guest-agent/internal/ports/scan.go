package ports

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"warren/guest-agent/internal/kernelfs"
)

// Values of sock_diag(7) and <linux/inet_diag.h>.
const (
	sockDiagByFamily = 20
	netlinkSockDiag  = 4
	stateListen      = 10
	// diagRequest is the size of struct inet_diag_req_v2, diagMessage that of struct inet_diag_msg, in bytes.
	diagRequest = 56
	diagMessage = 72
)

// scanner lists the TCP sockets that listen.
type scanner struct {
	socket int
	// proc is set when the kernel cannot list sockets by netlink, and /proc is read.
	proc bool
}

// newScanner uses netlink, which visits listening sockets only; /proc/net/tcp walks the table of all connections.
func newScanner() *scanner {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	return &scanner{socket: socket, proc: err != nil}
}

func (s *scanner) close() {
	if s.socket >= 0 {
		syscall.Close(s.socket)
	}
}

// listeners returns the addresses that are listened on.
func (s *scanner) listeners() ([]netip.AddrPort, error) {
	if !s.proc {
		found, err := s.dump(syscall.AF_INET, nil)
		if err == nil {
			found, err = s.dump(syscall.AF_INET6, found)
		}
		if err == nil {
			return found, nil
		}
		// The kernel lacks the module for this.
		s.proc = true
	}
	var found []netip.AddrPort
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.Open(kernelfs.Path(path))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = parseProc(bufio.NewScanner(text), found)
		text.Close()
	}
	return found, nil
}

// dump asks for the listening sockets of one address family.
func (s *scanner) dump(family uint8, found []netip.AddrPort) ([]netip.AddrPort, error) {
	request := make([]byte, syscall.NLMSG_HDRLEN+diagRequest)
	binary.LittleEndian.PutUint32(request, uint32(len(request)))
	binary.LittleEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.LittleEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	body := request[syscall.NLMSG_HDRLEN:]
	body[0], body[1] = family, syscall.IPPROTO_TCP
	binary.LittleEndian.PutUint32(body[4:], 1<<stateListen)
	if err := syscall.Sendto(s.socket, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, err
	}
	buffer := make([]byte, 16<<10)
	for {
		n, _, err := syscall.Recvfrom(s.socket, buffer, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		var done bool
		if found, done, err = parseDump(buffer[:n], found); err != nil || done {
			return found, err
		}
	}
}

// parseDump reads the messages of one part of a dump.
func parseDump(buffer []byte, found []netip.AddrPort) (_ []netip.AddrPort, done bool, err error) {
	for len(buffer) >= syscall.NLMSG_HDRLEN {
		length := int(binary.LittleEndian.Uint32(buffer))
		if length < syscall.NLMSG_HDRLEN || length > len(buffer) {
			return found, false, fmt.Errorf("a netlink message is truncated")
		}
		body := buffer[syscall.NLMSG_HDRLEN:length]
		switch binary.LittleEndian.Uint16(buffer[4:]) {
		case syscall.NLMSG_DONE:
			return found, true, nil
		case syscall.NLMSG_ERROR:
			if len(body) < 4 {
				return found, false, fmt.Errorf("a netlink error is truncated")
			}
			return found, true, syscall.Errno(-int32(binary.LittleEndian.Uint32(body)))
		case sockDiagByFamily:
			if address, ok := parseSocket(body); ok {
				found = append(found, address)
			}
		}
		// Messages are padded to four bytes, except perhaps the last.
		if padded := (length + 3) &^ 3; padded < len(buffer) {
			buffer = buffer[padded:]
		} else {
			buffer = nil
		}
	}
	return found, false, nil
}

// parseSocket reads the local address of a struct inet_diag_msg.
func parseSocket(body []byte) (netip.AddrPort, bool) {
	if len(body) < diagMessage || body[1] != stateListen {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(body[4:])
	switch body[0] {
	case syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4(*(*[4]byte)(body[8:12])), port), true
	case syscall.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(*(*[16]byte)(body[8:24])), port), true
	}
	return netip.AddrPort{}, false
}

// parseProc reads /proc/net/tcp or tcp6 (proc(5)). The kernel lists listening sockets first, so the first other one ends it.
func parseProc(lines *bufio.Scanner, found []netip.AddrPort) []netip.AddrPort {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[0] == "sl" {
			continue
		}
		if fields[3] != "0A" {
			break
		}
		if address, ok := parseProcAddress(fields[1]); ok {
			found = append(found, address)
		}
	}
	return found
}

// parseProcAddress reads an address whose 32-bit words are printed as little-endian numbers, and a port.
func parseProcAddress(text string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	raw, hexErr := hex.DecodeString(address)
	if !ok || err != nil || hexErr != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip, uint16(number)), true
}
