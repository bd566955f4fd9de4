package process

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/guest-agent/internal/reaper"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/rpc/rpctest"
	"warren/guest-agent/internal/users"
)

func TestMain(m *testing.M) {
	RunFailure(os.Args)
	if os.Geteuid() != 0 {
		fmt.Println("skipped: processes are started as other users, which needs root")
		os.Exit(0)
	}
	// A signal that is ignored when the tests are started would be ignored by the processes under test.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)
	// Orphans come to this process, so that none can be left behind unseen.
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		fmt.Println("adopting orphans:", errno)
		os.Exit(1)
	}
	code := m.Run()
	if left := leftBehind(); len(left) > 0 {
		fmt.Printf("FAIL: processes are left behind: %q\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftBehind kills the children that still run and returns their names.
func leftBehind() (names []string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile("/proc/" + entry.Name() + "/stat")
		name, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			names = append(names, name)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return names
}

// children is shared: a process has one reaper.
var children = reaper.New(true)

// sandbox is a server of process.Process with an image of its own.
type sandbox struct {
	*rpctest.Client
	t       *testing.T
	manager *Manager
	root    string
	workdir string
	globals map[string]string
}

func (s *sandbox) Workdir() string { return s.workdir }

func (s *sandbox) Environment() map[string]string {
	variables := map[string]string{}
	for name, value := range s.globals {
		variables[name] = value
	}
	return variables
}

const passwdText = `root:x:0:0:root:/root:/bin/bash
ann:x:54321:54322:Ann:%[1]s/ann:/bin/bash
lost:x:54323:54323::%[1]s/no-home:/bin/sh
`

const groupText = `root:x:0:
ann:x:54322:
video:x:54400:someone,ann
audio:x:54401:ann
other:x:54402:someone
`

// newSandbox serves processes. User ann has a home and two more groups, user lost has no home.
func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{t: t, root: t.TempDir(), globals: map[string]string{}}
	for path := s.root; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.root+"/etc/passwd", fmt.Sprintf(passwdText, s.root))
	write(t, s.root+"/etc/group", groupText)
	if err := os.Mkdir(s.root+"/ann", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.root+"/ann", 54321, 54322); err != nil {
		t.Fatal(err)
	}
	database := users.NewDatabase(s.root)
	mux := rpc.NewMux(func(name string) (users.User, error) {
		if name == "" {
			name = "root"
		}
		return database.Lookup(name)
	})
	launcher, err := NewLauncher(children, Confinement{})
	if err != nil {
		t.Fatal(err)
	}
	s.manager = NewManager(launcher)
	Register(mux, s.manager, s)
	s.Client = rpctest.New(t, mux)
	t.Cleanup(func() {
		for _, p := range s.manager.list(false) {
			_ = p.destroy()
			<-p.gone
		}
	})
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *sandbox) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

type object = map[string]any

// event is a ProcessEvent as a client decodes it.
type clientEvent struct {
	Event struct {
		Start *struct {
			Pid          int
			OutputOffset string
		}
		Data *struct{ Stdout, Stderr, Pty *string }
		End  *struct {
			ExitCode int
			Exited   bool
			Status   string
			Error    *string
			Signal   int
			TimedOut bool
		}
		Keepalive *struct{}
	}
}

// attached is one stream of a process.
type attached struct {
	*rpctest.Stream
	t   *testing.T
	pid int
	// offset is where in the output of the process this stream begins.
	offset              string
	stdout, stderr, pty []byte
	keepalives          int
	// end is set by the end event, failure by the end of the stream.
	end     clientEvent
	ended   bool
	failure rpctest.Failure
	closed  bool
}

// start starts a process and reads the start event.
func (s *sandbox) start(client *rpctest.Client, request object) *attached {
	s.t.Helper()
	a := &attached{t: s.t, Stream: client.Open("/process.Process/Start", request)}
	a.readStart()
	return a
}

func (s *sandbox) connect(client *rpctest.Client, selector object) *attached {
	s.t.Helper()
	return s.join(client, object{"process": selector})
}

