package process

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func (s *sandbox) kill(pid int, signal string) {
	s.t.Helper()
	s.Must("/process.Process/SendSignal", object{"process": object{"pid": pid}, "signal": signal}, nil)
}

func TestSignals(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("exec sleep 1000"))
	s.kill(a.pid, "SIGNAL_SIGTERM")
	a.wantSignal("signal: terminated")
	a = s.start(s.Client, shell("trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.01; done"))
	a.until("ready")
	s.kill(a.pid, "SIGNAL_SIGTERM")
	a.wantExit(5)
	s.start(s.Client, shell("kill -SEGV $$")).wantSignal("signal: segmentation fault")
	a = s.start(s.Client, shell("exec sleep 1000"))
	for _, signal := range []any{"SIGNAL_UNSPECIFIED", 0, 65, nil} {
		s.WantFailure("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": signal}, "unimplemented")
	}
	s.WantFailure("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": "SIGNAL_SIGNONE"}, "invalid_argument")
	s.kill(a.pid, "SIGNAL_SIGKILL")
	a.wantSignal("signal: killed")
	s.WantFailure("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": "SIGNAL_SIGKILL"}, "not_found")
}

func TestKilledProcessIsGoneWhenTheCallReturns(t *testing.T) {
	s := newSandbox(t)
	for i := 0; i < 20; i++ {
		a := s.start(s.Client, shell("exec sleep 1000"))
		s.kill(a.pid, "SIGNAL_SIGKILL")
		if alive(a.pid) {
			t.Fatal("kill -0 still finds the process")
		}
		if processes := s.list(); len(processes) != 0 {
			t.Fatalf("listed: %v", processes)
		}
		a.wantSignal("signal: killed")
	}
}

type listedProcess struct {
	Config struct {
		Cmd  string
		Args []string
		Envs map[string]string
		Cwd  *string
	}
	Pid int
	Tag *string
}

func (s *sandbox) list() []listedProcess {
	s.t.Helper()
	var answer struct{ Processes []listedProcess }
	s.Must("/process.Process/List", object{}, &answer)
	return answer.Processes
}

func TestListShowsLiveProcesses(t *testing.T) {
	s := newSandbox(t)
	if got := s.list(); len(got) != 0 {
		t.Fatalf("at first: %v", got)
	}
	a := s.start(s.Client, object{"process": object{"cmd": "cat", "args": []string{"-"}, "envs": object{"A": "b"}, "cwd": "/tmp"}, "tag": "one"})
	b := s.start(s.Client, object{"process": object{"cmd": "cat"}})
	got := s.list()
	if len(got) != 2 {
		t.Fatalf("two processes: %+v", got)
	}
	if got[0].Pid != a.pid {
		got[0], got[1] = got[1], got[0]
	}
	first := got[0]
	if first.Pid != a.pid || first.Config.Cmd != "cat" || len(first.Config.Args) != 1 || first.Config.Envs["A"] != "b" || *first.Config.Cwd != "/tmp" || *first.Tag != "one" {
		t.Errorf("first: %+v", first)
	}
	if got[1].Pid != b.pid || got[1].Tag != nil || got[1].Config.Cwd != nil {
		t.Errorf("second: %+v", got[1])
	}
	for _, a := range []*attached{a, b} {
		s.Must("/process.Process/CloseStdin", object{"process": object{"pid": a.pid}}, nil)
		a.wantExit(0)
	}
	if got := s.list(); len(got) != 0 {
		t.Errorf("after the end: %v", got)
	}
}

// number is the word after a name in a text.
func number(t *testing.T, text []byte, name string) int {
	t.Helper()
	fields := strings.Fields(string(text))
	for i := range fields[:len(fields)-1] {
		if fields[i] == name {
			value, err := strconv.Atoi(fields[i+1])
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("no %s in %q", name, text)
	return 0
}

func TestDeadlineEndsTheWholeCommand(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.With("Connect-Timeout-Ms", "300"), shell("echo before; sleep 1000 & echo child $!; wait"))
	other := s.connect(s.Client, object{"pid": a.pid})
	a.drain()
	if a.failure.Code != "deadline_exceeded" || a.ended {
		t.Fatalf("failure %+v, end event %v", a.failure, a.ended)
	}
	other.wantSignal("signal: terminated")
	if child := number(t, a.stdout, "child"); lives(child) {
		t.Error("the child lives on")
	}
}

func TestTimeLimitIsSaidByTheEnd(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("exec sleep 1000", object{"timeLimitMs": 50}))
	if a.wantSignal("signal: terminated"); !a.end.Event.End.TimedOut || a.end.Event.End.Signal != 15 {
		t.Errorf("end %+v", a.end.Event.End)
	}
	a = s.start(s.Client, shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", object{"timeLimitMs": 3600000}))
	a.until("ready")
	s.Must("/process.Process/Update", object{"process": object{"pid": a.pid}, "timeLimitMs": 1}, nil)
	if a.wantExit(7); !a.end.Event.End.TimedOut {
		t.Errorf("end %+v", a.end.Event.End)
	}
	// So does the end of a command that had no limit at first, and it is the command's own.
	a = s.start(s.Client, shell("trap 'echo bye; exit 8' TERM; echo ready; while :; do sleep 0.01; done"))
	a.until("ready")
	s.Must("/process.Process/Update", object{"process": object{"pid": a.pid}, "timeLimitMs": 1}, nil)
	if a.wantExit(8); !a.end.Event.End.TimedOut || !strings.Contains(string(a.stdout), "bye") {
		t.Errorf("end %+v, output %q", a.end.Event.End, a.stdout)
	}
	// A limit that has passed before the process runs holds as well.
	p, reader, err := s.manager.start(context.Background(), specification{config: Config{Cmd: "cat"}, directory: "/", stdin: true}, 1)
	s.check(err)
	reader.close()
	<-p.gone
	a = s.start(s.Client, cat(object{"timeLimitMs": 3600000}))
	s.Must("/process.Process/Update", object{"process": object{"pid": a.pid}, "timeLimitMs": 0}, nil)
	s.Must("/process.Process/CloseStdin", object{"process": object{"pid": a.pid}}, nil)
	if a.wantExit(0); a.end.Event.End.TimedOut {
		t.Error("a command without a limit timed out")
	}
}

func TestDeadlineHoldsAfterTheClientHasGone(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.With("Connect-Timeout-Ms", "200"), shell("exec sleep 1000"))
	a.Close()
	eventually(t, "the process is gone", func() bool { return !alive(a.pid) })
}

