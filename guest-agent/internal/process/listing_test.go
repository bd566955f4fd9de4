package process

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"warren/guest-agent/internal/reaper"
)

type listedWhole struct {
	listedProcess
	User, StartedAtUnixMs, OutputBytes, OutputFrom, CpuMs, MemoryBytes, EndedAtUnixMs string
	Terminal, KeepsOutput                                                             bool
	End                                                                               *struct{ ExitCode int }
}

func (s *sandbox) listWhole(request object) []listedWhole {
	s.t.Helper()
	var answer struct {
		Processes   []listedWhole
		KeepsOutput bool
	}
	s.Must("/process.Process/List", request, &answer)
	if !answer.KeepsOutput {
		s.t.Error("the agent does not say that it keeps output")
	}
	return answer.Processes
}

func TestListTellsOfOutputAndEnds(t *testing.T) {
	s := newSandbox(t)
	before := time.Now().UnixMilli()
	ended := s.start(s.As("ann"), background("printf 12345; exit 3", object{"tag": "job"})).wantExit(3)
	s.start(s.Client, shell("exit 4")).wantExit(4)
	plain := s.start(s.Client, shell("printf 12; exec sleep 1000"))
	plain.until("12")
	shown := s.start(s.Client, background("exec sleep 1000", object{"pty": object{}}))
	if got := s.listWhole(object{}); len(got) != 2 || got[0].Pid != plain.pid || got[1].Pid != shown.pid {
		t.Errorf("living: %+v", got)
	}
	got := s.listWhole(object{"ended": true})
	if len(got) != 3 || got[0].Pid != ended.pid || got[1].Pid != plain.pid || got[2].Pid != shown.pid {
		t.Fatalf("all: %+v", got)
	}
	started, err := strconv.ParseInt(got[0].StartedAtUnixMs, 10, 64)
	s.check(err)
	end, err := strconv.ParseInt(got[0].EndedAtUnixMs, 10, 64)
	s.check(err)
	if started < before || end < started || end > time.Now().UnixMilli() {
		t.Errorf("started at %d, ended at %d", started, end)
	}
	if p := got[0]; p.User != "ann" || *p.Tag != "job" || p.End == nil || p.End.ExitCode != 3 || p.OutputBytes != "5" || p.OutputFrom != "0" || !p.KeepsOutput || p.Terminal {
		t.Errorf("the one that has ended: %+v", p)
	}
	if p := got[1]; p.User != "root" || p.End != nil || p.OutputBytes != "2" || p.OutputFrom != "2" || p.KeepsOutput || p.EndedAtUnixMs != "" {
		t.Errorf("the one that keeps nothing: %+v", p)
	}
	if p := got[2]; !p.Terminal || !p.KeepsOutput || p.OutputBytes != "0" {
		t.Errorf("the one in a terminal: %+v", p)
	}
}

func TestBoundedListIsBounded(t *testing.T) {
	s := newSandbox(t)
	long := strings.Repeat("é", 20_000)
	var keeper *attached
	for i := 0; i < 6; i++ {
		keeper = s.start(s.Client, object{"process": object{"cmd": "/bin/sh", "args": []string{"-c", "exec sleep 1000", long, "x"}, "envs": object{"A": long}, "cwd": "/tmp"}})
	}
	got := s.listWhole(object{"maxBytes": 10_000})
	p := got[len(got)-1]
	if len(got) != 4 {
		t.Errorf("%d processes in 10 KB", len(got))
	}
	if p.Pid != keeper.pid || p.Config.Envs != nil || *p.Config.Cwd != "/tmp" || p.Config.Args[1] != "exec sleep 1000" {
		t.Fatalf("listed %+v", p)
	}
	if cut := p.Config.Args[2]; len(cut) > briefBytes+len("…") || len(cut) < briefBytes/2 || !strings.HasSuffix(cut, "é…") || !utf8.ValidString(cut) || p.Config.Args[3] != "…" {
		t.Errorf("arguments %q", p.Config.Args)
	}
	if whole := s.listWhole(object{}); whole[len(whole)-1].Config.Args[2] != long || whole[len(whole)-1].Config.Envs["A"] != long {
		t.Error("a list without bounds is cut")
	}
	for _, bytes := range []int{1, 500, 3000} {
		response := s.Unary("/process.Process/List", object{"maxBytes": bytes})
		if len(response.Body) > bytes+aroundList {
			t.Errorf("%d bytes were asked for and %d came", bytes, len(response.Body))
		}
		if !json.Valid(response.Body) {
			t.Errorf("%s", response.Body)
		}
	}
	for _, request := range []object{{"maxBytes": -1}, {"maxBytes": "x"}, {"ended": "yes"}, {"ended": 1}} {
		s.WantFailure("/process.Process/List", request, "invalid_argument")
	}
}

