package process

import (
	"context"
	"time"

	"warren/guest-agent/internal/rpc"
)

// watchGap is the least time between two words to a watcher, however many processes start and end.
const watchGap = 250 * time.Millisecond

// changed tells all watchers that the list is another. The lock is held.
func (m *Manager) changed() {
	for watcher := range m.watchers {
		select {
		case watcher <- struct{}{}:
		default:
			// It has yet to hear of an earlier change.
		}
	}
}

// watch returns a channel that holds a word while the list is another than when it was read last, and what ends that.
func (m *Manager) watch() (changes <-chan struct{}, leave func()) {
	watcher := make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers[watcher] = struct{}{}
	return watcher, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, watcher)
	}
}

type watchRequest struct{}

func decodeWatch(*rpc.Object) watchRequest { return watchRequest{} }

func (s *Service) watch(ctx context.Context, _ *rpc.Call, _ watchRequest, stream *rpc.Stream) error {
	changes, leave := s.manager.watch()
	defer leave()
	for {
		if err := stream.Send(empty{}); err != nil {
			return err
		}
		gap := time.NewTimer(watchGap)
		select {
		case <-gap.C:
		case <-ctx.Done():
			gap.Stop()
			return ctx.Err()
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
