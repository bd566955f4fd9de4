package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/rights/rightstest"
	"warren/guest-agent/internal/users"
)

const (
	annID    = 54321
	annGroup = 54322
	token    = "warren-example-token-0123456789abcdef"
)

// sandbox is a server of /files with an image of its own. Its default user is ann.
type sandbox struct {
	t        *testing.T
	server   *httptest.Server
	database *users.Database
	root     string
	home     string
	workdir  string
	token    string
	now      time.Time
}

func (s *sandbox) Token() string                { return s.token }
func (s *sandbox) Authorized(token string) bool { return token == s.token }
func (s *sandbox) Workdir() string              { return s.workdir }
func (s *sandbox) User(name string) (users.User, error) {
	if name == "" {
		name = "ann"
	}
	return s.database.Lookup(name)
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("giving files to other users needs root")
	}
	root := t.TempDir()
	rightstest.Open(t, root)
	s := &sandbox{t: t, root: root, home: root + "/home", database: users.NewDatabase(root), now: time.Unix(1_735_689_600, 0)}
	s.write(root+"/etc/passwd", fmt.Sprintf("ann:x:%d:%d::%s:/bin/sh\n", annID, annGroup, s.home))
	s.check(os.Mkdir(s.home, 0o755))
	s.own(s.home)
	service := NewService(s, func() time.Time { return s.now })
	mux := http.NewServeMux()
	mux.HandleFunc("/files", service.ServeFiles)
	mux.HandleFunc("/files/compose", service.ServeCompose)
	s.server = httptest.NewUnstartedServer(mux)
	s.server.Listener = httpapi.Listener{TCPListener: s.server.Listener.(*net.TCPListener)}
	s.server.Config.ConnContext = httpapi.WithConnection
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

func (s *sandbox) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) write(path, text string) {
	s.t.Helper()
	s.check(os.MkdirAll(filepath.Dir(path), 0o755))
	s.check(os.WriteFile(path, []byte(text), 0o644))
}

// own gives what is at a path to ann.
func (s *sandbox) own(path string) {
	s.t.Helper()
	s.check(os.Lchown(path, annID, annGroup))
}

// give writes a file of ann.
func (s *sandbox) give(path, text string) {
	s.t.Helper()
	s.write(path, text)
	s.own(path)
}

func (s *sandbox) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	s.check(err)
	return string(text)
}

// exchange is one request with its answer.
type exchange struct {
	status int
	header http.Header
	body   []byte
}

// client does not undo codings by itself.
var client = &http.Client{Transport: &http.Transport{DisableCompression: true}}

func (s *sandbox) do(method, path string, query url.Values, header map[string]string, body io.Reader) exchange {
	s.t.Helper()
	request, err := http.NewRequest(method, s.server.URL+path+"?"+query.Encode(), body)
	s.check(err)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	s.check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	s.check(err)
	return exchange{response.StatusCode, response.Header, text}
}

func (s *sandbox) get(path string, header map[string]string) exchange {
	s.t.Helper()
	return s.do(http.MethodGet, "/files", url.Values{"path": {path}}, header, nil)
}

// post uploads one file as an octet stream.
func (s *sandbox) post(path, content string, header map[string]string) exchange {
	s.t.Helper()
	all := map[string]string{"Content-Type": "application/octet-stream"}
	for name, value := range header {
		all[name] = value
	}
	return s.do(http.MethodPost, "/files", url.Values{"path": {path}}, all, bytes.NewReader([]byte(content)))
}

// wantError checks the status and the whole body of an error.
func (e exchange) wantError(t *testing.T, what string, status int, message string) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(e.body, &body); err != nil {
		t.Errorf("%s: status %d, body %q", what, e.status, e.body)
		return
	}
	if e.status != status || len(body) != 2 || body["code"] != float64(status) || body["message"] != message || e.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d %s, want %d %s", what, e.status, e.body, status, message)
	}
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}
