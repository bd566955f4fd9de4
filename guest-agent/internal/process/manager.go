package process

import (
	"context"
	"sync"
	"time"

	"warren/guest-agent/internal/rpc"
)

// retention is how long the end of a finished process can still be asked for.
const retention = 30 * time.Second

// Manager knows the processes that clients can name: those that live and those that ended a short while ago.
type Manager struct {
	launcher  *Launcher
	retention time.Duration

	mu sync.Mutex
	// live are processes that have not been reaped.
	live  map[*Process]struct{}
	byPid map[uint32]*Process
	byTag map[string]*Process
}

// NewManager makes a Manager without processes.
func NewManager(launcher *Launcher) *Manager {
	return &Manager{launcher: launcher, retention: retention, live: map[*Process]struct{}{}, byPid: map[uint32]*Process{}, byTag: map[string]*Process{}}
}

// selector names a process by pid or tag.
type selector struct {
	pid *uint32
	tag *string
}

// start starts a process and attaches the first reader, which misses no output. deadline 0 = none.
func (m *Manager) start(ctx context.Context, spec specification, deadline time.Duration) (*Process, *subscription, error) {
	begin := time.Now()
	p, err := m.launcher.start(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	reader := p.output.subscribe()
	m.mu.Lock()
	m.live[p] = struct{}{}
	if former := m.byPid[p.pid()]; former != nil {
		m.forget(former)
	}
	m.byPid[p.pid()] = p
	if p.tag != nil {
		m.byTag[*p.tag] = p
	}
	m.mu.Unlock()
	if deadline > 0 {
		rest := deadline - time.Since(begin)
		if rest <= 0 {
			rest = 1
		}
		p.setDeadline(rest)
	}
	go func() {
		p.run(func() { m.reaped(p) })
		m.ended(p)
	}()
	return p, reader, nil
}

// reaped takes a process off the list.
func (m *Manager) reaped(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, p)
	close(p.gone)
}

// ended keeps the end of a process for a while.
func (m *Manager) ended(p *Process) {
	time.AfterFunc(m.retention, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.forget(p)
	})
}

// forget makes a process unknown by pid and tag, unless another has taken them over.
func (m *Manager) forget(p *Process) {
	if m.byPid[p.pid()] == p {
		delete(m.byPid, p.pid())
	}
	if p.tag != nil && m.byTag[*p.tag] == p {
		delete(m.byTag, *p.tag)
	}
}

// find finds a process that lives or whose end is kept.
func (m *Manager) find(s selector) (*Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case s.pid != nil:
		if p, ok := m.byPid[*s.pid]; ok {
			return p, nil
		}
	case s.tag != nil:
		if p, ok := m.byTag[*s.tag]; ok {
			return p, nil
		}
	default:
		return nil, rpc.Errorf(rpc.Unimplemented, "a process is selected by pid or tag")
	}
	return nil, s.notFound()
}

func (s selector) notFound() error {
	if s.pid != nil {
		return rpc.Errorf(rpc.NotFound, "process with pid %d not found", *s.pid)
	}
	return rpc.Errorf(rpc.NotFound, "process with tag %s not found", *s.tag)
}

// findOpen finds a process that has not ended.
func (m *Manager) findOpen(s selector) (*Process, error) {
	p, err := m.find(s)
	if err == nil && p.output.ended() {
		return nil, s.notFound()
	}
	return p, err
}

// list returns the live processes.
func (m *Manager) list() []*Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	processes := make([]*Process, 0, len(m.live))
	for p := range m.live {
		processes = append(processes, p)
	}
	return processes
}
