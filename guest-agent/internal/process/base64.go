package process

import (
	"encoding/base64"
	"encoding/binary"
)

// base64Pairs has the two characters for each 12 bits, the first one in the low byte.
var base64Pairs = func() (pairs [1 << 12]uint16) {
	var characters [4]byte
	for bits := range pairs {
		base64.StdEncoding.Encode(characters[:], []byte{byte(bits >> 4), byte(bits << 4), 0})
		pairs[bits] = binary.LittleEndian.Uint16(characters[:])
	}
	return pairs
}()

// encodeBase64 writes the standard encoding of source, with padding, to destination, which has just its length. It takes six bytes
// at once: the encoder of the standard library, which takes them one by one, was a third of the time of a stream of output.
func encodeBase64(destination, source []byte) {
	// Eight bytes are loaded to use six of them.
	for len(source) >= 8 {
		bits := binary.BigEndian.Uint64(source)
		binary.LittleEndian.PutUint64(destination, uint64(base64Pairs[bits>>52])|
			uint64(base64Pairs[bits>>40&0xfff])<<16|
			uint64(base64Pairs[bits>>28&0xfff])<<32|
			uint64(base64Pairs[bits>>16&0xfff])<<48)
		source, destination = source[6:], destination[8:]
	}
	base64.StdEncoding.Encode(destination, source)
}
