package process

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"warren/guest-agent/internal/rpc/rpctest"
)

func (s *sandbox) send(selector object, kind, text string) {
	s.t.Helper()
	s.Must("/process.Process/SendInput", object{"process": selector, "input": object{kind: base64.StdEncoding.EncodeToString([]byte(text))}}, nil)
}

func cat(more ...object) object {
	request := object{"process": object{"cmd": "cat"}}
	for _, fields := range more {
		for name, value := range fields {
			request[name] = value
		}
	}
	return request
}

func TestInputReachesTheProcessAndCanBeClosed(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "cat; echo eof; exec sleep 1000"}}, "tag": "copy"})
	byPid, byTag := object{"pid": a.pid}, object{"tag": "copy"}
	s.send(byPid, "stdin", "one ")
	s.send(byTag, "stdin", "two")
	s.send(byTag, "stdin", "")
	a.until("one two")
	s.Must("/process.Process/CloseStdin", object{"process": byTag}, nil)
	a.until("eof")
	s.Must("/process.Process/CloseStdin", object{"process": byPid}, nil)
	s.WantFailure("/process.Process/SendInput", object{"process": byPid, "input": object{"stdin": "eA=="}}, "internal")
	s.Must("/process.Process/SendInput", object{"process": byPid, "input": object{"stdin": ""}}, nil)
	s.kill(a.pid, "SIGNAL_SIGKILL")
	a.wantSignal("signal: killed")
	s.WantFailure("/process.Process/SendInput", object{"process": byPid, "input": object{"stdin": "eA=="}}, "not_found")
}

func TestInputThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	open := s.start(s.Client, cat(object{"tag": "open"}))
	disabled := s.start(s.Client, shell("exec sleep 1000", object{"tag": "disabled"}))
	terminal := s.start(s.Client, cat(object{"tag": "terminal", "pty": object{}}))
	deaf := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "exec <&-; echo deaf; exec sleep 1000"}}, "tag": "deaf"})
	deaf.until("deaf")
	input := func(tag string, fields object) object { return object{"process": object{"tag": tag}, "input": fields} }
	for _, test := range []struct {
		request object
		code    string
	}{
		{input("open", object{"pty": "eA=="}), "internal"},
		{input("open", object{}), "unimplemented"},
		{object{"process": object{"tag": "open"}}, "unimplemented"},
		{input("disabled", object{"stdin": "eA=="}), "internal"},
		{input("terminal", object{"stdin": "eA=="}), "internal"},
		{input("deaf", object{"stdin": "eA=="}), "internal"},
		{input("open", object{"stdin": "%%%"}), "invalid_argument"},
		{input("open", object{"stdin": 7}), "invalid_argument"},
		{object{"process": object{}, "input": object{"stdin": "eA=="}}, "unimplemented"},
		{input("nobody", object{"stdin": "eA=="}), "not_found"},
		{object{"process": object{"pid": 0}, "input": object{"stdin": "eA=="}}, "not_found"},
	} {
		s.WantFailure("/process.Process/SendInput", test.request, test.code)
	}
	s.Must("/process.Process/CloseStdin", object{"process": object{"tag": "disabled"}}, nil)
	s.Must("/process.Process/CloseStdin", object{"process": object{"tag": "open"}}, nil)
	s.WantFailure("/process.Process/CloseStdin", object{"process": object{"tag": "terminal"}}, "unknown")
	open.wantExit(0)
	for _, a := range []*attached{disabled, terminal, deaf} {
		s.Must("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": "SIGNAL_SIGKILL"}, nil)
		a.wantSignal("signal: killed")
	}
}

func TestMessageForANamedProcessThatIsMissing(t *testing.T) {
	s := newSandbox(t)
	if got := s.WantFailure("/process.Process/CloseStdin", object{"process": object{"pid": 4000000}}, "not_found"); got != "process with pid 4000000 not found" {
		t.Error(got)
	}
	if got := s.WantFailure("/process.Process/CloseStdin", object{"process": object{"tag": "x"}}, "not_found"); got != "process with tag x not found" {
		t.Error(got)
	}
}

