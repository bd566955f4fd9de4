package process

import (
	"testing"
	"time"

	"warren/guest-agent/internal/rpc/rpctest"
)

// watched opens a watch of the list and reads its first word, before which nothing is told.
func (s *sandbox) watched() *rpctest.Stream {
	s.t.Helper()
	stream := s.Open("/process.Process/Watch", object{})
	s.told(stream)
	return stream
}

// told waits for the next word of a watch.
func (s *sandbox) told(stream *rpctest.Stream) {
	s.t.Helper()
	var word object
	if failure, ok := stream.Next(&word); !ok {
		s.t.Fatalf("the watch has ended: %+v", failure)
	}
}

func TestWatchTellsOfStartsAndEnds(t *testing.T) {
	s := newSandbox(t)
	watch := s.watched()
	defer watch.Close()
	running := s.start(s.Client, shell("exec sleep 1000"))
	for s.told(watch); len(s.listWhole(object{})) != 1; s.told(watch) {
	}
	s.Must("/process.Process/SendSignal", object{"process": object{"pid": running.pid}, "signal": "SIGNAL_SIGKILL"}, nil)
	for s.told(watch); len(s.listWhole(object{})) != 0; s.told(watch) {
	}
}

func TestWatchTellsOfEndsThatAreForgotten(t *testing.T) {
	s := newSandbox(t)
	s.manager.keptRetention = time.Second
	s.start(s.Client, background("exit 0")).wantExit(0)
	watch := s.watched()
	defer watch.Close()
	for len(s.listWhole(object{"ended": true})) != 0 {
		s.told(watch)
	}
}

func TestWatchTellsOfManyAsOne(t *testing.T) {
	s := newSandbox(t)
	watch := s.watched()
	defer watch.Close()
	begin, words := time.Now(), 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := watch.Raw(); err != nil {
				return
			}
			words++
		}
	}()
	for i := 0; i < 100; i++ {
		s.start(s.Client, shell("exit 0")).wantExit(0)
	}
	watch.Close()
	<-done
	if most := int(time.Since(begin)/watchGap) + 1; words > most {
		t.Errorf("%d words in %v, want at most %d", words, time.Since(begin), most)
	}
}

func TestListOfOneIsThatOne(t *testing.T) {
	s := newSandbox(t)
	first := s.start(s.Client, background("exec sleep 1000", object{"tag": "first"}))
	s.start(s.Client, shell("exec sleep 1000"))
	for _, by := range []object{{"pid": first.pid}, {"tag": "first"}} {
		if got := s.listWhole(object{"process": by}); len(got) != 1 || got[0].Pid != first.pid {
			t.Errorf("by %v: %+v", by, got)
		}
	}
	if got := s.listWhole(object{"process": object{"tag": "other"}}); len(got) != 0 {
		t.Errorf("of none: %+v", got)
	}
}
