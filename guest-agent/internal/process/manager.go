package process

import (
	"context"
	"sort"
	"sync"
	"time"

	"warren/guest-agent/internal/rpc"
)

const (
	// retention is how long the end of a finished process can still be asked for, keptRetention that of one whose output is kept.
	retention, keptRetention = 30 * time.Second, time.Hour
	// maxEnded is the most ends that are kept with their output.
	maxEnded = 64
)

// Manager knows the processes that clients can name: those that live and those that ended a short while ago.
type Manager struct {
	launcher                 *Launcher
	archive                  *archive
	retention, keptRetention time.Duration

	mu sync.Mutex
	// started is the number of processes that have been started.
	started uint64
	// live are processes that have not been reaped, kept those that have been whose output is kept, the first of them first.
	live  map[*Process]struct{}
	kept  []*Process
	byPid map[uint32]*Process
	byTag map[string]*Process
	// watchers are told that the list is another; each channel holds one such word.
	watchers map[chan struct{}]struct{}
	// claims are the tags of processes that are about to be started and take no tag over.
	claims map[string]*claim
}

// claim holds a tag for one process. It is lost to a process that takes the tag over. Its address tells it from others: it is not
// empty, so that no other can have it.
type claim struct{ _ byte }

// NewManager makes a Manager without processes.
func NewManager(launcher *Launcher) *Manager {
	return &Manager{
		launcher: launcher, archive: newArchive(archiveLimit), retention: retention, keptRetention: keptRetention,
		live: map[*Process]struct{}{}, byPid: map[uint32]*Process{}, byTag: map[string]*Process{}, claims: map[string]*claim{},
		watchers: map[chan struct{}]struct{}{},
	}
}

// selector names a process by pid or tag.
type selector struct {
	pid *uint32
	tag *string
}

// start starts a process and attaches the first reader, which misses no output. deadline 0 = none.
func (m *Manager) start(ctx context.Context, spec specification, deadline time.Duration) (*Process, *subscription, error) {
	begin := time.Now()
	held, err := m.claim(spec)
	if err != nil {
		return nil, nil, err
	}
	if spec.keep > 0 {
		spec.kept = m.archive.open(spec.keep)
	}
	p, err := m.launcher.start(ctx, spec)
	if err != nil {
		if spec.kept != nil {
			spec.kept.release()
		}
		m.abandon(spec, held)
		return nil, nil, err
	}
	reader := p.output.subscribe(nil)
	m.register(p, held)
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

// claim holds the tag of a process that is about to be started and takes no tag over; nil when it may.
func (m *Manager) claim(spec specification) (*claim, error) {
	if spec.tag == nil || !spec.exclusive {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	former := m.byTag[*spec.tag]
	if m.claims[*spec.tag] != nil || former != nil && !former.output.ended() {
		return nil, rpc.Errorf(rpc.AlreadyExists, "another process has the tag %s", *spec.tag)
	}
	held := &claim{}
	m.claims[*spec.tag] = held
	return held, nil
}

// abandon gives up the claim of a process that was not started.
func (m *Manager) abandon(spec specification, held *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held != nil && m.claims[*spec.tag] == held {
		delete(m.claims, *spec.tag)
	}
}

// register makes a process known by pid and tag.
func (m *Manager) register(p *Process, held *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started++
	p.order = m.started
	m.live[p] = struct{}{}
	if former := m.byPid[p.pid()]; former != nil {
		m.forget(former)
	}
	m.byPid[p.pid()] = p
	m.changed()
	// A process that takes tags over was started later than the claim it has taken.
	if p.tag == nil || held != nil && m.claims[*p.tag] != held {
		return
	}
	delete(m.claims, *p.tag)
	m.byTag[*p.tag] = p
}

// reaped takes a process off the list of those that live.
func (m *Manager) reaped(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, p)
	m.changed()
	// Once it is reaped, another may get its process id, and be known by it already.
	if p.keeps() && m.byPid[p.pid()] == p {
		// Of a command that has ended, no more is held than is told of it.
		p.config.Store(p.config.Load().brief())
		m.kept = append(m.kept, p)
		if len(m.kept) > maxEnded {
			m.forget(m.kept[0])
		}
	}
	close(p.gone)
}

// ended keeps the end of a process for a while.
func (m *Manager) ended(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed()
	if m.byPid[p.pid()] != p {
		return
	}
	after := m.retention
	if p.keeps() {
		after = m.keptRetention
	}
	p.forgetting = time.AfterFunc(after, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.forget(p)
	})
}

// forget makes a process unknown by pid and tag, unless another has taken them over, and gives up its output.
func (m *Manager) forget(p *Process) {
	if m.byPid[p.pid()] == p {
		delete(m.byPid, p.pid())
	}
	if p.tag != nil && m.byTag[*p.tag] == p {
		delete(m.byTag, *p.tag)
	}
	if p.forgetting != nil {
		p.forgetting.Stop()
	}
	if !p.keeps() {
		return
	}
	for i, other := range m.kept {
		if other == p {
			m.kept = append(m.kept[:i:i], m.kept[i+1:]...)
			m.changed()
			break
		}
	}
	p.output.kept.release()
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

// list returns the live processes in the order in which they were started; with ended, also those whose ends are kept with their
// output.
func (m *Manager) list(ended bool) []*Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	processes := make([]*Process, 0, len(m.live)+len(m.kept))
	for p := range m.live {
		processes = append(processes, p)
	}
	if ended {
		processes = append(processes, m.kept...)
	}
	sort.Slice(processes, func(i, j int) bool { return processes[i].order < processes[j].order })
	return processes
}
