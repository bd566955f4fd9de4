package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
	"warren/guest-agent/internal/watch"
)

type watchRequest struct {
	path               string
	recursive          bool
	includeEntry       bool
	allowNetworkMounts bool
	// user is whose rights decide what is seen.
	user users.User
}

func (r watchRequest) as(work func() error) error { return rights.As(r.user, work) }

func decodeWatch(o *rpc.Object) watchRequest {
	return watchRequest{
		path:               o.String("path"),
		recursive:          o.Bool("recursive", false),
		includeEntry:       o.Bool("includeEntry", false),
		allowNetworkMounts: o.Bool("allowNetworkMounts", false),
	}
}

// filesystemEvent is a FilesystemEvent.
type filesystemEvent struct {
	Name  string          `json:"name"`
	Type  watch.Operation `json:"type"`
	Entry *entry          `json:"entry,omitempty"`
}

// watchMessage is a WatchDirResponse. At most one member is present.
type watchMessage struct {
	Start      *empty           `json:"start,omitempty"`
	Filesystem *filesystemEvent `json:"filesystem,omitempty"`
	Keepalive  *empty           `json:"keepalive,omitempty"`
}

// networkMagics are the types of network file systems (statfs(2)), on which inotify sees only what this machine does.
var networkMagics = map[uint32]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x517b: "SMB", 0x65735546: "FUSE"}

// openWatch checks a request and arms its watch.
func (s *Service) openWatch(call *rpc.Call, request *watchRequest) (watcher *watch.Watcher, err error) {
	if request.user, err = s.resolve(call, &request.path); err != nil {
		return nil, err
	}
	if err := request.as(request.check); err != nil {
		return nil, err
	}
	watcher, err = watch.New(request.path, request.recursive, request.as)
	if err != nil {
		return nil, watchError(request.path, err)
	}
	return watcher, nil
}

// check refuses what cannot be watched.
func (r watchRequest) check() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return pathError(r.path, err)
	}
	if !info.IsDir() {
		return rpc.Errorf(rpc.InvalidArgument, "path '%s' is not a directory", r.path)
	}
	var system syscall.Statfs_t
	if err := syscall.Statfs(r.path, &system); err != nil {
		return pathError(r.path, err)
	}
	if kind, network := networkMagics[uint32(system.Type)]; network && !r.allowNetworkMounts {
		return rpc.Errorf(rpc.InvalidArgument, "path '%s' is on a network file system (%s): changes made elsewhere are not seen; set allowNetworkMounts to watch it anyway", r.path, kind)
	}
	return nil
}

// watchError gives errors of a watch their codes.
func watchError(path string, err error) error {
	switch {
	case errors.Is(err, watch.ErrTooMany):
		return rpc.Errorf(rpc.ResourceExhausted, "watching '%s': %v", path, err)
	case errors.Is(err, watch.ErrOverflow):
		return rpc.Errorf(rpc.Internal, "watching '%s': %v", path, err)
	}
	return pathError(path, err)
}

// present makes an event of the protocol. Its entry is a best effort: the file may have changed again or gone.
func present(request watchRequest, names *users.Names, database *users.Database, e watch.Event) filesystemEvent {
	event := filesystemEvent{Name: e.Name, Type: e.Operation}
	if !request.includeEntry || e.Operation == watch.Remove || e.Operation == watch.Rename {
		return event
	}
	if names.Empty() {
		*names = database.Names()
	}
	// A user who may not see it gets none.
	_ = request.as(func() error {
		described, err := describe(filepath.Join(request.path, e.Name), *names)
		if err == nil {
			event.Entry = &described
		}
		return err
	})
	return event
}

// changes is what one Read of a watcher gave.
type changes struct {
	events []watch.Event
	err    error
}

// follow reads a watcher in the background until done is closed.
func follow(watcher *watch.Watcher, done <-chan struct{}) <-chan changes {
	results := make(chan changes)
	go func() {
		for {
			events, err := watcher.Read()
			select {
			case results <- changes{events, err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return results
}

func (s *Service) watchDir(ctx context.Context, call *rpc.Call, request watchRequest, stream *rpc.Stream) error {
	watcher, err := s.openWatch(call, &request)
	if err != nil {
		return err
	}
	if call.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, call.Timeout)
		defer cancel()
	}
	done := make(chan struct{})
	// The reader ends when the watcher is closed.
	defer watcher.Close()
	defer close(done)
	if err := stream.Send(watchMessage{Start: &empty{}}); err != nil {
		return err
	}
	results := follow(watcher, done)
	timer := time.NewTimer(call.Keepalive)
	defer timer.Stop()
	last := time.Now()
	for {
		select {
		case change := <-results:
			var names users.Names
			for _, e := range change.events {
				event := present(request, &names, s.database, e)
				if err := stream.Send(watchMessage{Filesystem: &event}); err != nil {
					return err
				}
				last = time.Now()
			}
			if change.err != nil {
				return watchError(request.path, change.err)
			}
		case <-timer.C:
			rest := call.Keepalive - time.Since(last)
			if rest <= 0 {
				if err := stream.Send(watchMessage{Keepalive: &empty{}}); err != nil {
					return err
				}
				last, rest = time.Now(), call.Keepalive
			}
			timer.Reset(rest)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
