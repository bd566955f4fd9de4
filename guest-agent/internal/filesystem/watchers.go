package filesystem

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"

	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
	"warren/guest-agent/internal/watch"
)

// maxQueued bounds the events that a polling watcher keeps for its client.
const maxQueued = 65536

// watchers are the watches that clients poll. They outlive the requests that made them.
type watchers struct {
	mu   sync.Mutex
	byID map[string]*polledWatcher
}

// polledWatcher is one watch with the events since it was last asked.
type polledWatcher struct {
	watcher *watch.Watcher
	done    chan struct{}

	mu     sync.Mutex
	events []filesystemEvent
	err    error
}

func newWatchers() *watchers { return &watchers{byID: map[string]*polledWatcher{}} }

func decodeWatcher(o *rpc.Object) string { return o.String("watcherId") }

func (s *Service) createWatcher(_ context.Context, call *rpc.Call, request watchRequest) (any, error) {
	watcher, err := s.openWatch(call, &request)
	if err != nil {
		return nil, err
	}
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		watcher.Close()
		return nil, err
	}
	id := "w" + hex.EncodeToString(random[:])
	polled := &polledWatcher{watcher: watcher, done: make(chan struct{})}
	s.watchers.mu.Lock()
	s.watchers.byID[id] = polled
	s.watchers.mu.Unlock()
	go polled.collect(request, s.database)
	return struct {
		WatcherID string `json:"watcherId"`
	}{id}, nil
}

// collect queues events until the watch is closed or fails.
func (p *polledWatcher) collect(request watchRequest, database *users.Database) {
	results := follow(p.watcher, p.done)
	for {
		select {
		case change := <-results:
			if p.add(request, database, change) {
				return
			}
		case <-p.done:
			return
		}
	}
}

// add queues changes and tells whether they were the last.
func (p *polledWatcher) add(request watchRequest, database *users.Database, change changes) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names users.Names
	for _, e := range change.events {
		if len(p.events) >= maxQueued {
			p.err = rpc.Errorf(rpc.ResourceExhausted, "more than %d events are waiting to be fetched, later ones are lost", maxQueued)
			return true
		}
		p.events = append(p.events, present(request, &names, database, e))
	}
	if change.err != nil {
		p.err = watchError(request.path, change.err)
	}
	return p.err != nil
}

func (s *Service) getWatcherEvents(_ context.Context, _ *rpc.Call, id string) (any, error) {
	s.watchers.mu.Lock()
	polled, ok := s.watchers.byID[id]
	s.watchers.mu.Unlock()
	if !ok {
		return nil, rpc.Errorf(rpc.NotFound, "watcher with id %s not found", id)
	}
	polled.mu.Lock()
	defer polled.mu.Unlock()
	if polled.err != nil {
		return nil, polled.err
	}
	answer := struct {
		Events []filesystemEvent `json:"events"`
	}{polled.events}
	if answer.Events == nil {
		answer.Events = []filesystemEvent{}
	}
	polled.events = nil
	return answer, nil
}

func (s *Service) removeWatcher(_ context.Context, _ *rpc.Call, id string) (any, error) {
	s.watchers.mu.Lock()
	polled, ok := s.watchers.byID[id]
	delete(s.watchers.byID, id)
	s.watchers.mu.Unlock()
	if !ok {
		return nil, rpc.Errorf(rpc.NotFound, "watcher with id %s not found", id)
	}
	close(polled.done)
	// The reader ends when the watcher is closed.
	_ = polled.watcher.Close()
	return empty{}, nil
}
