// Package rpctest is a Connect client for tests.
package rpctest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"warren/guest-agent/internal/httpapi"
)

// Timeout bounds every wait of a test. It is far beyond what any of them needs.
const Timeout = time.Minute

// Client calls a server.
type Client struct {
	t testing.TB
	// URL is the base of all addresses.
	URL string
	// Header is sent with every request.
	Header http.Header
	// User is sent by basic authentication unless it is empty.
	User string
}

// New serves a handler on loopback until the test ends.
func New(t testing.TB, handler http.Handler) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Listener = httpapi.Listener{TCPListener: server.Listener.(*net.TCPListener)}
	server.Config.ConnContext = httpapi.WithConnection
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return &Client{t: t, URL: server.URL, Header: http.Header{}}
}

// As is the same client for another user.
func (c *Client) As(user string) *Client {
	other := *c
	other.User = user
	return &other
}

// With is the same client with one more header.
func (c *Client) With(name, value string) *Client {
	other := *c
	other.Header = c.Header.Clone()
	other.Header.Set(name, value)
	return &other
}

// Failure is an error of the protocol.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Response is the answer of a unary call.
type Response struct {
	Status  int
	Body    json.RawMessage
	Failure Failure
}

// Unary makes a unary call. The request is marshalled unless it is a string of JSON.
func (c *Client) Unary(path string, request any) Response {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	answer, err := c.post(ctx, path, "application/json", bytes.NewReader(c.marshal(request)))
	if err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	response := Response{Status: answer.StatusCode, Body: body}
	if answer.StatusCode != http.StatusOK {
		if err := json.Unmarshal(body, &response.Failure); err != nil {
			c.t.Fatalf("%s: status %d with body %q", path, answer.StatusCode, body)
		}
	}
	return response
}

// Must makes a unary call that succeeds and decodes its answer.
func (c *Client) Must(path string, request, answer any) {
	c.t.Helper()
	response := c.Unary(path, request)
	if response.Status != http.StatusOK {
		c.t.Fatalf("%s: %d %s", path, response.Status, response.Body)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(response.Body, answer); err != nil {
		c.t.Fatalf("%s: %v in %s", path, err, response.Body)
	}
}

// WantFailure makes a unary call that fails with a code, and returns its message.
func (c *Client) WantFailure(path string, request any, code string) string {
	c.t.Helper()
	response := c.Unary(path, request)
	if response.Failure.Code != code {
		c.t.Fatalf("%s %v: got %d %s, want code %s", path, request, response.Status, response.Body, code)
	}
	return response.Failure.Message
}

func (c *Client) marshal(request any) []byte {
	if text, ok := request.(string); ok {
		return []byte(text)
	}
	body, err := json.Marshal(request)
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}

func (c *Client) post(ctx context.Context, path, contentType string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header = c.Header.Clone()
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Connect-Protocol-Version", "1")
	if c.User != "" {
		request.SetBasicAuth(c.User, "")
	}
	return http.DefaultClient.Do(request)
}

// Envelope is one message of a streaming request.
func Envelope(flags byte, payload []byte) []byte {
	frame := make([]byte, 5, 5+len(payload))
	frame[0] = flags
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	return append(frame, payload...)
}

// Stream is an open response stream.
type Stream struct {
	t      testing.TB
	path   string
	body   io.ReadCloser
	cancel context.CancelFunc
	// Response is the HTTP answer.
	Response *http.Response
}

// Open makes a streaming call with the given messages. The stream is closed when the test ends, at the latest.
func (c *Client) Open(path string, messages ...any) *Stream {
	c.t.Helper()
	var body bytes.Buffer
	for _, message := range messages {
		body.Write(Envelope(0, c.marshal(message)))
	}
	return c.OpenRaw(path, &body)
}

// OpenRaw makes a streaming call with a body as it is.
func (c *Client) OpenRaw(path string, body io.Reader) *Stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	response, err := c.post(ctx, path, "application/connect+json", body)
	if err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	return &Stream{t: c.t, path: path, body: response.Body, cancel: cancel, Response: response}
}

// Close breaks the connection.
func (s *Stream) Close() {
	s.cancel()
	s.body.Close()
}

// Raw reads one envelope. io.EOF means that the body ended between two envelopes.
func (s *Stream) Raw() (flags byte, payload []byte, err error) {
	watchdog := time.AfterFunc(Timeout, s.cancel)
	defer watchdog.Stop()
	var header [5]byte
	if _, err := io.ReadFull(s.body, header[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(header[1:]))
	_, err = io.ReadFull(s.body, payload)
	return header[0], payload, err
}

// Next decodes the next message. ok is false at the end of the stream, whose failure is returned; its code is "" for a good end.
func (s *Stream) Next(message any) (failure Failure, ok bool) {
	s.t.Helper()
	flags, payload, err := s.Raw()
	if err != nil {
		s.t.Fatalf("%s: reading the stream: %v", s.path, err)
	}
	if flags&2 == 0 {
		if err := json.Unmarshal(payload, message); err != nil {
			s.t.Fatalf("%s: %v in %s", s.path, err, payload)
		}
		return failure, true
	}
	var end struct {
		Error Failure `json:"error"`
	}
	if err := json.Unmarshal(payload, &end); err != nil {
		s.t.Fatalf("%s: %v in %s", s.path, err, payload)
	}
	if _, _, err := s.Raw(); !errors.Is(err, io.EOF) {
		s.t.Fatalf("%s: the body goes on after the end of the stream: %v", s.path, err)
	}
	return end.Error, false
}
