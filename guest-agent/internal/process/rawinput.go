package process

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"warren/guest-agent/internal/httpapi"
)

// rawPiece is the size of the pieces in which a body is passed on, in bytes. It is that of a pipe (pipe(7)).
const rawPiece = 64 << 10

// ServeInput writes the body of a request to the standard input or the terminal of the process that parameter pid names, as fast
// as the process reads. It answers 204 at the end of the body, and 410 when the process takes no more.
func (m *Manager) ServeInput(w http.ResponseWriter, r *http.Request) {
	if err := m.copyInput(r); err != nil {
		// What is left of the body is for nobody.
		w.Header().Set("Connection", "close")
		httpapi.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (m *Manager) copyInput(r *http.Request) error {
	number, err := strconv.ParseUint(r.URL.Query().Get("pid"), 10, 32)
	if err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "pid must be the id of a process")
	}
	pid := uint32(number)
	p, err := m.findOpen(selector{pid: &pid})
	if err != nil || p.input == nil {
		return httpapi.Errorf(http.StatusGone, "there is no process %d with an open input", pid)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	buffer := make([]byte, rawPiece)
	for {
		n, err := r.Body.Read(buffer)
		if n > 0 {
			if err := p.input.write(ctx, buffer[:n]); err != nil {
				return httpapi.Errorf(http.StatusGone, "process %d takes no more input: %v", pid, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return httpapi.Errorf(http.StatusBadRequest, "the body breaks off: %v", err)
		}
	}
}
