package process

import "sync"

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
	// data is shared among subscribers and never changed.
	data []byte
	end  *End
}

// End says how a process ended.
type End struct {
	ExitCode int32   `json:"exitCode,omitempty"`
	Exited   bool    `json:"exited,omitempty"`
	Status   string  `json:"status"`
	Error    *string `json:"error,omitempty"`
}

// queueLimit is the number of output bytes that one subscription holds before it makes the process wait.
const queueLimit = 128 << 10

// hub hands the output of one process to all its subscriptions. Without any, output is dropped.
type hub struct {
	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
	end           *End
	unbounded     bool
}

// subscription is one attached reader. next belongs to one goroutine.
type subscription struct {
	hub *hub
	// wake holds a token whenever something may have been queued since the reader last looked.
	wake chan struct{}

	mu        sync.Mutex
	space     *sync.Cond
	queue     []event
	size      int
	closed    bool
	unbounded bool
}

func newHub() *hub { return &hub{subscriptions: map[*subscription]struct{}{}} }

// subscribe attaches a reader, which gets all output from here on, and the end also when the process has ended already.
func (h *hub) subscribe() *subscription {
	s := &subscription{hub: h, wake: make(chan struct{}, 1)}
	s.space = sync.NewCond(&s.mu)
	h.mu.Lock()
	defer h.mu.Unlock()
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
	h.mu.Lock()
	if len(h.subscriptions) == 0 {
		h.mu.Unlock()
		return
	}
	targets := make([]*subscription, 0, len(h.subscriptions))
	for s := range h.subscriptions {
		targets = append(targets, s)
	}
	h.mu.Unlock()
	shared := event{kind: kind, data: append([]byte(nil), data...)}
	for _, s := range targets {
		s.put(shared)
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
	h.end = end
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
	if !s.closed {
		s.queue = append(s.queue, e)
		s.size += len(e.data)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest event; false means that nothing is queued and that wake tells when to look again.
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
	s.closed, s.queue, s.size = true, nil, 0
	s.space.Broadcast()
	s.mu.Unlock()
}

// ended tells whether the end has been published.
func (h *hub) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end != nil
}