// A process that does not read makes its writer wait, and other writers behind it, but nobody else.
func TestInputWaitsForTheProcessUntilTheCallIsOver(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "read x; echo got; cat | wc -c"}}, "tag": "slow"})
	large := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("y"), 1<<20))
	request := object{"process": object{"tag": "slow"}, "input": object{"stdin": large}}
	sleeper := s.start(s.Client, object{"process": object{"cmd": "sleep", "args": []string{"1000"}}, "tag": "never"})
	// The pipe holds 64 KiB (pipe(7)).
	s.send(object{"tag": "never"}, "stdin", strings.Repeat("z", 64<<10))
	limited := s.With("Connect-Timeout-Ms", "50")
	limited.WantFailure("/process.Process/SendInput", object{"process": object{"tag": "never"}, "input": object{"stdin": "eA=="}}, "deadline_exceeded")
	s.send(object{"tag": "slow"}, "stdin", "\n")
	a.until("got")
	s.Must("/process.Process/SendInput", request, nil)
	s.Must("/process.Process/CloseStdin", object{"process": object{"tag": "slow"}}, nil)
	if a.wantExit(0); !strings.HasSuffix(strings.TrimSpace(string(a.stdout)), "1048576") {
		t.Errorf("output %q", a.stdout)
	}
	s.Must("/process.Process/SendSignal", object{"process": object{"tag": "never"}, "signal": 9}, nil)
	sleeper.wantSignal("signal: killed")
}

func TestStreamInput(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, cat(object{"tag": "copy"}))
	data := func(text string) object {
		return object{"data": object{"input": object{"stdin": base64.StdEncoding.EncodeToString([]byte(text))}}}
	}
	stream := s.Open("/process.Process/StreamInput", object{"start": object{"process": object{"tag": "copy"}}}, data("a"), object{"keepalive": object{}}, data("b"))
	var answer object
	if failure, ok := stream.Next(&answer); !ok || len(answer) != 0 {
		t.Fatalf("answer %v %v", answer, failure)
	}
	if failure, ok := stream.Next(&answer); ok || failure.Code != "" {
		t.Fatalf("end %v", failure)
	}
	a.until("ab")
	for _, test := range []struct {
		messages []any
		code     string
	}{
		{[]any{data("x")}, "invalid_argument"},
		{[]any{object{"start": object{"process": object{"tag": "nobody"}}}}, "not_found"},
		{[]any{object{"start": object{}}}, "unimplemented"},
		{[]any{object{"start": object{"process": object{"tag": "copy"}}}, object{"data": object{"input": object{"pty": "eA=="}}}}, "internal"},
	} {
		stream := s.Open("/process.Process/StreamInput", test.messages...)
		if failure, ok := stream.Next(&answer); ok || failure.Code != test.code || stream.Response.StatusCode != http.StatusOK {
			t.Errorf("%v: %v", test.messages, failure)
		}
	}
	s.Must("/process.Process/CloseStdin", object{"process": object{"tag": "copy"}}, nil)
	a.wantExit(0)
}

func TestTerminal(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.As("ann"), object{
		"process": object{"cmd": "/bin/sh", "envs": object{"TERM": "xterm-256color", "PS1": "$ "}},
		"pty":     object{"size": object{"cols": 101, "rows": 37}},
		"tag":     "tty",
	})
	tty := object{"tag": "tty"}
	s.send(tty, "pty", "stty size; tty; ls -l $(tty) | cut -d' ' -f3; cut -d' ' -f7 /proc/$$/stat | grep -v '^0$' && echo controlled\n")
	a.until("37 101")
	a.until("/dev/pts/")
	a.until("54321")
	a.until("controlled")
	s.Must("/process.Process/Update", object{"process": tty, "pty": object{"size": object{"cols": 132, "rows": 50}}}, nil)
	s.send(tty, "pty", "stty size\n")
	a.until("50 132")
	s.Must("/process.Process/Update", object{"process": tty}, nil)
	s.send(tty, "pty", "\x04")
	if a.wantExit(0); len(a.stdout)+len(a.stderr) != 0 {
		t.Errorf("output outside of the terminal: %q %q", a.stdout, a.stderr)
	}
}

