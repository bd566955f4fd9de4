// Package collector keeps Go's garbage collector out of the first moments of a thawed machine. A heap that was frozen shortly
// before its next collection would be collected at the beginning of every copy, at the cost of a command.
package collector

import (
	"runtime/debug"
	"sync"
	"time"
)

const (
	// settleTime is how long after a thaw the collector stays off.
	settleTime = 10 * time.Second
	// restLimit bounds memory while it is off, in bytes: near it there are collections all the same.
	restLimit = 16 << 20
)

// Collector is the garbage collector of this process.
type Collector struct {
	percent          int
	limit, restLimit int64
	settle           time.Duration

	mu  sync.Mutex
	off bool
	// on turns the collector on; nil unless that is about to happen.
	on *time.Timer
}

// New starts a collection whenever the heap has grown by so many percent, or memory comes near the limit in bytes.
func New(percent int, limit int64) *Collector {
	c := &Collector{percent: percent, limit: limit, restLimit: restLimit, settle: settleTime}
	c.run()
	return c
}

func (c *Collector) run() {
	debug.SetGCPercent(c.percent)
	debug.SetMemoryLimit(c.limit)
}

// Rest turns the collector off before the machine is frozen.
func (c *Collector) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on != nil {
		c.on.Stop()
		c.on = nil
	}
	if !c.off {
		c.off = true
		debug.SetMemoryLimit(c.restLimit)
		debug.SetGCPercent(-1)
	}
}

// Resume turns it on a while after the machine runs again. It does nothing when it is on.
func (c *Collector) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.off || c.on != nil {
		return
	}
	var on *time.Timer
	on = time.AfterFunc(c.settle, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		// Another rest may have come first.
		if c.on == on {
			c.on, c.off = nil, false
			c.run()
		}
	})
	c.on = on
}
