package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"warren/guest-agent/internal/httpapi"
)

// agent is a server whose endpoints say their names.
type agent struct {
	*Server
	t       *testing.T
	address string
	token   string
	frozen  atomic.Int32
}

func newAgent(t *testing.T, host netip.Addr) *agent {
	t.Helper()
	a := &agent{t: t}
	name := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) }
	}
	a.Server = New(Endpoints{
		RPC: name("rpc"), Files: name("files"), Compose: name("compose"), Init: name("init"),
		Freeze:      func(context.Context) error { a.frozen.Add(1); return nil },
		Unfreeze:    func(context.Context) error { a.frozen.Add(-1); return nil },
		PowerOff:    func(context.Context) error { return httpapi.Errorf(501, "not here") },
		Metrics:     func() (any, error) { return map[string]int{"ts": 1}, nil },
		Environment: func() (any, error) { return nil, errors.New("broken") },
	}, Options{Authorized: func(token string) bool { return a.token == "" || token == a.token }, Host: host})
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.address = listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- a.Serve(listener.(*net.TCPListener)) }()
	t.Cleanup(func() {
		a.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return a
}

func (a *agent) do(method, path, token string, header ...string) (*http.Response, string) {
	a.t.Helper()
	request, err := http.NewRequest(method, "http://"+a.address+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("X-Access-Token", token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response, string(body)
}

// elsewhere is an address that no test calls from.
var elsewhere = netip.MustParseAddr("192.0.2.1")

func TestHealth(t *testing.T) {
	a := newAgent(t, elsewhere)
	a.token = "secret"
	response, body := a.do("GET", "/health", "")
	if response.StatusCode != 204 || body != "" || response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %q %v", response.StatusCode, body, response.Header)
	}
}

func TestTokenIsRequiredOnceSet(t *testing.T) {
	a := newAgent(t, netip.Addr{})
	endpoints := map[string]string{
		"/process.Process/List": "POST", "/filesystem.Filesystem/Stat": "POST", "/files/compose": "POST", "/metrics": "GET", "/envs": "GET",
		"/freeze": "POST", "/unfreeze": "POST", "/poweroff": "POST", "/nowhere": "GET",
	}
	for _, token := range []string{"", "secret"} {
		a.token = token
		for path, method := range endpoints {
			response, _ := a.do(method, path, token)
			if response.StatusCode == 401 {
				t.Errorf("%s with token %q: 401", path, token)
			}
		}
		for path, method := range map[string]string{"/files": "GET", "/init": "POST", "/health": "GET"} {
			if response, _ := a.do(method, path, "whatever"); response.StatusCode == 401 {
				t.Errorf("%s checks by itself", path)
			}
		}
	}
	for path, method := range endpoints {
		for _, token := range []string{"", "wrong", "secretx"} {
			response, body := a.do(method, path, token)
			var failure map[string]any
			if err := json.Unmarshal([]byte(body), &failure); err != nil || response.StatusCode != 401 || failure["code"] != 401.0 || len(failure) != 2 || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s with token %q: %d %s", path, token, response.StatusCode, body)
			}
		}
	}
}

func TestPreflightIsAnsweredBeforeTheToken(t *testing.T) {
	a := newAgent(t, elsewhere)
	a.token = "secret"
	response, _ := a.do("OPTIONS", "/process.Process/Start", "", "Access-Control-Request-Headers", "x-access-token, authorization", "Origin", "http://page")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "HEAD, GET, POST, PUT, PATCH, DELETE",
		"Access-Control-Allow-Headers": "x-access-token, authorization", "Access-Control-Max-Age": "7200",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if response.StatusCode != 204 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestRouting(t *testing.T) {
	a := newAgent(t, netip.Addr{})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"POST", "/process.Process/Start", 200, "rpc"},
		{"POST", "/filesystem.Filesystem/Stat", 200, "rpc"},
		{"PUT", "/files", 200, "files"},
		{"POST", "/files/compose", 200, "compose"},
		{"POST", "/init", 200, "init"},
		{"GET", "/metrics", 200, `{"ts":1}`},
		{"GET", "/envs", 500, `{"code":500,"message":"broken"}`},
		{"POST", "/poweroff", 501, `{"code":501,"message":"not here"}`},
		{"GET", "/nowhere", 404, `{"code":404,"message":"there is no endpoint /nowhere"}`},
		{"POST", "/files/", 404, `{"code":404,"message":"there is no endpoint /files/"}`},
		{"GET", "/init", 405, `{"code":405,"message":"the method of this endpoint is POST"}`},
		{"POST", "/health", 405, `{"code":405,"message":"the method of this endpoint is GET"}`},
		{"POST", "/freeze", 204, ""},
		{"HEAD", "/metrics", 200, ""},
	} {
		if response, body := a.do(test.method, test.path, ""); response.StatusCode != test.status || body != test.body {
			t.Errorf("%s %s: %d %q", test.method, test.path, response.StatusCode, body)
		}
	}
	if a.frozen.Load() != 1 {
		t.Error("freeze had no effect")
	}
}

func TestHostEndpointsAreRefusedToProgramsOfTheGuest(t *testing.T) {
	a := newAgent(t, elsewhere)
	for _, path := range []string{"/init", "/freeze", "/unfreeze", "/poweroff"} {
		if response, body := a.do("POST", path, ""); response.StatusCode != 403 || body != `{"code":403,"message":"this endpoint is for the host only"}` {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	if response, _ := a.do("GET", "/metrics", ""); response.StatusCode != 200 {
		t.Errorf("/metrics: %d", response.StatusCode)
	}
}

func TestHostEndpointsAnswerTheHost(t *testing.T) {
	a := newAgent(t, netip.MustParseAddr("127.0.0.1"))
	if response, body := a.do("POST", "/init", ""); response.StatusCode != 200 || body != "init" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestConnectionsOfTheRunBeforeAreBroken(t *testing.T) {
	a := newAgent(t, netip.Addr{})
	dial := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("tcp", a.address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		reader := bufio.NewReader(c)
		if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != 204 {
			t.Fatal(err)
		}
		return c, reader
	}
	one, reader := dial()
	defer one.Close()
	a.CloseOthers((&http.Request{}).WithContext(context.Background()))
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the connection is still open")
	}
	two, _ := dial()
	defer two.Close()
	if !strings.HasPrefix(two.RemoteAddr().String(), "127.0.0.1:") {
		t.Error("no new connection")
	}
}
