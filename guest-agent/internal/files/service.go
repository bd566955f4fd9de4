// Package files serves /files: whole files in and out of the guest, streamed with constant memory.
package files

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/users"
)

// Sandbox is what /files has to know of the sandbox.
type Sandbox interface {
	// Token is the access token; "" = none.
	Token() string
	// Authorized checks a presented token.
	Authorized(token string) bool
	// User finds a user of the image; "" stands for the default user.
	User(name string) (users.User, error)
	// Workdir is the default working directory; "" = the user's home.
	Workdir() string
}

// Service serves /files and /files/compose.
type Service struct {
	sandbox Sandbox
	now     func() time.Time
}

// NewService serves the files of a sandbox. now is the clock that signatures expire by.
func NewService(sandbox Sandbox, now func() time.Time) *Service {
	return &Service{sandbox: sandbox, now: now}
}

// ServeFiles serves GET, HEAD and POST of /files.
func (s *Service) ServeFiles(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if err = s.authorize(r, "read"); err == nil {
			if r.URL.Query().Has("archive") {
				err = s.archive(w, r)
			} else {
				err = s.download(w, r)
			}
		}
	case http.MethodPost:
		if err = s.authorize(r, "write"); err == nil {
			if r.URL.Query().Has("archive") {
				err = s.unpack(w, r)
			} else {
				err = s.upload(w, r)
			}
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		err = httpapi.Errorf(http.StatusMethodNotAllowed, "files are read with GET and written with POST")
	}
	if err != nil {
		httpapi.Drain(r)
		httpapi.WriteError(w, err)
	}
}

// authorize accepts the access token or a signature of the request.
func (s *Service) authorize(r *http.Request, operation string) error {
	token := s.sandbox.Token()
	if token == "" {
		return nil
	}
	if presented := r.Header.Get("X-Access-Token"); presented != "" {
		if s.sandbox.Authorized(presented) {
			return nil
		}
		return httpapi.Errorf(http.StatusUnauthorized, "the access token is wrong")
	}
	query := r.URL.Query()
	signature := query.Get("signature")
	if signature == "" {
		return httpapi.Errorf(http.StatusUnauthorized, "missing signature query parameter")
	}
	expiration := query.Get("signature_expiration")
	expected := sign(query.Get("path"), operation, query.Get("username"), token, expiration)
	if subtle.ConstantTimeCompare([]byte(expected), []byte(signature)) != 1 {
		return httpapi.Errorf(http.StatusUnauthorized, "invalid signature")
	}
	if expiration == "" {
		return nil
	}
	until, err := strconv.ParseInt(expiration, 10, 64)
	if err != nil {
		return httpapi.Errorf(http.StatusUnauthorized, "invalid signature expiration")
	}
	if until < s.now().Unix() {
		return httpapi.Errorf(http.StatusUnauthorized, "signature is already expired")
	}
	return nil
}

// sign is signature algorithm "v1"; expiration "" = none.
func sign(path, operation, username, token, expiration string) string {
	raw := path + ":" + operation + ":" + username + ":" + token
	if expiration != "" {
		raw += ":" + expiration
	}
	sum := sha256.Sum256([]byte(raw))
	return "v1_" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// user resolves the user of a request.
func (s *Service) user(name string) (users.User, error) {
	user, err := s.sandbox.User(name)
	if err != nil {
		return user, httpapi.Errorf(http.StatusUnauthorized, "error looking up user '%s': %v", name, err)
	}
	return user, nil
}

// asked is the user that a query names, and the absolute path.
func (s *Service) asked(query url.Values) (users.User, string, error) {
	user, err := s.user(query.Get("username"))
	if err != nil {
		return user, "", err
	}
	path, err := s.resolve(query.Get("path"), user)
	return user, path, err
}

// resolve makes the path of a request absolute.
func (s *Service) resolve(path string, user users.User) (string, error) {
	resolved, err := paths.Resolve(path, user, s.sandbox.Workdir())
	if err != nil {
		return "", httpapi.Errorf(http.StatusBadRequest, "path '%s': %v", path, err)
	}
	return resolved, nil
}
