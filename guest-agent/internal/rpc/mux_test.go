package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"warren/guest-agent/internal/users"
)

// echoServer has a procedure of each kind. The message of a request is its field "text".
func echoServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := NewMux(func(name string) (users.User, error) {
		if name == "stranger" {
			return users.User{}, errors.New("invalid username: 'stranger'")
		}
		return users.User{Name: name}, nil
	})
	text := func(o *Object) string { return o.String("text") }
	respond := func(ctx context.Context, text string) (any, error) {
		switch text {
		case "wait":
			<-ctx.Done()
			return nil, ctx.Err()
		case "fail":
			return nil, Errorf(NotFound, "nothing here")
		case "break":
			return nil, errors.New("some failure")
		}
		return map[string]string{"text": text}, nil
	}
	Unary(mux, "/test.Test/Unary", text, func(ctx context.Context, _ *Call, text string) (any, error) { return respond(ctx, text) })
	ServerStream(mux, "/test.Test/Server", text, func(ctx context.Context, call *Call, text string, stream *Stream) error {
		answer, err := respond(ctx, text)
		if err != nil {
			return err
		}
		if text == "pid" {
			answer = map[string]any{"event": map[string]any{"start": map[string]any{"pid": 42}}}
		}
		return stream.Send(answer)
	})
	ClientStream(mux, "/test.Test/Client", text, func(ctx context.Context, _ *Call, next func() (string, error)) (any, error) {
		all := ""
		for {
			text, err := next()
			if err == io.EOF {
				return respond(ctx, all)
			}
			if err != nil {
				return nil, err
			}
			all += text
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

type call struct {
	method, path, body string
	header             map[string]string
}

func do(t *testing.T, server *httptest.Server, c call) (int, string, http.Header) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	request, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	kind := "application/json"
	if !strings.HasSuffix(c.path, "Unary") {
		kind = "application/connect+json"
	}
	request.Header.Set("Content-Type", kind)
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func envelope(flags byte, payload string) string {
	frame := append(reserveEnvelope(nil), payload...)
	sealEnvelope(frame, 0, flags)
	return string(frame)
}

func TestUnary(t *testing.T) {
	server := echoServer(t)
	const path = "/test.Test/Unary"
	for name, test := range map[string]struct {
		call   call
		status int
		body   string
	}{
		"good":                {call{path: path, body: `{"text":"x"}`}, 200, `{"text":"x"}`},
		"empty body":          {call{path: path}, 200, `{"text":""}`},
		"charset":             {call{path: path, body: `{"text":"x"}`, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}, 200, `{"text":"x"}`},
		"protocol version":    {call{path: path, body: `{}`, header: map[string]string{"Connect-Protocol-Version": "1"}}, 200, `{"text":""}`},
		"typed error":         {call{path: path, body: `{"text":"fail"}`}, 404, `{"code":"not_found","message":"nothing here"}`},
		"other error":         {call{path: path, body: `{"text":"break"}`}, 500, `{"code":"internal","message":"some failure"}`},
		"deadline":            {call{path: path, body: `{"text":"wait"}`, header: map[string]string{"Connect-Timeout-Ms": "20"}}, 504, `{"code":"deadline_exceeded","message":"the deadline of the call has passed"}`},
		"not JSON":            {call{path: path, body: `{`}, 400, `{"code":"invalid_argument","message":"the message is not a JSON object: unexpected end of JSON input"}`},
		"wrong type":          {call{path: path, body: `{"text":1}`}, 400, `{"code":"invalid_argument","message":"text: expected a string"}`},
		"unknown procedure":   {call{path: "/test.Test/NoUnary", body: `{}`}, 404, `{"code":"unimplemented","message":"there is no procedure /test.Test/NoUnary"}`},
		"wrong verb":          {call{method: "PUT", path: path}, 405, `{"code":"unimplemented","message":"procedures are called with POST"}`},
		"wrong content type":  {call{path: path, header: map[string]string{"Content-Type": "application/proto"}}, 415, `{"code":"unimplemented","message":"the content type of this procedure is application/json"}`},
		"wrong version":       {call{path: path, header: map[string]string{"Connect-Protocol-Version": "2"}}, 400, `{"code":"invalid_argument","message":"Connect-Protocol-Version must be 1, not \"2\""}`},
		"time-out not number": {call{path: path, header: map[string]string{"Connect-Timeout-Ms": "soon"}}, 400, `{"code":"invalid_argument","message":"Connect-Timeout-Ms must be an integer of at most 10 digits, not \"soon\""}`},
		"time-out too long":   {call{path: path, header: map[string]string{"Connect-Timeout-Ms": "12345678901"}}, 400, `{"code":"invalid_argument","message":"Connect-Timeout-Ms must be an integer of at most 10 digits, not \"12345678901\""}`},
		"compressed":          {call{path: path, header: map[string]string{"Content-Encoding": "gzip"}}, 501, `{"code":"unimplemented","message":"unknown compression \"gzip\": only identity is supported"}`},
		"unknown user":        {call{path: path, header: map[string]string{"Authorization": "Basic c3RyYW5nZXI6"}}, 401, `{"code":"unauthenticated","message":"invalid username: 'stranger'"}`},
		"known user":          {call{path: path, body: `{}`, header: map[string]string{"Authorization": "Basic cm9vdDpwYXNz"}}, 200, `{"text":""}`},
		"too large":           {call{path: path, body: `{"text":"` + strings.Repeat("x", MaxMessage) + `"}`}, 429, `{"code":"resource_exhausted","message":"the message is larger than the maximum of 16777216 bytes"}`},
	} {
		status, body, header := do(t, server, test.call)
		if status != test.status || body != test.body || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %.200q %v", name, status, body, header)
		}
	}
}

// The bytes of a stream that carries one start event and ends well.
func TestFramingOfAServerStream(t *testing.T) {
	server := echoServer(t)
	status, body, header := do(t, server, call{path: "/test.Test/Server", body: envelope(0, `{"text":"pid"}`)})
	want := "\x00\x00\x00\x00\x1e" + `{"event":{"start":{"pid":42}}}` + "\x02\x00\x00\x00\x02" + `{}`
	if status != 200 || body != want || header.Get("Content-Type") != "application/connect+json" {
		t.Errorf("%d %q %v", status, body, header)
	}
}

func TestErrorsOfStreamsTravelInTheEndFrame(t *testing.T) {
	server := echoServer(t)
	const path = "/test.Test/Server"
	message := envelope(0, `{"text":"x"}`)
	for name, test := range map[string]struct {
		call call
		end  string
	}{
		"typed error":    {call{path: path, body: envelope(0, `{"text":"fail"}`)}, `{"error":{"code":"not_found","message":"nothing here"}}`},
		"no message":     {call{path: path}, `{"error":{"code":"invalid_argument","message":"the request has no message"}}`},
		"two messages":   {call{path: path, body: message + message}, `{"error":{"code":"invalid_argument","message":"the request has more than one message"}}`},
		"cut off":        {call{path: path, body: message[:9]}, `{"error":{"code":"invalid_argument","message":"the body ends inside an envelope: 4 of 12 bytes"}}`},
		"not JSON":       {call{path: path, body: envelope(0, `[1]`)}, `{"error":{"code":"invalid_argument","message":"the message is not a JSON object: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"}}`},
		"compression":    {call{path: path, body: message, header: map[string]string{"Connect-Content-Encoding": "gzip"}}, `{"error":{"code":"unimplemented","message":"unknown compression \"gzip\": only identity is supported"}}`},
		"unknown user":   {call{path: path, body: message, header: map[string]string{"Authorization": "Basic c3RyYW5nZXI6"}}, `{"error":{"code":"unauthenticated","message":"invalid username: 'stranger'"}}`},
		"client stream":  {call{path: "/test.Test/Client", body: envelope(0, `{"text":"fa"}`) + envelope(0, `{"text":"il"}`)}, `{"error":{"code":"not_found","message":"nothing here"}}`},
		"bad in between": {call{path: "/test.Test/Client", body: message + envelope(1, `x`)}, `{"error":{"code":"invalid_argument","message":"compressed messages are not supported"}}`},
	} {
		status, body, _ := do(t, server, test.call)
		if status != 200 || body != envelope(2, test.end) {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	if status, _, _ := do(t, server, call{path: path, body: message, header: map[string]string{"Content-Type": "application/json"}}); status != 415 {
		t.Errorf("unary content type: %d", status)
	}
	if status, _, _ := do(t, server, call{method: "GET", path: path}); status != 405 {
		t.Errorf("GET: %d", status)
	}
}

func TestClientStream(t *testing.T) {
	server := echoServer(t)
	body := envelope(0, `{"text":"a"}`) + envelope(0, `{"text":"b"}`)
	for _, end := range []string{"", envelope(2, "{}")} {
		status, answer, _ := do(t, server, call{path: "/test.Test/Client", body: body + end})
		if status != 200 || answer != envelope(0, `{"text":"ab"}`)+envelope(2, `{}`) {
			t.Errorf("%d %q", status, answer)
		}
	}
}

func TestStatusOfCodes(t *testing.T) {
	for code, status := range map[Code]int{
		Canceled: 499, Unknown: 500, InvalidArgument: 400, DeadlineExceeded: 504, NotFound: 404, AlreadyExists: 409, PermissionDenied: 403,
		ResourceExhausted: 429, FailedPrecondition: 400, Aborted: 409, OutOfRange: 400, Unimplemented: 501, Internal: 500, Unavailable: 503,
		DataLoss: 500, Unauthenticated: 401,
	} {
		if code.HTTPStatus() != status {
			t.Errorf("%s: %d", code, code.HTTPStatus())
		}
	}
}

func TestKeepaliveInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{"50": 50 * time.Second, "": defaultKeepalive, "0": defaultKeepalive, "-1": defaultKeepalive, "x": defaultKeepalive, "99999999999": defaultKeepalive} {
		if got := parseKeepalive(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A client that goes away ends the call.
func TestDisconnectEndsTheCall(t *testing.T) {
	mux := NewMux(func(string) (users.User, error) { return users.User{}, nil })
	started, ended := make(chan struct{}), make(chan error, 1)
	ServerStream(mux, "/test.Test/Server", func(*Object) struct{} { return struct{}{} }, func(ctx context.Context, _ *Call, _ struct{}, _ *Stream) error {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/test.Test/Server", bytes.NewReader([]byte(envelope(0, "{}"))))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/connect+json")
	go func() {
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	<-started
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
