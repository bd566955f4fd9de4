package nonblocking

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pipe makes a pipe whose ends do not block.
func pipe(t *testing.T) (reader, writer *os.File, from, to Descriptor) {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	reader, writer = os.NewFile(uintptr(ends[0]), "reader"), os.NewFile(uintptr(ends[1]), "writer")
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return reader, writer, descriptorOf(t, reader), descriptorOf(t, writer)
}

func descriptorOf(t *testing.T, file syscall.Conn) Descriptor {
	t.Helper()
	descriptor, err := Of(file)
	if err != nil {
		t.Fatal(err)
	}
	return descriptor
}

func TestAllBytesPassAndTheEndIsAnEnd(t *testing.T) {
	_, writer, from, to := pipe(t)
	// Many times what a pipe holds, and more than one call takes.
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3*maxCall/16)
	go func() {
		if n, err := to.Write(sent); n != len(sent) || err != nil {
			t.Error(n, err)
		}
		writer.Close()
	}()
	received, err := io.ReadAll(from)
	if err != nil || !bytes.Equal(received, sent) {
		t.Fatalf("%d of %d bytes, %v", len(received), len(sent), err)
	}
	if n, err := from.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := from.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

func TestDeadlinesAndClosingInterrupt(t *testing.T) {
	reader, writer, from, to := pipe(t)
	for _, interrupt := range []struct {
		name string
		act  func()
		is   error
	}{
		{"deadline", func() { reader.SetReadDeadline(time.Now()); writer.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{"close", func() {
			reader.SetReadDeadline(time.Time{})
			reader.Close()
		}, nil},
	} {
		read := make(chan error, 1)
		go func() {
			_, err := from.Read(make([]byte, 1))
			read <- err
		}()
		interrupt.act()
		if err := <-read; err == nil || interrupt.is != nil && !errors.Is(err, interrupt.is) {
			t.Errorf("%s: %v", interrupt.name, err)
		}
	}
	if _, err := to.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestErrorsOfTheCallAreTold(t *testing.T) {
	reader, _, _, to := pipe(t)
	reader.Close()
	if n, err := to.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Error(n, err)
	}
}

func TestReadsOfASocketHaveItsTimeouts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	descriptor := descriptorOf(t, client.(*net.TCPConn))
	client.SetReadDeadline(time.Now())
	_, err = descriptor.Read(make([]byte, 1))
	// The HTTP server tells by this type that it interrupted a read itself.
	if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
		t.Errorf("%T %v", err, err)
	}
}