// join attaches to a process by a whole request.
func (s *sandbox) join(client *rpctest.Client, request object) *attached {
	s.t.Helper()
	a := &attached{t: s.t, Stream: client.Open("/process.Process/Connect", request)}
	a.readStart()
	return a
}

func (a *attached) readStart() {
	a.t.Helper()
	var first clientEvent
	failure, ok := a.Next(&first)
	if !ok || first.Event.Start == nil || first.Event.Start.Pid <= 0 {
		a.t.Fatalf("the first message is not a start event: %+v %+v", first, failure)
	}
	a.pid, a.offset = first.Event.Start.Pid, first.Event.Start.OutputOffset
}

// step reads one message; false means that the stream has ended.
func (a *attached) step() bool {
	a.t.Helper()
	var e clientEvent
	failure, ok := a.Next(&e)
	switch {
	case !ok:
		a.failure, a.closed = failure, true
		return false
	case a.ended:
		a.t.Fatalf("a message after the end event: %+v", e)
	case e.Event.End != nil:
		a.end, a.ended = e, true
	case e.Event.Keepalive != nil:
		a.keepalives++
	case e.Event.Data != nil:
		a.stdout = append(a.stdout, decode(a.t, e.Event.Data.Stdout)...)
		a.stderr = append(a.stderr, decode(a.t, e.Event.Data.Stderr)...)
		a.pty = append(a.pty, decode(a.t, e.Event.Data.Pty)...)
	default:
		a.t.Fatalf("unexpected message %+v", e)
	}
	return true
}

func decode(t *testing.T, text *string) []byte {
	if text == nil {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// drain reads until the stream ends.
func (a *attached) drain() *attached {
	a.t.Helper()
	for a.step() {
	}
	return a
}

// until reads until the output contains a text.
func (a *attached) until(text string) {
	a.t.Helper()
	for !strings.Contains(string(a.stdout)+string(a.stderr)+string(a.pty), text) {
		if !a.step() {
			a.t.Fatalf("the stream ended before %q: stdout %q stderr %q pty %q, %+v", text, a.stdout, a.stderr, a.pty, a.failure)
		}
	}
}

// wantExit checks a good end of the stream with an exit code.
func (a *attached) wantExit(code int) *attached {
	a.t.Helper()
	a.drain()
	if !a.ended || a.failure.Code != "" {
		a.t.Fatalf("no end event: failure %+v, stdout %q stderr %q", a.failure, a.stdout, a.stderr)
	}
	end := a.end.Event.End
	if end.ExitCode != code || !end.Exited || end.Status != fmt.Sprintf("exit status %d", code) {
		a.t.Fatalf("end %+v, want exit code %d; stdout %q stderr %q", end, code, a.stdout, a.stderr)
	}
	if (end.Error != nil) != (code != 0) || end.Error != nil && *end.Error != end.Status {
		a.t.Fatalf("error of the end event: %v", end.Error)
	}
	return a
}

// wantSignal checks a good end of the stream by a signal.
func (a *attached) wantSignal(status string) *attached {
	a.t.Helper()
	a.drain()
	if !a.ended {
		a.t.Fatalf("no end event: %+v", a.failure)
	}
	if end := a.end.Event.End; end.ExitCode != -1 || end.Exited || end.Status != status || end.Error == nil || *end.Error != status {
		a.t.Fatalf("end %+v, want %q", end, status)
	}
	return a
}

// shell is a request that runs a script.
func shell(script string, more ...object) object {
	request := object{"process": object{"cmd": "/bin/sh", "args": []string{"-c", script}}, "stdin": false}
	for _, fields := range more {
		for name, value := range fields {
			request[name] = value
		}
	}
	return request
}

// alive tells whether a process exists, as kill -0 does.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// lives tells whether a process exists and has not ended; its parent may still have to take note of its end.
func lives(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// eventually waits for a condition that has no event to wait for.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(rpctest.Timeout); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, rpctest.Timeout)
		}
	}
}
