package watch

import (
	"encoding/binary"
	"syscall"
	"testing"
)

func record(watch int32, mask, nameSize uint32, name string) []byte {
	buffer := make([]byte, eventHeader+int(nameSize))
	binary.LittleEndian.PutUint32(buffer, uint32(watch))
	binary.LittleEndian.PutUint32(buffer[4:], mask)
	binary.LittleEndian.PutUint32(buffer[12:], nameSize)
	copy(buffer[eventHeader:], name)
	return buffer
}

func TestParseEvents(t *testing.T) {
	buffer := append(record(1, syscall.IN_CREATE, 16, "name"), record(2, syscall.IN_DELETE_SELF, 0, "")...)
	buffer = append(buffer, record(-1, syscall.IN_Q_OVERFLOW, 4, "full")...)
	got, err := parseEvents(buffer)
	want := []kernelEvent{{1, syscall.IN_CREATE, "name"}, {2, syscall.IN_DELETE_SELF, ""}, {-1, syscall.IN_Q_OVERFLOW, "full"}}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	for _, length := range []int{1, eventHeader - 1, eventHeader + 3} {
		if _, err := parseEvents(buffer[:length]); err != errTruncated {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

func TestOverflowIsAnError(t *testing.T) {
	w := &Watcher{}
	if err := w.translate(kernelEvent{watch: -1, mask: syscall.IN_Q_OVERFLOW}, nil); err != ErrOverflow {
		t.Error(err)
	}
}

// Operations of one kernel event are reported in the order create, rename, chmod, write, remove.
func TestOrderOfOperations(t *testing.T) {
	var got []Operation
	reportOperations("x", ^uint32(0), func(e Event) { got = append(got, e.Operation) })
	want := []Operation{Create, Rename, Chmod, Write, Remove}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Error(got)
		}
	}
}

func FuzzParseEvents(f *testing.F) {
	f.Add(record(1, syscall.IN_CREATE, 16, "name"))
	f.Add(append(record(1, syscall.IN_MOVED_FROM|syscall.IN_ISDIR, 0, ""), 0xff))
	f.Add(record(1, 0, 1<<20, "x")[:40])
	f.Fuzz(func(t *testing.T, buffer []byte) {
		events, err := parseEvents(buffer)
		if len(events)*eventHeader > len(buffer) {
			t.Fatalf("%d events in %d bytes", len(events), len(buffer))
		}
		if err == nil {
			for _, e := range events {
				for _, c := range []byte(e.name) {
					if c == 0 {
						t.Fatalf("%q", e.name)
					}
				}
			}
		}
	})
}
