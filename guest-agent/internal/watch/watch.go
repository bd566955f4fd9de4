// Package watch reports changes in a directory, with inotify(7), on demand also in all directories below it.
package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// ErrOverflow means that changes came faster than they were read, and some are lost.
var ErrOverflow = errors.New("changes came faster than they were read, some are lost")

// ErrTooMany means that the kernel's limit of watches or watchers is reached.
var ErrTooMany = errors.New("the limit of watched directories is reached")

const watchedEvents = syscall.IN_CREATE | syscall.IN_MODIFY | syscall.IN_DELETE | syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO |
	syscall.IN_ATTRIB | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF | syscall.IN_ONLYDIR

// Watcher watches one directory. Read belongs to one goroutine; Close may be called from any.
type Watcher struct {
	file      *os.File
	root      string
	recursive bool
	// as does work with the rights of whoever watches.
	as     func(work func() error) error
	buffer []byte
	// Directories with a watch, by path relative to root; that of root itself is "".
	paths   map[int32]string
	watches map[string]int32
	// announced are paths reported as created because they were found in a new directory. The kernel's own events for them, if
	// there are any, are in its queue already and must not be reported again.
	announced map[string]struct{}
}

// New arms a watch: every change after it returns is reported. as does work with the rights of whoever watches: directories that
// these do not let be read are not watched.
func New(root string, recursive bool, as func(work func() error) error) (*Watcher, error) {
	descriptor, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err == syscall.EMFILE {
		return nil, ErrTooMany
	}
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &Watcher{
		file: os.NewFile(uintptr(descriptor), "inotify"), root: root, recursive: recursive, as: as, buffer: make([]byte, 64<<10),
		paths: map[int32]string{}, watches: map[string]int32{}, announced: map[string]struct{}{},
	}
	if err := as(func() error { return w.arm("", nil) }); err != nil {
		w.Close()
		return nil, err
	}
	if _, armed := w.watches[""]; !armed {
		w.Close()
		return nil, &os.PathError{Op: "watch", Path: root, Err: syscall.ENOENT}
	}
	return w, nil
}

// Close ends a pending Read.
func (w *Watcher) Close() error { return w.file.Close() }

// Read waits for changes. After an error the watcher is of no use.
func (w *Watcher) Read() ([]Event, error) {
	for {
		n, err := w.file.Read(w.buffer)
		if err != nil {
			return nil, err
		}
		records, err := parseEvents(w.buffer[:n])
		if err != nil {
			return nil, err
		}
		var events []Event
		for _, record := range records {
			if err := w.translate(record, func(e Event) { events = append(events, e) }); err != nil {
				return events, err
			}
		}
		w.forgetAnnounced()
		if len(events) > 0 {
			return events, nil
		}
	}
}

// translate turns a record of the kernel into events and keeps the set of watches in step.
func (w *Watcher) translate(record kernelEvent, report func(Event)) error {
	if record.mask&syscall.IN_Q_OVERFLOW != 0 {
		return ErrOverflow
	}
	directory, known := w.paths[record.watch]
	if !known {
		return nil
	}
	if record.mask&syscall.IN_IGNORED != 0 {
		delete(w.paths, record.watch)
		if w.watches[directory] == record.watch {
			delete(w.watches, directory)
		}
		return nil
	}
	if record.name == "" {
		// Changes of directories below root are reported by their parents.
		if directory == "" {
			reportOperations(".", record.mask&(syscall.IN_DELETE_SELF|syscall.IN_MOVE_SELF), report)
		}
		return nil
	}
	path := filepath.Join(directory, record.name)
	if _, ok := w.announced[path]; ok {
		delete(w.announced, path)
		if record.mask&syscall.IN_CREATE != 0 {
			return nil
		}
	}
	if w.recursive && record.mask&syscall.IN_ISDIR != 0 {
		if record.mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0 {
			return w.enter(path, record.mask, report)
		}
		if record.mask&syscall.IN_MOVED_FROM != 0 {
			w.disarm(path)
		}
	}
	reportOperations(path, record.mask, report)
	return nil
}

func reportOperations(path string, mask uint32, report func(Event)) {
	for _, candidate := range operations {
		if mask&candidate.mask != 0 {
			report(Event{path, candidate.operation})
		}
	}
}

// enter watches a directory that has appeared. Its creation is reported after the watch is armed and before what is found in it.
func (w *Watcher) enter(path string, mask uint32, report func(Event)) error {
	var found []Event
	announce := func(e Event) { found = append(found, e) }
	if mask&syscall.IN_MOVED_TO != 0 {
		// What a moved directory holds was not created here.
		announce = nil
	}
	if err := w.as(func() error { return w.arm(path, announce) }); err != nil {
		return err
	}
	reportOperations(path, mask, report)
	for _, e := range found {
		report(e)
	}
	return nil
}

// arm watches a directory and, when the watcher is recursive, those below it. With announce given, whatever is found inside is
// announced as created. Directories that vanish meanwhile or cannot be read are skipped, and links are not followed except at the root.
func (w *Watcher) arm(path string, announce func(Event)) error {
	full, mask := filepath.Join(w.root, path), uint32(watchedEvents)
	if path != "" {
		mask |= syscall.IN_DONT_FOLLOW
	}
	var watch int
	err := w.control(func(descriptor int) (err error) {
		watch, err = syscall.InotifyAddWatch(descriptor, full, mask)
		return err
	})
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return ErrTooMany
	case path != "" && (errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EACCES)):
		return nil
	case err != nil:
		return fmt.Errorf("watching %s: %w", full, err)
	}
	w.paths[int32(watch)], w.watches[path] = path, int32(watch)
	if !w.recursive {
		return nil
	}
	entries, err := os.ReadDir(full)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		child := filepath.Join(path, entry.Name())
		if announce != nil {
			w.announced[child] = struct{}{}
			announce(Event{child, Create})
		}
		if entry.IsDir() {
			if err := w.arm(child, announce); err != nil {
				return err
			}
		}
	}
	return nil
}

// disarm stops watching a directory that has moved away, and those below it. If it moved within the tree it is watched again
// under its new name.
func (w *Watcher) disarm(path string) {
	for candidate, watch := range w.watches {
		if candidate != path && !strings.HasPrefix(candidate, path+"/") {
			continue
		}
		delete(w.watches, candidate)
		delete(w.paths, watch)
		// The watch ends by itself when its directory is removed.
		_ = w.control(func(descriptor int) error {
			_, err := syscall.InotifyRmWatch(descriptor, uint32(watch))
			return err
		})
	}
}

// forgetAnnounced drops announcements once the kernel's queue has been empty after they were made.
func (w *Watcher) forgetAnnounced() {
	if len(w.announced) == 0 {
		return
	}
	var queued int32
	err := w.control(func(descriptor int) error {
		// FIONREAD has the value of TIOCINQ.
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(descriptor), syscall.TIOCINQ, uintptr(unsafe.Pointer(&queued))); errno != 0 {
			return errno
		}
		return nil
	})
	if err == nil && queued == 0 {
		w.announced = map[string]struct{}{}
	}
}

// control runs a system call on the descriptor, which stays open meanwhile.
func (w *Watcher) control(do func(descriptor int) error) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(descriptor uintptr) { result = do(int(descriptor)) }); err != nil {
		return err
	}
	return result
}
