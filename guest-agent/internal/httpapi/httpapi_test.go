package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"
	"unsafe"
)

func TestWriteError(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		body   string
	}{
		{Errorf(404, "no %s", "file"), 404, `{"code":404,"message":"no file"}`},
		{fmt.Errorf("wrapped: %w", Errorf(400, "bad")), 400, `{"code":400,"message":"wrapped: bad"}`},
		{errors.New("broken"), 500, `{"code":500,"message":"broken"}`},
	} {
		recorder := httptest.NewRecorder()
		WriteError(recorder, test.err)
		if recorder.Code != test.status || recorder.Body.String() != test.body || recorder.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: %d %s", test.err, recorder.Code, recorder.Body)
		}
	}
	recorder := httptest.NewRecorder()
	WriteJSON(recorder, 200, func() {})
	if recorder.Code != 500 || recorder.Body.String() != `{"code":500,"message":"the answer cannot be encoded"}` {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

// pair is a Connection and its other side.
func pair(t *testing.T) (*Connection, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := Listener{listener.(*net.TCPListener)}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		accepted.Close()
	})
	return accepted.(*Connection), client.(*net.TCPConn)
}

func TestGatheredWritesArriveTogether(t *testing.T) {
	server, client := pair(t)
	failure := errors.New("stop")
	for round := 0; round < 3; round++ {
		err := server.Gather(func() error {
			for _, text := range []string{"one ", "two ", "three"} {
				if n, err := io.WriteString(server, text); err != nil || n != len(text) {
					return err
				}
			}
			if _, err := server.ReadFrom(nil); err == nil {
				t.Error("a file can be sent in between")
			}
			return failure
		})
		if err != failure {
			t.Error(err)
		}
		buffer := make([]byte, 100)
		if n, err := client.Read(buffer); err != nil || string(buffer[:n]) != "one two three" {
			t.Errorf("%q %v", buffer[:n], err)
		}
	}
	if err := server.Gather(func() error { return nil }); err != nil {
		t.Error(err)
	}
	var none *Connection
	if err := none.Gather(func() error { return failure }); err != failure {
		t.Error(err)
	}
}

// readable tells whether the kernel calls a connection readable once count bytes have arrived.
func readable(t *testing.T, c *Connection, count int32) (ready bool) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(descriptor uintptr) {
		for arrived := int32(-1); arrived != count; {
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, descriptor, syscall.TIOCINQ, uintptr(unsafe.Pointer(&arrived))); errno != 0 {
				t.Error(errno)
				return
			}
		}
		var set syscall.FdSet
		set.Bits[descriptor/64] |= 1 << (descriptor % 64)
		n, err := syscall.Select(int(descriptor)+1, &set, nil, nil, &syscall.Timeval{})
		if err != nil {
			t.Error(err)
		}
		ready = n > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return ready
}

func TestExpect(t *testing.T) {
	server, client := pair(t)
	send := func(size int) {
		t.Helper()
		if _, err := client.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Expect(200_000); err != nil {
		t.Fatal(err)
	}
	send(150_000)
	if readable(t, server, 150_000) {
		t.Error("readable before what is expected has arrived")
	}
	send(50_000)
	if !readable(t, server, 200_000) {
		t.Error("not readable")
	}
	if _, err := io.CopyN(io.Discard, server, 200_000); err != nil {
		t.Fatal(err)
	}
	send(10)
	if readable(t, server, 10) {
		t.Error("the expectation is gone")
	}
	if err := server.Expect(0); err != nil || !readable(t, server, 10) {
		t.Errorf("without an expectation: %v", err)
	}
	// The end of the other side is noticed whatever is expected.
	if err := server.Expect(1000); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(server); err != nil || len(rest) != 10 {
		t.Errorf("%d %v", len(rest), err)
	}
}

func TestConnectionOfARequest(t *testing.T) {
	server, client := pair(t)
	if ConnectionOf(WithConnection(context.Background(), server)) != server {
		t.Error("the connection is lost")
	}
	if ConnectionOf(context.Background()) != nil || ConnectionOf(WithConnection(context.Background(), client)) != nil {
		t.Error("a connection of another kind is taken for one")
	}
}