func TestResizeIsSignalledAtOnceAfterTheStart(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "bash", "args": []string{"-c", `trap 'stty size; exit 7' WINCH; echo armed; while :; do sleep 0.01; done`}}, "pty": object{"size": object{"cols": 80, "rows": 24}}})
	a.until("armed")
	s.Must("/process.Process/Update", object{"process": object{"pid": a.pid}, "pty": object{"size": object{"cols": 90, "rows": 30}}}, nil)
	a.until("30 90")
	a.wantExit(7)
}

func TestTerminalUpdateNeedsATerminal(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, cat())
	selector := object{"pid": a.pid}
	s.WantFailure("/process.Process/Update", object{"process": selector, "pty": object{"size": object{"cols": 90, "rows": 30}}}, "internal")
	s.Must("/process.Process/Update", object{"process": selector}, nil)
	s.Must("/process.Process/CloseStdin", object{"process": selector}, nil)
	a.wantExit(0)
}

func TestInterruptFromTheTerminal(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "echo begin; exec sleep 1000"}}, "pty": object{}})
	a.until("begin")
	s.send(object{"pid": a.pid}, "pty", "\x03")
	a.wantSignal("signal: interrupt")
}

func TestKeepalive(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.With("Keepalive-Ping-Interval", "1"), cat())
	for a.keepalives < 2 {
		a.step()
	}
	s.Must("/process.Process/CloseStdin", object{"process": object{"pid": a.pid}}, nil)
	a.wantExit(0)
}

// The agent's memory does not grow with what a slow reader has not read.
func TestSlowReaderMakesTheProcessWait(t *testing.T) {
	s := newSandbox(t)
	const size = 8 << 20
	a := s.start(s.Client, shell("head -c 8388608 /dev/zero; echo written >&2"))
	p, err := s.manager.find(selector{pid: pointer(uint32(a.pid))})
	if err != nil {
		t.Fatal(err)
	}
	var reader *subscription
	eventually(t, "the queue is full", func() bool {
		p.output.mu.Lock()
		defer p.output.mu.Unlock()
		for reader = range p.output.subscriptions {
		}
		reader.mu.Lock()
		defer reader.mu.Unlock()
		return reader.size >= queueLimit
	})
	if !alive(a.pid) {
		t.Fatal("the process does not wait for its reader")
	}
	count, largest := 0, 0
	for !a.ended && a.step() {
		count += len(a.stdout)
		a.stdout = a.stdout[:0]
		reader.mu.Lock()
		if reader.size > largest {
			largest = reader.size
		}
		reader.mu.Unlock()
	}
	a.wantExit(0)
	if count != size || largest >= queueLimit+2*pipeChunk || string(a.stderr) != "written\n" {
		t.Errorf("%d bytes read of %d, at most %d queued, stderr %q", count, size, largest, a.stderr)
	}
}

func pointer[T any](value T) *T { return &value }

func TestSlowReaderDoesNotHoldUpTheEndOfAKilledProcess(t *testing.T) {
	s := newSandbox(t)
	slow := s.start(s.Client, shell("exec yes"))
	other := s.connect(s.Client, object{"pid": slow.pid})
	s.Must("/process.Process/SendSignal", object{"process": object{"pid": slow.pid}, "signal": "SIGNAL_SIGKILL"}, nil)
	other.wantSignal("signal: killed")
	slow.Close()
}

func TestReaderThatGoesAwayLetsTheProcessRunOn(t *testing.T) {
	s := newSandbox(t)
	slow := s.start(s.Client, shell("head -c 20000000 /dev/zero; exit 9", object{"tag": "writer"}))
	slow.Close()
	deadline := time.Now().Add(rpctest.Timeout)
	for alive(slow.pid) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	s.connect(s.Client, object{"tag": "writer"}).wantExit(9)
}
