package ports

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sort"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"warren/guest-agent/internal/nstest"
)

func sorted(addresses []netip.AddrPort) string {
	var texts []string
	for _, address := range addresses {
		texts = append(texts, address.String())
	}
	sort.Strings(texts)
	return strings.Join(texts, " ")
}

func TestBothWaysOfLookingSeeTheSame(t *testing.T) {
	for _, address := range []string{"127.0.0.1:4001", "0.0.0.0:4002", "[::1]:4003", "[::]:4004", "127.9.8.7:4005"} {
		listen(t, address)
	}
	connected, err := net.Dial("tcp", "127.0.0.1:4001")
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	// Go listens on all addresses with one socket for both families.
	const want = "127.0.0.1:4001 127.9.8.7:4005 [::1]:4003 [::]:4002 [::]:4004"
	netlink := newScanner()
	defer netlink.close()
	for i := 0; i < 2; i++ {
		found, err := netlink.listeners()
		if err != nil || sorted(found) != want {
			t.Errorf("netlink: %s %v", sorted(found), err)
		}
	}
	if netlink.proc {
		t.Log("the kernel of this machine has no inet_diag")
	}
	found, err := (&scanner{socket: -1, proc: true}).listeners()
	if err != nil || sorted(found) != want {
		t.Errorf("proc: %s %v", sorted(found), err)
	}
}

func TestTargets(t *testing.T) {
	f := &Forwarder{outside: netip.MustParseAddr("169.254.0.21"), excluded: 49983, forwards: map[uint16]*forward{5: {}}}
	var listeners []netip.AddrPort
	for _, address := range []string{
		"127.0.0.1:1", "127.0.0.1:2", "0.0.0.0:2", "[::1]:3", "[::1]:4", "127.0.0.1:4", "127.0.0.1:5", "169.254.0.21:5",
		"127.0.0.1:6", "169.254.0.21:6", "127.0.0.1:7", "[::]:7", "127.0.0.1:49983", "10.0.0.1:8", "[::ffff:127.0.0.1]:9", "0.0.0.0:10",
	} {
		listeners = append(listeners, netip.MustParseAddrPort(address))
	}
	var got []netip.AddrPort
	for port, target := range f.targets(listeners) {
		if port != target.Port() {
			t.Errorf("%d leads to %v", port, target)
		}
		got = append(got, target)
	}
	if want := "127.0.0.1:1 127.0.0.1:4 127.0.0.1:5 127.0.0.1:9 [::1]:3"; sorted(got) != want {
		t.Errorf("%s, want %s", sorted(got), want)
	}
}

// outside stands for the guest's address.
const outside = "127.77.0.1"

// activity is what the test says about user processes.
type activity struct {
	started   chan struct{}
	populated atomic.Bool
	asked     chan struct{}
}

func (a *activity) Started() <-chan struct{} { return a.started }

func (a *activity) Populated() (bool, error) {
	populated := a.populated.Load()
	select {
	case a.asked <- struct{}{}:
	default:
	}
	return populated, nil
}

func run(t *testing.T, active Activity) *Forwarder {
	t.Helper()
	nstest.Need(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	forwarder := New(netip.MustParseAddr(outside), 49983)
	go func() {
		defer close(done)
		forwarder.Run(ctx, active)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return forwarder
}

// echo answers each connection with its own words, after the other side has ended.
func echo(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			text, _ := io.ReadAll(connection)
			_, _ = connection.Write(append([]byte("echo "), text...))
		}()
	}
}