func TestTagsThatAreNotTakenOver(t *testing.T) {
	s := newSandbox(t)
	exclusive := object{"tag": "one", "exclusiveTag": true}
	a := s.start(s.Client, background("exec cat", exclusive, object{"stdin": true}))
	refused := s.Open("/process.Process/Start", shell("touch "+s.root+"/started", exclusive))
	if failure, ok := refused.Next(&clientEvent{}); ok || failure.Code != "already_exists" {
		t.Errorf("a tag that is taken: %+v", failure)
	}
	if _, err := os.Stat(s.root + "/started"); err == nil {
		t.Error("a command was started whose tag is taken")
	}
	// Others take it over, and are protected in turn.
	b := s.start(s.Client, shell("exec sleep 1000", object{"tag": "one"}))
	if p, err := s.manager.find(selector{tag: pointer("one")}); err != nil || p.pid() != uint32(b.pid) {
		t.Errorf("the newer has not taken the tag over: %v", err)
	}
	s.kill(b.pid, "SIGNAL_SIGKILL")
	b.wantSignal("signal: killed")
	// The tag of one that has ended is free, though its end is kept.
	c := s.start(s.Client, background("exit 5", exclusive)).wantExit(5)
	d := s.start(s.Client, background("exit 6", exclusive)).wantExit(6)
	s.join(s.Client, object{"process": object{"tag": "one"}, "from": 0}).wantExit(6)
	s.join(s.Client, object{"process": object{"pid": c.pid}, "from": 0}).wantExit(5)
	if a.pid == c.pid || c.pid == d.pid {
		t.Error("processes have the same id")
	}
	// A start that fails gives its tag back.
	s.Open("/process.Process/Start", object{"process": object{"cmd": "sh", "cwd": "/none"}, "tag": "two", "exclusiveTag": true}).Next(&clientEvent{})
	s.start(s.Client, shell("exit 0", object{"tag": "two", "exclusiveTag": true})).wantExit(0)
}

func TestProcessIDIsListedOnce(t *testing.T) {
	m := NewManager(nil)
	start := func() *Process {
		p := newProcess(specification{kept: m.archive.open(1000)})
		p.child = &reaper.Child{Pid: 7}
		m.register(p, nil)
		return p
	}
	former := start()
	// The next has got the process id before the end of the former was noted.
	next := start()
	m.reaped(former)
	m.ended(former)
	if got := m.list(true); len(got) != 1 || got[0] != next {
		t.Errorf("%d are listed", len(got))
	}
	m.reaped(next)
	if got := m.list(true); len(got) != 1 || got[0] != next {
		t.Errorf("after its end, %d are listed", len(got))
	}
}

func TestOneOfManyGetsATag(t *testing.T) {
	s := newSandbox(t)
	const starts = 16
	var waiting sync.WaitGroup
	results := make([]string, starts)
	for i := range results {
		i := i
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			var first clientEvent
			failure, ok := s.Open("/process.Process/Start", background("exec sleep 1000", object{"tag": "one", "exclusiveTag": true})).Next(&first)
			if results[i] = failure.Code; ok {
				results[i] = "started"
			}
		}()
	}
	waiting.Wait()
	count := map[string]int{}
	for _, result := range results {
		count[result]++
	}
	if count["started"] != 1 || count["already_exists"] != starts-1 || len(s.list()) != 1 {
		t.Errorf("%v, and %d live", count, len(s.list()))
	}
}