func TestProcessThatEndsBeforeItsDeadline(t *testing.T) {
	s := newSandbox(t)
	s.start(s.With("Connect-Timeout-Ms", "60000"), shell("exit 4")).wantExit(4)
	s.start(s.With("Connect-Timeout-Ms", "0"), shell("exit 4")).wantExit(4)
}

func TestDisconnectDoesNotKill(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, cat(object{"tag": "on"}))
	a.Close()
	// Attached again, it gets what comes from then on.
	b := s.connect(s.Client, object{"tag": "on"})
	if b.pid != a.pid {
		t.Fatalf("pid %d, then %d", a.pid, b.pid)
	}
	s.send(object{"tag": "on"}, "stdin", "still here")
	b.until("still here")
	s.Must("/process.Process/CloseStdin", object{"process": object{"tag": "on"}}, nil)
	b.wantExit(0)
}

func TestDeadlineOfConnectBoundsOnlyThatStream(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, cat())
	b := s.connect(s.With("Connect-Timeout-Ms", "50"), object{"pid": a.pid}).drain()
	if b.failure.Code != "deadline_exceeded" {
		t.Fatalf("failure %+v", b.failure)
	}
	if !alive(a.pid) {
		t.Fatal("the process is gone")
	}
	s.Must("/process.Process/CloseStdin", object{"process": object{"pid": a.pid}}, nil)
	a.wantExit(0)
}

func TestEveryAttachedStreamGetsAllOutput(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "read x; seq 1 20000"}}})
	streams := []*attached{a}
	for i := 0; i < 3; i++ {
		streams = append(streams, s.connect(s.Client, object{"pid": a.pid}))
	}
	s.send(object{"pid": a.pid}, "stdin", "\n")
	results := make(chan string)
	for _, stream := range streams {
		go func(stream *attached) { results <- string(stream.drain().stdout) }(stream)
	}
	for range streams {
		if got := <-results; len(got) != 108894 || !strings.HasSuffix(got, "19999\n20000\n") {
			t.Errorf("%d bytes", len(got))
		}
	}
}

func TestOutputWithoutReaderIsDropped(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "read x; head -c 5000000 /dev/zero; echo later; : > " + s.root + "/written; read y; echo last"}}, "tag": "w"})
	a.Close()
	eventually(t, "the stream is detached", func() bool {
		p, err := s.manager.find(selector{tag: pointer("w")})
		if err != nil {
			t.Fatal(err)
		}
		p.output.mu.Lock()
		defer p.output.mu.Unlock()
		return len(p.output.subscriptions) == 0
	})
	s.send(object{"tag": "w"}, "stdin", "\n")
	eventually(t, "the process has written all", func() bool { _, err := os.Stat(s.root + "/written"); return err == nil })
	eventually(t, "the agent has read all", func() bool { return unread(t, a.pid) == 0 })
	b := s.connect(s.Client, object{"tag": "w"})
	s.send(object{"tag": "w"}, "stdin", "\n")
	if b.wantExit(0); string(b.stdout) != "last\n" {
		t.Errorf("replayed: %d bytes", len(b.stdout))
	}
}

// unread is the number of bytes in the pipe that is the standard output of a process.
func unread(t *testing.T, pid int) int {
	t.Helper()
	pipe, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/fd/1", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	var count int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, pipe.Fd(), syscall.TIOCINQ, uintptr(unsafe.Pointer(&count))); errno != 0 {
		t.Fatal(errno)
	}
	return int(count)
}