// eventually tries until it succeeds: a forward appears at the next look.
func eventually(t *testing.T, what string, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !try(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func reachable(port string) bool {
	connection, err := net.Dial("tcp", outside+":"+port)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

func talk(t *testing.T, port, text string) string {
	t.Helper()
	connection, err := net.Dial("tcp", outside+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestForwardAppearsAndDisappearsWithItsListener(t *testing.T) {
	run(t, nil)
	for _, address := range []string{"127.0.0.1:5001", "[::1]:5002"} {
		port := address[len(address)-4:]
		if reachable(port) {
			t.Fatalf("%s is reachable before anybody listens", port)
		}
		listener := listen(t, address)
		go echo(listener)
		eventually(t, address+" does not become reachable", func() bool { return reachable(port) })
		large := strings.Repeat("x", 1<<20)
		for _, text := range []string{"hello", "", large} {
			if got := talk(t, port, text); got != "echo "+text {
				t.Errorf("%d bytes came back for %d", len(got), len(text))
			}
		}
		listener.Close()
		eventually(t, address+" stays reachable", func() bool { return !reachable(port) })
	}
}

func TestForwardGivesWayToAServerOnAllAddresses(t *testing.T) {
	run(t, nil)
	first := listen(t, "127.0.0.1:5003")
	go echo(first)
	eventually(t, "not reachable", func() bool { return reachable("5003") })
	first.Close()
	var second net.Listener
	eventually(t, "the port is not given back", func() bool {
		var err error
		second, err = net.Listen("tcp", "0.0.0.0:5003")
		return err == nil
	})
	defer second.Close()
	go echo(second)
	if got := talk(t, "5003", "direct"); got != "echo direct" {
		t.Error(got)
	}
}

func TestNothingIsForwardedWithoutUserProcesses(t *testing.T) {
	active := &activity{started: make(chan struct{}), asked: make(chan struct{})}
	forwarder := run(t, active)
	go echo(listen(t, "127.0.0.1:5004"))
	// A process that is gone at the first look.
	active.started <- struct{}{}
	<-active.asked
	active.started <- struct{}{}
	if reachable("5004") {
		t.Error("forwarded while nothing runs")
	}
	active.populated.Store(true)
	eventually(t, "not reachable", func() bool { return reachable("5004") })
	active.populated.Store(false)
	eventually(t, "the forward outlives the last user process", func() bool { return !reachable("5004") })
	active.populated.Store(true)
	active.started <- struct{}{}
	eventually(t, "not reachable again", func() bool { return reachable("5004") })
	forwarder.Rest(context.Background())
	eventually(t, "the forward stays in a machine at rest", func() bool { return !reachable("5004") })
	active.started <- struct{}{}
	eventually(t, "not reachable after the rest", func() bool { return reachable("5004") })
}

func TestBrokenConnectionIsBrokenOnBothSides(t *testing.T) {
	run(t, nil)
	listener := listen(t, "127.0.0.1:5005")
	eventually(t, "not reachable", func() bool { return reachable("5005") })
	// Connections of the attempts so far come first.
	outer, err := net.Dial("tcp", outside+":5005")
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	if _, err := outer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for {
		inner, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := inner.Read(first); err != nil {
			inner.Close()
			continue
		}
		if err := inner.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		inner.Close()
		break
	}
	if _, err := outer.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("a reset looks like a regular end: %v", err)
	}
}

func message(kind uint16, body []byte) []byte {
	header := make([]byte, syscall.NLMSG_HDRLEN)
	binary.LittleEndian.PutUint32(header, uint32(len(header)+len(body)))
	binary.LittleEndian.PutUint16(header[4:], kind)
	return append(header, body...)
}

func TestParseDump(t *testing.T) {
	socket := make([]byte, diagMessage)
	socket[0], socket[1], socket[4], socket[5] = syscall.AF_INET, stateListen, 0x1f, 0x90
	copy(socket[8:], []byte{127, 0, 0, 1})
	found, done, err := parseDump(append(message(sockDiagByFamily, socket), message(syscall.NLMSG_DONE, make([]byte, 4))...), nil)
	if err != nil || !done || sorted(found) != "127.0.0.1:8080" {
		t.Errorf("%v %v %v", found, done, err)
	}
	if _, _, err := parseDump(message(syscall.NLMSG_ERROR, []byte{0xfe, 0xff, 0xff, 0xff}), nil); err != syscall.ENOENT {
		t.Error(err)
	}
	if _, _, err := parseDump(message(sockDiagByFamily, socket)[:40], nil); err == nil {
		t.Error("a truncated message is accepted")
	}
}

func FuzzParseDump(f *testing.F) {
	f.Add(append(message(sockDiagByFamily, make([]byte, diagMessage)), message(syscall.NLMSG_DONE, nil)...))
	f.Add(message(syscall.NLMSG_ERROR, []byte{1}))
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, buffer []byte) {
		found, _, _ := parseDump(buffer, nil)
		if len(found)*(syscall.NLMSG_HDRLEN+diagMessage) > len(buffer) {
			t.Fatalf("%d sockets in %d bytes", len(found), len(buffer))
		}
	})
}

func FuzzParseProc(f *testing.F) {
	f.Add([]byte("  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n"))
	f.Add([]byte("   0: 00000000000000000000000001000000:0050 0:0 0A\n   1: 0100007F:1F90 0 01"))
	f.Add([]byte("0: :: 0 0A\n0: 0:0 0 0A\n0: 01007F:50 0 0A"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, address := range parseProc(bufio.NewScanner(bytes.NewReader(text)), nil) {
			if !address.IsValid() {
				t.Fatal(address)
			}
		}
	})
}
