package process

import (
	"sync"
	"sync/atomic"
	"time"

	"warren/guest-agent/internal/oom"
)

// Kinds of output.
const (
	stdoutEvent eventKind = iota
	stderrEvent
	ptyEvent
	endEvent
)

type eventKind uint8

// event is one thing that a process did, as subscribers see it.
type event struct {
	kind eventKind
	data []byte
	// shared is what data is part of when its memory is used again; nil when it is kept.
	shared *chunk
	end    *End
}

// chunk is output that is shared among subscriptions and never changed. Its memory is used again once all of them are done.
type chunk struct {
	data  []byte
	users atomic.Int32
}

var chunks = sync.Pool{New: func() any { return &chunk{data: make([]byte, 0, pipeChunk)} }}

// newChunk copies data for a number of subscriptions.
func newChunk(data []byte, users int) *chunk {
	c := chunks.Get().(*chunk)
	c.data = append(c.data[:0], data...)
	c.users.Store(int32(users))
	return c
}

// done gives up the chunk of an event on behalf of one subscription.
func (e event) done() {
	if e.shared != nil && e.shared.users.Add(-1) == 0 {
		chunks.Put(e.shared)
	}
}

// End says how a process ended.
type End struct {
	ExitCode int32   `json:"exitCode,omitempty"`
	Exited   bool    `json:"exited,omitempty"`
	Status   string  `json:"status"`
	Error    *string `json:"error,omitempty"`
	// Signal is the number of the signal that ended the process; 0 = none.
	Signal int `json:"signal,omitempty"`
	// TimedOut says that the time limit of the process passed before it ended.
	TimedOut bool `json:"timedOut,omitempty"`
	// OutOfMemory is the process of the command that was killed because memory ran out.
	OutOfMemory *oom.Victim `json:"outOfMemory,omitempty"`
}

// queueLimit is the number of output bytes that one subscription holds before it makes the process wait.
const queueLimit = 128 << 10

// hub hands the output of one process to all its subscriptions. Without any, output is dropped, unless it is kept.
type hub struct {
	// order is held while output is handed out, so that all see pieces of both streams in the same order. It is locked before mu.
	order sync.Mutex

	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
	// written is the number of bytes of output so far.
	written uint64
	// kept is what is kept of it for subscriptions that come later; nil = nothing.
	kept      *kept
	end       *End
	endedAt   time.Time
	unbounded bool
}

// subscription is one attached reader. next belongs to one goroutine.
type subscription struct {
	hub *hub
	// offset is the number of bytes of output before the first that it gets.
	offset uint64
	// wake holds a token whenever something may have been queued since the reader last looked.
	wake chan struct{}

	mu        sync.Mutex
	space     *sync.Cond
	queue     []event
	size      int
	closed    bool
	unbounded bool
}

// newHub makes the hub of a process; k keeps its output, nil = it is not kept.
func newHub(k *kept) *hub { return &hub{subscriptions: map[*subscription]struct{}{}, kept: k} }

// subscribe attaches a reader, which gets all output from here on, and the end also when the process has ended already. With
// from, it gets at first what is kept from that offset on; what it gets begins at subscription.offset.
func (h *hub) subscribe(from *uint64) *subscription {
	s := &subscription{hub: h, wake: make(chan struct{}, 1)}
	s.space = sync.NewCond(&s.mu)
	h.mu.Lock()
	defer h.mu.Unlock()
	s.offset = h.written
	if from != nil && h.kept != nil {
		var blocks []block
		blocks, s.offset = h.kept.since(*from)
		for _, b := range blocks {
			s.queue = append(s.queue, event{kind: b.kind, data: b.data})
			s.size += len(b.data)
		}
		s.wake <- struct{}{}
	}
	if h.end != nil {
		s.put(event{kind: endEvent, end: h.end})
		return s
	}
	s.unbounded = h.unbounded
	h.subscriptions[s] = struct{}{}
	return s
}

// publish hands a copy of data to every subscription and waits for those that are full.
func (h *hub) publish(kind eventKind, data []byte) {
	h.order.Lock()
	defer h.order.Unlock()
	h.mu.Lock()
	h.written += uint64(len(data))
	if h.kept != nil {
		h.kept.add(kind, data)
	}
	if len(h.subscriptions) == 0 {
		h.mu.Unlock()
		return
	}
	targets := make([]*subscription, 0, len(h.subscriptions))
	for s := range h.subscriptions {
		targets = append(targets, s)
	}
	h.mu.Unlock()
	copied := newChunk(data, len(targets))
	for _, s := range targets {
		s.put(event{kind: kind, data: copied.data, shared: copied})
	}
}

// lift removes the bound of all subscriptions, so that publish no longer waits. The caller bounds what it still publishes.
func (h *hub) lift() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unbounded = true
	for s := range h.subscriptions {
		s.mu.Lock()
		s.unbounded = true
		s.space.Broadcast()
		s.mu.Unlock()
	}
}

// finish queues the end for every subscription, present and future.
func (h *hub) finish(end *End) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end, h.endedAt = end, time.Now()
	if h.kept != nil {
		h.kept.retire()
	}
	for s := range h.subscriptions {
		s.put(event{kind: endEvent, end: end})
	}
	h.subscriptions = map[*subscription]struct{}{}
}

// put queues an event, after waiting for space when it is output.
func (s *subscription) put(e event) {
	s.mu.Lock()
	for e.kind != endEvent && s.size >= queueLimit && !s.unbounded && !s.closed {
		s.space.Wait()
	}
	if s.closed {
		e.done()
	} else {
		s.queue = append(s.queue, e)
		s.size += len(e.data)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest event, which the reader gives up with done; false means that nothing is queued and that wake tells when
// to look again.
func (s *subscription) next() (event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
		return event{}, false
	}
	e := s.queue[0]
	s.queue[0] = event{}
	s.queue = s.queue[1:]
	s.size -= len(e.data)
	s.space.Broadcast()
	return e, true
}

// close detaches the reader.
func (s *subscription) close() {
	s.hub.mu.Lock()
	delete(s.hub.subscriptions, s)
	s.hub.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.queue {
		e.done()
	}
	s.closed, s.queue, s.size = true, nil, 0
	s.space.Broadcast()
}

// progress is how far the output of a process has come, and how it ended.
type progress struct {
	// written is the number of bytes of output, kept that of those before the first that is kept.
	written, kept uint64
	// end is nil while the process lives.
	end     *End
	endedAt time.Time
}

func (h *hub) progress() progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := progress{written: h.written, kept: h.written, end: h.end, endedAt: h.endedAt}
	if h.kept != nil {
		p.kept = h.kept.begin()
	}
	return p
}

// ended tells whether the end has been published.
func (h *hub) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end != nil
}
