package rpc

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/users"
)

const (
	// maxTimeoutDigits is the length limit of Connect-Timeout-Ms.
	maxTimeoutDigits = 10
	// defaultKeepalive applies when a client asks for no interval or for one that is not valid.
	defaultKeepalive = 90 * time.Second
)

// Call is what a handler may know of a request besides its message.
type Call struct {
	// Timeout is the deadline asked for by Connect-Timeout-Ms; 0 = none.
	Timeout time.Duration
	// Keepalive is the interval of keepalive messages on a stream.
	Keepalive time.Duration

	username string
	resolve  UserResolver
}

// UserResolver finds a user of the image by name; "" stands for the default user.
type UserResolver func(username string) (users.User, error)

// User is the user that the caller named, or the default user.
func (c *Call) User() (users.User, error) {
	user, err := c.resolve(c.username)
	if err != nil {
		return users.User{}, Errorf(Unauthenticated, "%v", err)
	}
	return user, nil
}

// method serves one procedure after the checks that all of them share.
type method struct {
	streaming bool
	serve     func(w http.ResponseWriter, r *http.Request, call *Call)
}

// Mux routes calls to methods.
type Mux struct {
	resolve UserResolver
	methods map[string]method
}

// NewMux makes an empty Mux.
func NewMux(resolve UserResolver) *Mux {
	return &Mux{resolve: resolve, methods: map[string]method{}}
}

// Unary adds a call with one request and one response message.
func Unary[Request any](m *Mux, path string, decode func(*Object) Request, handle func(context.Context, *Call, Request) (any, error)) {
	m.methods[path] = method{serve: func(w http.ResponseWriter, r *http.Request, call *Call) {
		ctx, cancel := withTimeout(r.Context(), call.Timeout)
		defer cancel()
		answer, err := func() (any, error) {
			request, err := readUnary(r, decode)
			if err != nil {
				return nil, err
			}
			return handle(ctx, call, request)
		}()
		if err != nil {
			httpapi.Drain(r)
			writeUnaryError(w, errorOf(err))
			return
		}
		if writer, ok := answer.(io.WriterTo); ok {
			w.Header().Set("Content-Type", "application/json")
			// The status is out by the time of a write error, which means that the client has gone.
			_, _ = writer.WriteTo(w)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}}
}

// ServerStream adds a call with one request message and a stream of responses. The handler bounds itself by Call.Timeout.
func ServerStream[Request any](m *Mux, path string, decode func(*Object) Request, handle func(context.Context, *Call, Request, *Stream) error) {
	m.methods[path] = method{streaming: true, serve: func(w http.ResponseWriter, r *http.Request, call *Call) {
		stream := newStream(w, r)
		stream.end(func() error {
			request, err := readOnly(r.Body, decode)
			if err != nil {
				return err
			}
			return handle(r.Context(), call, request, stream)
		}())
	}}
}

// ClientStream adds a call with a stream of request messages and one response. The handler returns when next says io.EOF.
func ClientStream[Request any](m *Mux, path string, decode func(*Object) Request, handle func(ctx context.Context, call *Call, next func() (Request, error)) (any, error)) {
	m.methods[path] = method{streaming: true, serve: func(w http.ResponseWriter, r *http.Request, call *Call) {
		ctx, cancel := withTimeout(r.Context(), call.Timeout)
		defer cancel()
		stream := newStream(w, r)
		answer, err := handle(ctx, call, func() (Request, error) { return readNext(r.Body, decode) })
		if err == nil {
			err = stream.Send(answer)
		}
		stream.end(err)
	}}
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, ok := m.methods[r.URL.Path]
	if !ok {
		writeJSON(w, http.StatusNotFound, Errorf(Unimplemented, "there is no procedure %s", r.URL.Path))
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeJSON(w, http.StatusMethodNotAllowed, Errorf(Unimplemented, "procedures are called with POST"))
		return
	}
	accepted := "application/json"
	if target.streaming {
		accepted = "application/connect+json"
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != accepted {
		w.Header().Set("Accept-Post", accepted)
		writeJSON(w, http.StatusUnsupportedMediaType, Errorf(Unimplemented, "the content type of this procedure is %s", accepted))
		return
	}
	call, err := m.newCall(r, target.streaming)
	if err != nil {
		if target.streaming {
			newStream(w, r).end(err)
		} else {
			writeUnaryError(w, errorOf(err))
		}
		return
	}
	target.serve(w, r, call)
}

// newCall reads the headers of a call. A user that is named must exist, also for calls that need no user.
func (m *Mux) newCall(r *http.Request, streaming bool) (*Call, error) {
	call := &Call{resolve: m.resolve}
	if version := r.Header.Get("Connect-Protocol-Version"); version != "" && version != "1" {
		return nil, Errorf(InvalidArgument, "Connect-Protocol-Version must be 1, not %q", version)
	}
	encoding := "Content-Encoding"
	if streaming {
		encoding = "Connect-Content-Encoding"
	}
	if value := r.Header.Get(encoding); value != "" && value != "identity" {
		return nil, Errorf(Unimplemented, "unknown compression %q: only identity is supported", value)
	}
	timeout, err := parseTimeout(r.Header.Get("Connect-Timeout-Ms"))
	if err != nil {
		return nil, err
	}
	call.Timeout = timeout
	call.Keepalive = parseKeepalive(r.Header.Get("Keepalive-Ping-Interval"))
	if username, _, ok := r.BasicAuth(); ok {
		call.username = username
		if _, err := call.User(); err != nil {
			return nil, err
		}
	}
	return call, nil
}

func parseTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) > maxTimeoutDigits {
		return 0, Errorf(InvalidArgument, "Connect-Timeout-Ms must be an integer of at most %d digits, not %q", maxTimeoutDigits, text)
	}
	return time.Duration(value) * time.Millisecond, nil
}

func parseKeepalive(text string) time.Duration {
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil || seconds == 0 {
		return defaultKeepalive
	}
	return time.Duration(seconds) * time.Second
}

func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

func readUnary[Request any](r *http.Request, decode func(*Object) Request) (request Request, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxMessage+1))
	if err != nil {
		return request, Errorf(InvalidArgument, "reading the body: %v", err)
	}
	if len(body) > MaxMessage {
		return request, Errorf(ResourceExhausted, "the message is larger than the maximum of %d bytes", MaxMessage)
	}
	return decodeMessage(body, decode)
}

// readOnly reads the single message of a server stream. Reading up to the end of the body is what lets the HTTP server notice
// a client that disconnects later.
func readOnly[Request any](body io.Reader, decode func(*Object) Request) (request Request, err error) {
	payload, err := readMessage(body)
	if err == io.EOF {
		return request, Errorf(InvalidArgument, "the request has no message")
	}
	if err != nil {
		return request, err
	}
	if _, err := readMessage(body); err == nil {
		return request, Errorf(InvalidArgument, "the request has more than one message")
	} else if err != io.EOF {
		return request, err
	}
	return decodeMessage(payload, decode)
}

func readNext[Request any](body io.Reader, decode func(*Object) Request) (request Request, err error) {
	payload, err := readMessage(body)
	if err != nil {
		return request, err
	}
	return decodeMessage(payload, decode)
}

func decodeMessage[Request any](payload []byte, decode func(*Object) Request) (request Request, err error) {
	object, err := ParseObject(payload)
	if err != nil {
		return request, err
	}
	request = decode(object)
	return request, object.Err()
}

func writeUnaryError(w http.ResponseWriter, err *Error) { writeJSON(w, err.Code.HTTPStatus(), err) }

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A write error means that the client has gone.
	_, _ = w.Write(body)
}
