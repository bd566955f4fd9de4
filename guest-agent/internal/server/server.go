// Package server puts all endpoints of the agent on one HTTP port.
package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"warren/guest-agent/internal/httpapi"
)

const (
	// idleTimeout outlives that of every proxy in front, so that the hop nearer to the guest never closes first.
	idleTimeout = 640 * time.Second
	// headerTimeout bounds how long a client may take to send a request's headers.
	headerTimeout = 30 * time.Second
	maxHeader     = 64 << 10
)

// Endpoints are the handlers of the agent. Those of the host are refused to callers inside the guest.
type Endpoints struct {
	// RPC serves /process.Process/ and /filesystem.Filesystem/.
	RPC http.Handler
	// Files serves /files, which checks its own authorization, and Compose /files/compose.
	Files, Compose http.HandlerFunc
	// Input serves /input: the body is the standard input of a process.
	Input http.HandlerFunc
	// Init serves /init, which checks its own authorization.
	Init http.Handler
	// Freeze, Unfreeze and PowerOff are actions of the host.
	Freeze, Unfreeze, PowerOff func(ctx context.Context) error
	// Metrics and Environment answer with JSON.
	Metrics, Environment func() (any, error)
}

// Options decide who may call what.
type Options struct {
	// Authorized checks an access token.
	Authorized func(token string) bool
	// Host is the address that the host calls from: its endpoints are refused to all others. Not valid = everybody may call them.
	Host netip.Addr
}

// Server serves the endpoints.
type Server struct {
	http    *http.Server
	options Options

	mu          sync.Mutex
	connections map[*httpapi.Connection]struct{}
}

// New makes a server.
func New(endpoints Endpoints, options Options) *Server {
	s := &Server{options: options, connections: map[*httpapi.Connection]struct{}{}}
	s.http = &http.Server{
		Handler:           s.handler(endpoints),
		IdleTimeout:       idleTimeout,
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.track,
		ConnContext:       httpapi.WithConnection,
	}
	return s
}

// Serve serves connections until the listener is closed.
func (s *Server) Serve(listener *net.TCPListener) error {
	return s.http.Serve(httpapi.Listener{TCPListener: listener})
}

// Close ends all connections.
func (s *Server) Close() error { return s.http.Close() }

func (s *Server) track(accepted net.Conn, state http.ConnState) {
	connection, ok := accepted.(*httpapi.Connection)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.connections[connection] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.connections, connection)
	}
}

// CloseOthers breaks all connections but that of a request. Their far ends belong to an earlier run of the sandbox and may never
// say that they are gone.
func (s *Server) CloseOthers(r *http.Request) {
	kept := httpapi.ConnectionOf(r.Context())
	s.mu.Lock()
	defer s.mu.Unlock()
	for connection := range s.connections {
		if connection != kept {
			// Without lingering the kernel forgets the connection at once. It is given up either way.
			_ = connection.SetLinger(0)
			_ = connection.Close()
		}
	}
}

// handler routes requests after what all of them have in common.
func (s *Server) handler(e Endpoints) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/process.Process/", e.RPC)
	mux.Handle("/filesystem.Filesystem/", e.RPC)
	mux.HandleFunc("/health", method(http.MethodGet, health))
	mux.HandleFunc("/files", e.Files)
	mux.HandleFunc("/files/compose", method(http.MethodPost, e.Compose))
	mux.HandleFunc("/input", method(http.MethodPost, e.Input))
	mux.HandleFunc("/metrics", method(http.MethodGet, answer(e.Metrics)))
	mux.HandleFunc("/envs", method(http.MethodGet, answer(e.Environment)))
	mux.HandleFunc("/init", s.host(method(http.MethodPost, e.Init.ServeHTTP)))
	mux.HandleFunc("/freeze", s.host(method(http.MethodPost, action(e.Freeze))))
	mux.HandleFunc("/unfreeze", s.host(method(http.MethodPost, action(e.Unfreeze))))
	mux.HandleFunc("/poweroff", s.host(method(http.MethodPost, action(e.PowerOff))))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		httpapi.WriteError(w, httpapi.Errorf(http.StatusNotFound, "there is no endpoint %s", r.URL.Path))
	})
	return crossOrigin(s.authenticate(mux))
}

// open are the endpoints that need no token, or check it themselves.
var open = map[string]bool{"/health": true, "/files": true, "/init": true}

// authenticate requires the access token once one is set.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open[r.URL.Path] && !s.options.Authorized(r.Header.Get("X-Access-Token")) {
			httpapi.WriteError(w, httpapi.Errorf(http.StatusUnauthorized, "the access token is missing or wrong"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// host refuses an endpoint of the host to programs inside the guest: before the first init there is no token to ask for.
func (s *Server) host(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.options.Host.IsValid() && !s.isHost(httpapi.ConnectionOf(r.Context())) {
			httpapi.WriteError(w, httpapi.Errorf(http.StatusForbidden, "this endpoint is for the host only"))
			return
		}
		next(w, r)
	}
}

// isHost tells whether a connection comes from the host.
func (s *Server) isHost(connection *httpapi.Connection) bool {
	if connection == nil {
		return false
	}
	peer, ok := connection.RemoteAddr().(*net.TCPAddr)
	return ok && peer.AddrPort().Addr().Unmap() == s.options.Host
}

// crossOrigin lets browsers of any origin call (Fetch standard, CORS protocol).
func crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		if r.Method != http.MethodOptions {
			header.Set("Access-Control-Expose-Headers", "*")
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", "HEAD, GET, POST, PUT, PATCH, DELETE")
		if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
		}
		header.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
	})
}

// method restricts a handler to one method.
func method(allowed string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != allowed && !(allowed == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", allowed)
			httpapi.WriteError(w, httpapi.Errorf(http.StatusMethodNotAllowed, "the method of this endpoint is %s", allowed))
			return
		}
		next(w, r)
	}
}

func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

func answer(value func() (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := value()
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		httpapi.WriteJSON(w, http.StatusOK, body)
	}
}

func action(do func(ctx context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.Context()); err != nil {
			httpapi.WriteError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
