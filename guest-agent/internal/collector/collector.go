// Package collector keeps Go's garbage collector out of the first moments of a thawed machine. A heap that was frozen shortly
// before its next collection would be collected at the beginning of every copy, at the cost of a command.
package collector

import (
	"runtime/debug"
	"sync"
	"time"
)

// settleTime is how long after a thaw the collector stays off. What is allocated meanwhile is bounded by the memory limit.
const settleTime = 10 * time.Second

// Collector is the garbage collector of this process.
type Collector struct {
	percent int
	settle  time.Duration

	mu  sync.Mutex
	off bool
	// on turns the collector on; nil unless that is about to happen.
	on *time.Timer
}

// New starts a collection whenever the heap has grown by so many percent, or memory comes near the limit in bytes.
func New(percent int, limit int64) *Collector {
	debug.SetGCPercent(percent)
	debug.SetMemoryLimit(limit)
	return &Collector{percent: percent, settle: settleTime}
}

// Rest turns the collector off, but for the memory limit, before the machine is frozen.
func (c *Collector) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on != nil {
		c.on.Stop()
		c.on = nil
	}
	if !c.off {
		c.off = true
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
			debug.SetGCPercent(c.percent)
		}
	})
	c.on = on
}
