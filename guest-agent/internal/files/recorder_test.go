package files

import (
	"bytes"
	"net/http"

	"warren/guest-agent/internal/users"
)

// recorder keeps an answer. Other than httptest's it is cheap enough for fuzzing.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(data)
}

// openSandbox has no token, and root as its only user.
type openSandbox struct{}

func (openSandbox) Token() string          { return "" }
func (openSandbox) Authorized(string) bool { return true }
func (openSandbox) Workdir() string        { return "" }
func (openSandbox) User(string) (users.User, error) {
	return users.User{Name: "root", Home: "/root"}, nil
}
