package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"warren/guest-agent/internal/nonblocking"
)

// Connection is a TCP connection of the server that can gather writes and wait for larger reads. In a virtual machine each packet
// and each wake-up is dear, and the HTTP server of the standard library writes a chunk in three pieces.
type Connection struct {
	*net.TCPConn
	descriptor nonblocking.Descriptor

	gathering bool
	gathered  []byte
	// lowWater is the number of bytes that the socket waits for before it is readable.
	lowWater int
}

// maxKept is the largest buffer that a connection keeps for the next time, in bytes.
const maxKept = 256 << 10

// Listener accepts Connections.
type Listener struct {
	*net.TCPListener
}

// Accept implements net.Listener.
func (l Listener) Accept() (net.Conn, error) {
	connection, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	descriptor, err := nonblocking.Of(connection)
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &Connection{TCPConn: connection, descriptor: descriptor, lowWater: 1}, nil
}

type connectionKey struct{}

// WithConnection adds the connection of a request to its context.
func WithConnection(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// ConnectionOf is the connection of a request; nil when it is of another kind.
func ConnectionOf(ctx context.Context) *Connection {
	connection, _ := ctx.Value(connectionKey{}).(*Connection)
	return connection
}

// Read implements net.Conn.
func (c *Connection) Read(data []byte) (int, error) { return c.descriptor.Read(data) }

// Write implements net.Conn.
func (c *Connection) Write(data []byte) (int, error) {
	if c.gathering {
		c.gathered = append(c.gathered, data...)
		return len(data), nil
	}
	return c.descriptor.Write(data)
}

// ReadFrom implements io.ReaderFrom, which lets the kernel send files.
func (c *Connection) ReadFrom(r io.Reader) (int64, error) {
	if c.gathering {
		return 0, errors.New("a file is sent while writes are gathered")
	}
	return c.TCPConn.ReadFrom(r)
}

// Gather calls write and sends all that it writes to the connection at once. A nil connection gathers nothing.
func (c *Connection) Gather(write func() error) error {
	if c == nil {
		return write()
	}
	c.gathering = true
	err := write()
	c.gathering = false
	if len(c.gathered) > 0 {
		if _, sendErr := c.descriptor.Write(c.gathered); err == nil {
			err = sendErr
		}
	}
	c.gathered = c.gathered[:0]
	if cap(c.gathered) > maxKept {
		c.gathered = nil
	}
	return err
}

// Expect makes the connection readable only when that many bytes have arrived, or the other side has ended. More must not be
// expected than is known to come.
func (c *Connection) Expect(bytes int) error {
	if bytes < 1 {
		bytes = 1
	}
	if bytes == c.lowWater {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var optionErr error
	err = raw.Control(func(descriptor uintptr) {
		optionErr = syscall.SetsockoptInt(int(descriptor), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	if err == nil {
		err = optionErr
	}
	if err == nil {
		c.lowWater = bytes
	}
	return err
}
