// Package ports makes servers that listen on the guest's loopback reachable from outside, on the guest's own address.
//
// The kernel announces no new listeners, so they are looked for once a second, but only while user processes exist. A look is one
// netlink dump of listening sockets and allocates next to nothing; a guest without user processes has no timer at all.
package ports

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// interval is the time between two looks.
	interval = time.Second
	// dialTimeout bounds the connection to a local server whose queue is full.
	dialTimeout = 10 * time.Second
)

// Forwarder forwards connections on the outside address to listeners on loopback.
type Forwarder struct {
	outside  netip.Addr
	excluded uint16
	scanner  *scanner
	// look asks for a look before its time.
	look chan struct{}
	// rest stops looking until processes are started.
	rest chan struct{}

	forwards map[uint16]*forward
}

// forward is one port.
type forward struct {
	listener net.Listener
	target   netip.AddrPort
}

// New forwards from an address of this machine. The excluded port is never forwarded.
func New(outside netip.Addr, excluded uint16) *Forwarder {
	return &Forwarder{outside: outside, excluded: excluded, scanner: newScanner(), look: make(chan struct{}, 1), rest: make(chan struct{}), forwards: map[uint16]*forward{}}
}

// Activity tells about user processes.
type Activity interface {
	// Started receives after processes have been started.
	Started() <-chan struct{}
	// Populated tells whether there are any.
	Populated() (bool, error)
}

// Run keeps forwards in step with listeners until ctx ends, while there are user processes; without an activity, always.
func (f *Forwarder) Run(ctx context.Context, activity Activity) {
	defer f.scanner.close()
	defer f.reconcile(nil)
	timer := time.NewTimer(interval)
	defer timer.Stop()
	running := activity == nil
	var started <-chan struct{}
	if activity != nil {
		timer.Stop()
		started = activity.Started()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-started:
			if !running {
				running = true
				timer.Reset(interval)
			}
			continue
		case <-timer.C:
			if activity != nil {
				if populated, err := activity.Populated(); err == nil && !populated {
					running = false
					f.reconcile(nil)
					continue
				}
			}
			timer.Reset(interval)
		case <-f.rest:
			if activity != nil {
				running = false
				timer.Stop()
				f.reconcile(nil)
			}
			continue
		case <-f.look:
		}
		if listeners, err := f.scanner.listeners(); err == nil {
			f.reconcile(f.targets(listeners))
		}
	}
}

// Rest is called when there are no user processes, before the machine is frozen: a timer that runs on would be the first thing
// that each copy of it does. Run must be running.
func (f *Forwarder) Rest(ctx context.Context) {
	select {
	case f.rest <- struct{}{}:
	case <-ctx.Done():
	}
}

// targets are the listeners to forward to, by port: those on loopback whose port nobody serves on the outside address.
func (f *Forwarder) targets(listeners []netip.AddrPort) map[uint16]netip.AddrPort {
	targets := map[uint16]netip.AddrPort{}
	reachable := map[uint16]bool{f.excluded: true}
	for _, listener := range listeners {
		address := listener.Addr().Unmap()
		switch {
		case address == f.outside:
			if _, ours := f.forwards[listener.Port()]; !ours {
				reachable[listener.Port()] = true
			}
		case address.IsUnspecified():
			reachable[listener.Port()] = true
		case address.IsLoopback():
			if former, known := targets[listener.Port()]; !known || address.Is4() && !former.Addr().Is4() {
				targets[listener.Port()] = netip.AddrPortFrom(address, listener.Port())
			}
		}
	}
	for port := range reachable {
		delete(targets, port)
	}
	return targets
}

// reconcile closes forwards without a listener behind them and opens missing ones.
func (f *Forwarder) reconcile(targets map[uint16]netip.AddrPort) {
	for port, current := range f.forwards {
		if targets[port] != current.target {
			// Connections that stand already live on.
			_ = current.listener.Close()
			delete(f.forwards, port)
		}
	}
	for port, target := range targets {
		if f.forwards[port] != nil {
			continue
		}
		listener, err := net.Listen("tcp4", netip.AddrPortFrom(f.outside, port).String())
		if err != nil {
			// Somebody has the port at this moment; the next look tries again.
			continue
		}
		f.forwards[port] = &forward{listener, target}
		go f.serve(listener, target)
	}
}

// serve accepts connections until the listener is closed.
func (f *Forwarder) serve(listener net.Listener, target netip.AddrPort) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go f.connect(connection.(*net.TCPConn), target)
	}
}

// connect joins a connection with one to the local server.
func (f *Forwarder) connect(outer *net.TCPConn, target netip.AddrPort) {
	defer outer.Close()
	connection, err := net.DialTimeout("tcp", target.String(), dialTimeout)
	if err != nil {
		// The server has gone: refuse as it would be refused itself, and look at once.
		_ = outer.SetLinger(0)
		select {
		case f.look <- struct{}{}:
		default:
		}
		return
	}
	inner := connection.(*net.TCPConn)
	defer inner.Close()
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); relay(inner, outer) }()
	go func() { defer both.Done(); relay(outer, inner) }()
	both.Wait()
}

// relay copies one direction and passes on its end. A broken connection breaks the other one too.
func relay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		for _, connection := range []*net.TCPConn{to, from} {
			_ = connection.SetLinger(0)
			_ = connection.Close()
		}
		return
	}
	_ = to.CloseWrite()
}
