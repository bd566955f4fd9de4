package collector

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

var garbage []byte

// collections allocates some MiB, and returns how often there was a collection.
func collections(mebibytes int) int64 {
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	for i := 0; i < mebibytes*16; i++ {
		garbage = make([]byte, 1<<16)
	}
	debug.ReadGCStats(&after)
	return after.NumGC - before.NumGC
}

const (
	// little is what the collector would start for when it is on, and twice of which is less than the limit at rest.
	little = 8
	// much is more than the limit at rest.
	much = 64
)

func (c *Collector) isOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

func newCollector(t *testing.T) *Collector {
	t.Helper()
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	c := New(50, 1<<30)
	// What earlier tests have left counts for the limit.
	debug.FreeOSMemory()
	return c
}

func TestNothingIsCollectedAtRestAndUntilAWhileAfter(t *testing.T) {
	c := newCollector(t)
	if collections(much) == 0 {
		t.Fatal("the collector is off from the beginning")
	}
	debug.FreeOSMemory()
	c.restLimit = 100 << 20
	c.Rest()
	c.Rest()
	if n := collections(little); n != 0 {
		t.Errorf("collected %d times at rest", n)
	}
	c.settle = time.Hour
	c.Resume()
	c.Resume()
	if n := collections(little); n != 0 {
		t.Errorf("collected %d times at once", n)
	}
	// A rest before the collector is on again.
	c.Rest()
	c.settle = time.Nanosecond
	c.Resume()
	for deadline := time.Now().Add(time.Minute); c.isOff(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the collector stays off")
		}
	}
	c.Resume()
	if collections(much) == 0 {
		t.Error("the collector is off although it was on")
	}
}

func TestMemoryStaysBoundedAtRest(t *testing.T) {
	c := newCollector(t)
	c.Rest()
	if collections(much) == 0 {
		t.Error("the limit of memory was passed")
	}
}
