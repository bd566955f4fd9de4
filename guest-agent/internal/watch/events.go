package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
)

// Operation is what happened to a path.
type Operation string

// Operations, in the order in which those of one kernel event are reported.
const (
	Create Operation = "EVENT_TYPE_CREATE"
	Rename Operation = "EVENT_TYPE_RENAME"
	Chmod  Operation = "EVENT_TYPE_CHMOD"
	Write  Operation = "EVENT_TYPE_WRITE"
	Remove Operation = "EVENT_TYPE_REMOVE"
)

// Event is one change below the watched directory.
type Event struct {
	// Name is relative to the watched directory; "." is the directory itself.
	Name      string
	Operation Operation
}

// operations pairs bits of a kernel event with what they mean.
var operations = []struct {
	mask      uint32
	operation Operation
}{
	{syscall.IN_CREATE | syscall.IN_MOVED_TO, Create},
	{syscall.IN_MOVED_FROM | syscall.IN_MOVE_SELF, Rename},
	{syscall.IN_ATTRIB, Chmod},
	{syscall.IN_MODIFY, Write},
	{syscall.IN_DELETE | syscall.IN_DELETE_SELF, Remove},
}

// kernelEvent is one record of an inotify descriptor (inotify(7)).
type kernelEvent struct {
	watch int32
	mask  uint32
	name  string
}

// eventHeader is the size of the fixed part of a record: watch, mask, cookie and length of the name.
const eventHeader = 16

// errTruncated means that a buffer ends inside a record, which the kernel never does.
var errTruncated = errors.New("an inotify record is truncated")

// parseEvents splits what was read from an inotify descriptor into records.
func parseEvents(buffer []byte) ([]kernelEvent, error) {
	var events []kernelEvent
	for len(buffer) > 0 {
		if len(buffer) < eventHeader {
			return events, errTruncated
		}
		length := binary.LittleEndian.Uint32(buffer[12:])
		if uint64(length) > uint64(len(buffer)-eventHeader) {
			return events, errTruncated
		}
		name := buffer[eventHeader : eventHeader+int(length)]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		events = append(events, kernelEvent{
			watch: int32(binary.LittleEndian.Uint32(buffer)),
			mask:  binary.LittleEndian.Uint32(buffer[4:]),
			name:  string(name),
		})
		buffer = buffer[eventHeader+int(length):]
	}
	return events, nil
}
