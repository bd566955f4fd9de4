package rpc

import (
	"encoding/json"
	"net/http"

	"warren/guest-agent/internal/httpapi"
)

// Stream sends the messages of a response stream. It belongs to one goroutine.
type Stream struct {
	w          http.ResponseWriter
	flusher    http.Flusher
	connection *httpapi.Connection
	frame      []byte
}

func newStream(w http.ResponseWriter, r *http.Request) *Stream {
	w.Header().Set("Content-Type", "application/connect+json")
	flusher, _ := w.(http.Flusher)
	return &Stream{w: w, flusher: flusher, connection: httpapi.ConnectionOf(r.Context())}
}

// Send sends one message and flushes it.
func (s *Stream) Send(message any) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return Errorf(Internal, "encoding a message: %v", err)
	}
	return s.SendAppended(func(dst []byte) []byte { return append(dst, payload...) })
}

// SendAppended sends one message whose JSON is appended to a reused buffer, and flushes it.
func (s *Stream) SendAppended(appendJSON func(dst []byte) []byte) error {
	s.frame = appendJSON(reserveEnvelope(s.frame[:0]))
	sealEnvelope(s.frame, 0, 0)
	return s.flush()
}

// end sends the end-of-stream envelope.
func (s *Stream) end(err error) {
	trailer := struct {
		Error *Error `json:"error,omitempty"`
	}{}
	if err != nil {
		trailer.Error = errorOf(err)
	}
	payload, err := json.Marshal(trailer)
	if err != nil {
		payload = []byte(`{"error":{"code":"internal","message":"the error cannot be encoded"}}`)
	}
	s.frame = append(reserveEnvelope(s.frame[:0]), payload...)
	sealEnvelope(s.frame, 0, flagEnd)
	// A write error means that the client has gone.
	_ = s.flush()
}

func (s *Stream) flush() error {
	return s.connection.Gather(func() error {
		if _, err := s.w.Write(s.frame); err != nil {
			return err
		}
		if s.flusher != nil {
			s.flusher.Flush()
		}
		return nil
	})
}
