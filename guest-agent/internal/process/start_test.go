package process

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
)

func TestOutputAndExitStatusAreKeptApart(t *testing.T) {
	s := newSandbox(t)
	for _, code := range []int{0, 3, 255} {
		a := s.start(s.Client, shell(fmt.Sprintf("echo out; echo err >&2; exit %d", code))).wantExit(code)
		if string(a.stdout) != "out\n" || string(a.stderr) != "err\n" {
			t.Errorf("stdout %q, stderr %q", a.stdout, a.stderr)
		}
	}
}

func TestWireFormOfEvents(t *testing.T) {
	s := newSandbox(t)
	stream := s.Open("/process.Process/Start", shell("printf hi; exit 3"))
	if got := stream.Response.Header.Get("Content-Type"); got != "application/connect+json" {
		t.Errorf("content type %q", got)
	}
	var texts []string
	for {
		flags, payload, err := stream.Raw()
		if err != nil {
			break
		}
		texts = append(texts, fmt.Sprintf("%d %s", flags, payload))
	}
	want := []string{
		`0 {"event":{"data":{"stdout":"aGk="}}}`,
		`0 {"event":{"end":{"exitCode":3,"exited":true,"status":"exit status 3","error":"exit status 3"}}}`,
		`2 {}`,
	}
	if len(texts) != 4 || !strings.HasPrefix(texts[0], `0 {"event":{"start":{"pid":`) || strings.Join(texts[1:], "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(texts, "\n"))
	}
}

func TestBinaryOutputIsNotMangled(t *testing.T) {
	s := newSandbox(t)
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	write(t, s.root+"/data", string(data))
	a := s.start(s.Client, shell("cat "+s.root+"/data")).wantExit(0)
	if !bytes.Equal(a.stdout, data) {
		t.Errorf("%d bytes came back of %d, or others", len(a.stdout), len(data))
	}
}

func TestNoOutputOfShortProcessesIsLost(t *testing.T) {
	s := newSandbox(t)
	var all sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			for i := 0; i < 25; i++ {
				want := fmt.Sprintf("%d/%d\n", worker, i)
				if a := s.start(s.Client, shell("echo "+strings.TrimSpace(want))).wantExit(0); string(a.stdout) != want {
					t.Errorf("got %q, want %q", a.stdout, want)
				}
			}
		}(worker)
	}
	all.Wait()
}

