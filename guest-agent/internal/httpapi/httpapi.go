// Package httpapi writes the answers of the plain HTTP endpoints.
package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Error is a failed request: its HTTP status and a text for people.
type Error struct {
	Status  int
	Message string
}

// Error implements the error interface.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a formatted message.
func Errorf(status int, format string, arguments ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, arguments...)}
}

// WriteError answers with {"code","message"}. Errors of other types have status 500.
func WriteError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var typed *Error
	if errors.As(err, &typed) {
		status = typed.Status
	}
	WriteJSON(w, status, struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{status, err.Error()})
}

// maxDrained bounds what is read of a body that nobody wants, in bytes.
const maxDrained = 1 << 30

// Drain reads the rest of a request's body before an error is answered. Many clients look for the answer only after they have
// sent everything, and would see a broken connection if it were closed before. A client that waits to be asked for its body is
// not asked.
func Drain(r *http.Request) {
	if r.Body == nil || r.Header.Get("Expect") != "" {
		return
	}
	// A client that has gone needs no answer.
	_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
}

// WriteJSON answers with a JSON body.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"code":500,"message":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A write error means that the client has gone.
	_, _ = w.Write(body)
}
