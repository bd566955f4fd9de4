package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

func TestReadMessage(t *testing.T) {
	for name, test := range map[string]struct {
		body    string
		payload string
		code    Code
		eof     bool
	}{
		"message":           {body: "\x00\x00\x00\x00\x02{}", payload: "{}"},
		"empty message":     {body: "\x00\x00\x00\x00\x00"},
		"no message":        {body: "", eof: true},
		"end of the client": {body: "\x02\x00\x00\x00\x02{}", eof: true},
		"header cut off":    {body: "\x00\x00", code: InvalidArgument},
		"payload cut off":   {body: "\x00\x00\x00\x00\x05{}", code: InvalidArgument},
		"compressed":        {body: "\x01\x00\x00\x00\x02{}", code: InvalidArgument},
		"too large":         {body: "\x00\xff\xff\xff\xff", code: ResourceExhausted},
	} {
		payload, err := readMessage(bytes.NewReader([]byte(test.body)))
		var typed *Error
		switch {
		case test.eof:
			if err != io.EOF {
				t.Errorf("%s: %v", name, err)
			}
		case test.code != "":
			if !errors.As(err, &typed) || typed.Code != test.code {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || string(payload) != test.payload:
			t.Errorf("%s: %q %v", name, payload, err)
		}
	}
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x02{}\x02\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x00\x05{}"))
	f.Add([]byte("\x00\x01\x00\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		reader := bytes.NewReader(body)
		for {
			before := reader.Len()
			flags, payload, err := readEnvelope(reader)
			if err != nil {
				var typed *Error
				if err != io.EOF && !errors.As(err, &typed) {
					t.Fatalf("error of no known kind: %v", err)
				}
				return
			}
			if before-reader.Len() != envelopeHeader+len(payload) {
				t.Fatalf("%d bytes consumed for a payload of %d", before-reader.Len(), len(payload))
			}
			frame := append(reserveEnvelope(nil), payload...)
			sealEnvelope(frame, 0, flags)
			again, same, err := readEnvelope(bytes.NewReader(frame))
			if err != nil || again != flags || !bytes.Equal(same, payload) || binary.BigEndian.Uint32(frame[1:]) != uint32(len(payload)) {
				t.Fatalf("not read back: %v", err)
			}
		}
	})
}
