package files

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/users"
)

// maxComposeBody bounds a compose request, in bytes.
const maxComposeBody = 4 << 20

type composeRequest struct {
	SourcePaths []string `json:"source_paths"`
	Destination string   `json:"destination"`
	Username    string   `json:"username"`
}

// ServeCompose serves POST /files/compose: it concatenates files into one and removes them.
func (s *Service) ServeCompose(w http.ResponseWriter, r *http.Request) {
	answer, err := s.compose(w, r)
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	httpapi.WriteJSON(w, http.StatusOK, answer)
}

func (s *Service) compose(w http.ResponseWriter, r *http.Request) (written, error) {
	var request composeRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxComposeBody)).Decode(&request); err != nil {
		return written{}, httpapi.Errorf(http.StatusBadRequest, "the body is not a valid compose request: %v", err)
	}
	user, err := s.user(request.Username)
	if err != nil {
		return written{}, err
	}
	if len(request.SourcePaths) == 0 || request.Destination == "" {
		return written{}, httpapi.Errorf(http.StatusBadRequest, "source_paths and destination are required")
	}
	destination, err := s.resolve(request.Destination, user)
	if err != nil {
		return written{}, err
	}
	var sources []string
	if err := rights.As(user, func() (err error) {
		sources, err = s.checkSources(request.SourcePaths, destination, user)
		return
	}); err != nil {
		return written{}, err
	}
	if err := s.concatenate(sources, destination, user); err != nil {
		return written{}, pathError(destination, err)
	}
	return written{Name: filepath.Base(destination), Path: destination, Type: "file"}, nil
}

// checkSources resolves all sources before anything is written.
func (s *Service) checkSources(names []string, destination string, user users.User) ([]string, error) {
	target, targetErr := os.Stat(destination)
	var sources []string
	for _, name := range names {
		source, err := s.resolve(name, user)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(source)
		if err == nil {
			err = regular(source, info)
		}
		if err != nil {
			return nil, pathError(source, err)
		}
		if source == destination || targetErr == nil && os.SameFile(info, target) {
			return nil, httpapi.Errorf(http.StatusBadRequest, "path '%s' is both a source and the destination", source)
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// concatenate writes the sources into the destination and removes them.
func (s *Service) concatenate(sources []string, destination string, user users.User) error {
	t, err := s.openTarget(destination, user, attributes{}, nil)
	if err != nil {
		return err
	}
	defer t.close()
	return rights.As(user, func() error {
		for _, source := range sources {
			if err := appendFile(t.content.file, source); err != nil {
				t.abandon()
				return err
			}
		}
		if err := t.finish(); err != nil {
			t.abandon()
			return err
		}
		for _, source := range sources {
			// The same source may be listed twice.
			if err := os.Remove(source); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		return nil
	})
}

func appendFile(target *os.File, path string) error {
	source, _, err := openSource(path)
	if err != nil {
		return err
	}
	defer source.Close()
	_, err = io.Copy(target, source)
	return err
}