// A job in the background keeps nobody waiting, lives on, and can write on, to nobody.
func TestEndDoesNotWaitForJobsInTheBackground(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("(read line < "+fifo(t, s)+"; head -c 1000000 /dev/zero; echo done > "+s.root+"/done) & seq 1 5000; exit 3"))
	if a.wantExit(3); !strings.HasSuffix(string(a.stdout), "4999\n5000\n") {
		t.Errorf("%d bytes of output", len(a.stdout))
	}
	if processes := s.list(); len(processes) != 0 {
		t.Errorf("listed: %v", processes)
	}
	s.check(os.WriteFile(s.root+"/fifo", []byte("go\n"), 0))
	eventually(t, "the job has written all", func() bool { _, err := os.Stat(s.root + "/done"); return err == nil })
}

// One that never stops writing keeps nobody waiting either.
func TestEndDoesNotWaitForJobsThatWriteOn(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("yes & echo job $!; exit 4")).wantExit(4)
	if job := number(t, a.stdout, "job"); !lives(job) {
		t.Error("the job is gone")
	} else {
		s.check(syscall.Kill(job, syscall.SIGKILL))
	}
}

// What comes in the moment after the end of the process, from the other end of a pipe of the shell say, is part of its output.
func TestOutputOfDescendantsRightAfterTheEnd(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "/bin/bash", "args": []string{"-c", "seq 1 20000 > >(sort -n | tac | tac)"}}, "stdin": false})
	if a.wantExit(0); !strings.HasSuffix(string(a.stdout), "19999\n20000\n") {
		t.Errorf("%d bytes of output", len(a.stdout))
	}
}

func fifo(t *testing.T, s *sandbox) string {
	t.Helper()
	path := s.root + "/fifo"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEndByASignalIsThatOfTheWholeCommand(t *testing.T) {
	s := newSandbox(t)
	for _, signal := range []string{"SIGNAL_SIGINT", "SIGNAL_SIGQUIT", "SIGNAL_SIGTERM", "SIGNAL_SIGKILL"} {
		a := s.start(s.Client, shell("(trap '' INT QUIT; exec sleep 1000) & echo child $!; exec sleep 1000"))
		a.until("\n")
		s.kill(a.pid, signal)
		a.drain()
		if child := number(t, a.stdout, "child"); !a.ended || lives(child) {
			t.Errorf("%s: end %v, child lives %v", signal, a.ended, lives(child))
		}
	}
}

func TestOthersSignalsAreForTheProcessAlone(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("trap 'echo caught' USR1; sleep 1000 & echo child $!; while ! wait; do :; done"))
	a.until("child")
	s.kill(a.pid, "SIGNAL_SIGUSR1")
	a.until("caught")
	if !lives(number(t, a.stdout, "child")) {
		t.Error("the child is gone")
	}
	s.kill(a.pid, "SIGNAL_SIGKILL")
	a.wantSignal("signal: killed")
}

func TestWhoeverIgnoresTheRequestToEndIsKilled(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("(trap '' TERM; echo child $(exec sh -c 'echo $PPID'); while :; do sleep 0.01; done) & trap 'exit 5' TERM; while :; do sleep 0.01; done"))
	a.until("\n")
	s.Must("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": 15, "killAfterMs": 50}, nil)
	if a.wantExit(5); lives(number(t, a.stdout, "child")) {
		t.Error("the child lives on")
	}
}

func TestOutputBeforeAKillIsDelivered(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("sleep 1000 & echo child $!; seq 1 5000; kill -KILL $$"))
	if a.wantSignal("signal: killed"); !strings.HasSuffix(string(a.stdout), "4999\n5000\n") {
		t.Errorf("%d bytes of output", len(a.stdout))
	}
	if lives(number(t, a.stdout, "child")) {
		t.Error("the child lives on")
	}
}

func TestEndIsKeptForAWhile(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("exit 6", object{"tag": "kept"})).wantExit(6)
	for _, selector := range []object{{"pid": a.pid}, {"tag": "kept"}} {
		if b := s.connect(s.Client, selector).wantExit(6); b.pid != a.pid || len(b.stdout) != 0 {
			t.Errorf("%v: %+v", selector, b)
		}
	}
	s.WantFailure("/process.Process/SendSignal", object{"process": object{"tag": "kept"}, "signal": "SIGNAL_SIGKILL"}, "not_found")
	s.start(s.Client, shell("exit 7", object{"tag": "kept"})).wantExit(7)
	s.connect(s.Client, object{"tag": "kept"}).wantExit(7)
	s = newSandbox(t)
	s.manager.retention = time.Millisecond
	b := s.start(s.Client, shell("exit 8", object{"tag": "short"})).wantExit(8)
	eventually(t, "the end is forgotten", func() bool {
		_, err := s.manager.find(selector{tag: pointer("short")})
		return err != nil
	})
	for _, selector := range []object{{"pid": b.pid}, {"tag": "short"}} {
		stream := s.Open("/process.Process/Connect", object{"process": selector})
		var none any
		if failure, ok := stream.Next(&none); ok || failure.Code != "not_found" {
			t.Errorf("%v: %+v", selector, failure)
		}
	}
}
