package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// envelopeHeader is the size of flags and length before each payload of a stream, in bytes.
	envelopeHeader = 5
	// flagCompressed marks a compressed payload, flagEnd the last envelope of a stream.
	flagCompressed = 0x01
	flagEnd        = 0x02
	// MaxMessage bounds one request message, in bytes.
	MaxMessage = 16 << 20
)

// readEnvelope reads one envelope of a streaming body. io.EOF means that the body ended between two envelopes. Memory grows
// with the bytes that arrive, not with the length that the header claims.
func readEnvelope(r io.Reader) (flags byte, payload []byte, err error) {
	var header [envelopeHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, nil, Errorf(InvalidArgument, "the body ends inside the header of an envelope")
		}
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length > MaxMessage {
		return 0, nil, Errorf(ResourceExhausted, "a message of %d bytes is larger than the maximum of %d", length, MaxMessage)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(length)); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, nil, Errorf(InvalidArgument, "the body ends inside an envelope: %d of %d bytes", body.Len(), length)
		}
		return 0, nil, err
	}
	return header[0], body.Bytes(), nil
}

// readMessage reads one data envelope and refuses compressed ones. A client's end-of-stream envelope reads as io.EOF.
func readMessage(r io.Reader) ([]byte, error) {
	flags, payload, err := readEnvelope(r)
	switch {
	case err != nil:
		return nil, err
	case flags&flagCompressed != 0:
		return nil, Errorf(InvalidArgument, "compressed messages are not supported")
	case flags&flagEnd != 0:
		return nil, io.EOF
	}
	return payload, nil
}

// reserveEnvelope makes room for a header at the end of dst.
func reserveEnvelope(dst []byte) []byte { return append(dst, 0, 0, 0, 0, 0) }

// sealEnvelope fills in the header of the envelope that starts at start and reaches to the end of frame.
func sealEnvelope(frame []byte, start int, flags byte) {
	frame[start] = flags
	binary.BigEndian.PutUint32(frame[start+1:], uint32(len(frame)-start-envelopeHeader))
}