func TestProgramsThatCannotBeRun(t *testing.T) {
	s := newSandbox(t)
	write(t, s.root+"/plain", "not a program")
	write(t, s.root+"/lonely", "#!"+s.root+"/no-interpreter\n")
	write(t, s.root+"/garbage", "\x7fELF\x00\x00garbage")
	write(t, s.root+"/script", "echo script says $1\n")
	for _, name := range []string{"lonely", "garbage", "script"} {
		if err := os.Chmod(s.root+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		cmd  string
		code int
		text string
	}{
		{"no-such-program", 127, "warren: no-such-program: command not found\n"},
		{"/no/such/program", 127, "warren: /no/such/program: No such file or directory\n"},
		{"./missing", 127, "warren: ./missing: No such file or directory\n"},
		{s.root + "/lonely", 127, "warren: " + s.root + "/lonely: cannot execute: required file not found\n"},
		{s.root + "/plain", 126, "warren: " + s.root + "/plain: Permission denied\n"},
		{s.root, 126, "warren: " + s.root + ": Is a directory\n"},
		{s.root + "/garbage", 126, "warren: " + s.root + "/garbage: cannot execute binary file: Exec format error\n"},
	} {
		for _, user := range []string{"root", "ann"} {
			a := s.start(s.As(user), object{"process": object{"cmd": test.cmd, "cwd": "/"}}).wantExit(test.code)
			if string(a.stderr) != test.text {
				t.Errorf("%s as %s: stderr %q, want %q", test.cmd, user, a.stderr, test.text)
			}
		}
	}
	a := s.start(s.Client, object{"process": object{"cmd": s.root + "/script", "args": []string{"hello"}}}).wantExit(0)
	if string(a.stdout) != "script says hello\n" {
		t.Errorf("a script without interpreter line: %q %q", a.stdout, a.stderr)
	}
	a = s.start(s.Client, object{"process": object{"cmd": "no-such-program"}, "pty": object{"size": object{"cols": 80, "rows": 24}}}).wantExit(127)
	if !strings.Contains(string(a.pty), "command not found") {
		t.Errorf("with a terminal: %q", a.pty)
	}
}

func TestFailedStartsAreInvalidArguments(t *testing.T) {
	s := newSandbox(t)
	file := s.root + "/etc/passwd"
	if err := os.Mkdir(s.root+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		user    string
		process object
		message string
	}{
		"no program":          {"root", object{}, "process.cmd: a program is required"},
		"directory missing":   {"root", object{"cmd": "true", "cwd": "/no/such"}, "cwd '/no/such' does not exist"},
		"directory is a file": {"root", object{"cmd": "true", "cwd": file}, "cwd '" + file + "' is not a directory"},
		"home of another":     {"root", object{"cmd": "true", "cwd": "~ann"}, "cwd: paths of the form ~name are not supported: use an absolute path"},
		"directory closed":    {"ann", object{"cmd": "true", "cwd": s.root + "/secret"}, "cwd '" + s.root + "/secret' cannot be entered by user 'ann': permission denied"},
		"argument too long":   {"root", object{"cmd": "true", "args": []string{strings.Repeat("x", 1<<18)}}, "starting true: argument list too long"},
		"NUL in an argument":  {"root", object{"cmd": "true", "args": []string{"a\x00b"}}, "starting true: invalid argument"},
	} {
		stream := s.As(test.user).Open("/process.Process/Start", object{"process": test.process})
		var none any
		failure, ok := stream.Next(&none)
		if ok || failure.Code != "invalid_argument" || failure.Message != test.message {
			t.Errorf("%s: %+v %v", name, failure, none)
		}
	}
}

func TestUserDecidesIdentityAndEnvironment(t *testing.T) {
	s := newSandbox(t)
	s.globals = map[string]string{"GLOBAL": "one", "SHARED": "global", "USER": "changed"}
	t.Setenv("INHERITED", "from the agent")
	a := s.start(s.As("ann"), object{"process": object{"cmd": "sh", "args": []string{"-c", "id -u; id -g; id -G; pwd; env"}, "envs": object{"SHARED": "own", "OWN": "two"}}}).wantExit(0)
	lines := strings.Split(strings.TrimSpace(string(a.stdout)), "\n")
	if got := strings.Join(lines[:4], " "); got != "54321 54322 54322 54400 54401 "+s.root+"/ann" {
		t.Errorf("identity: %s", got)
	}
	var variables []string
	for _, line := range lines[4:] {
		if !strings.HasPrefix(line, "_=") && !strings.HasPrefix(line, "PWD=") && !strings.HasPrefix(line, "OLDPWD=") {
			variables = append(variables, line)
		}
	}
	sort.Strings(variables)
	want := []string{"GLOBAL=one", "HOME=" + s.root + "/ann", "LANG=C.UTF-8", "LOGNAME=ann", "OWN=two", "PATH=" + os.Getenv("PATH"), "PYTHONUNBUFFERED=1", "SHARED=own", "USER=changed"}
	if strings.Join(variables, "|") != strings.Join(want, "|") {
		t.Errorf("environment %q\nwant %q", variables, want)
	}
	stream := s.As("nobody-knows").Open("/process.Process/Start", shell("true"))
	var none any
	if failure, ok := stream.Next(&none); ok || failure.Code != "unauthenticated" || failure.Message != "invalid username: 'nobody-knows'" {
		t.Errorf("unknown user: %+v", failure)
	}
}

func TestWorkingDirectory(t *testing.T) {
	s := newSandbox(t)
	if err := os.MkdirAll(s.root+"/ann/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	pwd := func(user string, process object) string {
		process["cmd"] = "pwd"
		return strings.TrimSpace(string(s.start(s.As(user), object{"process": process}).wantExit(0).stdout))
	}
	for _, test := range []struct {
		user    string
		process object
		want    string
	}{
		{"ann", object{}, s.root + "/ann"},
		{"ann", object{"cwd": ""}, s.root + "/ann"},
		{"ann", object{"cwd": "~"}, s.root + "/ann"},
		{"ann", object{"cwd": "~/sub"}, s.root + "/ann/sub"},
		{"ann", object{"cwd": "sub"}, s.root + "/ann/sub"},
		{"ann", object{"cwd": "/usr/../tmp"}, "/tmp"},
		{"lost", object{}, "/"},
	} {
		if got := pwd(test.user, test.process); got != test.want {
			t.Errorf("%s %v: %s, want %s", test.user, test.process, got, test.want)
		}
	}
	s.workdir = "/usr"
	if got := pwd("ann", object{}); got != "/usr" {
		t.Errorf("default working directory: %s", got)
	}
	if got := pwd("ann", object{"cwd": "sub"}); got != s.root+"/ann/sub" {
		t.Errorf("relative path with a default working directory: %s", got)
	}
}

func TestProcessesOfUsersAreEndedFirstWhenMemoryRunsOut(t *testing.T) {
	s := newSandbox(t)
	// The value is set right after the start, so the process waits for input before it looks.
	a := s.start(s.Client, object{"process": object{"cmd": "sh", "args": []string{"-c", "read x; cat /proc/self/oom_score_adj"}}})
	s.Must("/process.Process/SendInput", object{"process": object{"pid": a.pid}, "input": object{"stdin": "Cg=="}}, nil)
	if a.wantExit(0); string(a.stdout) != "100\n" {
		t.Errorf("oom_score_adj %q", a.stdout)
	}
}

func TestProcessesLeadTheirOwnSession(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("cut -d' ' -f1,5,6 /proc/$$/stat")).wantExit(0)
	if want := fmt.Sprintf("%d %d %d\n", a.pid, a.pid, a.pid); string(a.stdout) != want {
		t.Errorf("pid, group and session %q, want %q", a.stdout, want)
	}
}
