package collector

import (
	"runtime/debug"
	"testing"
	"time"
)

var garbage []byte

// collections allocates far more than a collection waits for, and returns how often there was one.
func collections() int64 {
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	for allocated := 0; allocated < 64<<20; allocated += 1 << 20 {
		garbage = make([]byte, 1<<20)
	}
	debug.ReadGCStats(&after)
	return after.NumGC - before.NumGC
}

func newCollector(t *testing.T, limit int64) *Collector {
	t.Helper()
	percent, former := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(former)
	})
	return New(50, limit)
}

func TestNothingIsCollectedAtRestAndUntilAWhileAfter(t *testing.T) {
	c := newCollector(t, 1<<30)
	if collections() == 0 {
		t.Fatal("the collector is off from the beginning")
	}
	c.Rest()
	c.Rest()
	if n := collections(); n != 0 {
		t.Errorf("collected %d times at rest", n)
	}
	c.settle = time.Hour
	c.Resume()
	c.Resume()
	if n := collections(); n != 0 {
		t.Errorf("collected %d times at once", n)
	}
	// A rest before the collector is on again.
	c.Rest()
	c.settle = time.Nanosecond
	c.Resume()
	for deadline := time.Now().Add(time.Minute); collections() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the collector stays off")
		}
	}
	c.Resume()
	if collections() == 0 {
		t.Error("the collector is off although it was on")
	}
}

func TestMemoryStaysBoundedAtRest(t *testing.T) {
	c := newCollector(t, 32<<20)
	c.Rest()
	if collections() == 0 {
		t.Error("the limit of memory was passed")
	}
}
