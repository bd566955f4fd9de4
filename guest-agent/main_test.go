package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"warren/guest-agent/internal/rights/rightstest"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/cgroups/cgrouptest"
	"warren/guest-agent/internal/process"
)

func TestMain(m *testing.M) {
	process.RunFailure(os.Args)
	os.Exit(m.Run())
}

// agent is a whole agent with the accounts of this machine.
type agent struct {
	t     *testing.T
	url   string
	token string
	off   chan struct{}
}

func startAgent(t *testing.T) *agent {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the agent needs root")
	}
	a := &agent{t: t, off: make(chan struct{}, 1)}
	address := make(chan string, 1)
	go func() {
		err := serve(configuration{
			listen: "127.0.0.1:0", groups: cgrouptest.New(t), root: t.TempDir(),
			log:      func(format string, arguments ...any) { address <- fmt.Sprint(arguments[0].(net.Addr)) },
			powerOff: func(*cgroups.Tree) { a.off <- struct{}{} },
		})
		t.Error(err)
	}()
	a.url = "http://" + <-address
	return a
}

func (a *agent) do(method, path, contentType string, body []byte, header map[string]string) (int, []byte) {
	a.t.Helper()
	request, err := http.NewRequest(method, a.url+path, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if a.token != "" {
		request.Header.Set("X-Access-Token", a.token)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// run runs a shell script as a user, whose home may be whatever the machine has, and returns its output and exit code.
func (a *agent) run(user, script string) (output string, code int) {
	a.t.Helper()
	request, err := json.Marshal(map[string]any{"process": map[string]any{"cmd": "/bin/sh", "args": []string{"-c", script}, "cwd": "/"}, "stdin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	frame := append([]byte{0, 0, 0, byte(len(request) >> 8), byte(len(request))}, request...)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"))
	status, body := a.do("POST", "/process.Process/Start", "application/connect+json", frame, map[string]string{"Authorization": basic})
	if status != 200 {
		a.t.Fatalf("%d %s", status, body)
	}
	for len(body) >= 5 {
		length := int(body[1])<<24 | int(body[2])<<16 | int(body[3])<<8 | int(body[4])
		var message struct {
			Event struct {
				Data struct{ Stdout, Stderr []byte }
				End  *struct{ ExitCode int }
			}
		}
		if err := json.Unmarshal(body[5:5+length], &message); err != nil {
			a.t.Fatal(err)
		}
		output += string(message.Event.Data.Stdout) + string(message.Event.Data.Stderr)
		if message.Event.End != nil {
			code = message.Event.End.ExitCode
		}
		body = body[5+length:]
	}
	return output, code
}

// The life of a sandbox as its host sees it.
func TestSandbox(t *testing.T) {
	a := startAgent(t)
	if status, _ := a.do("GET", "/health", "", nil, nil); status != 204 {
		t.Fatalf("health: %d", status)
	}
	init, err := json.Marshal(map[string]any{
		"timestamp": time.Now().Add(-10 * time.Millisecond), "accessToken": "secret", "envVars": map[string]string{"GREETING": "hello"}, "defaultUser": "nobody",
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := a.do("POST", "/init", "application/json", init, map[string]string{"Accept": "application/json"}); status != 200 || !bytes.Contains(body, []byte(`"entropyBytes":0`)) {
		t.Fatalf("init: %d %s", status, body)
	}
	if status, _ := a.do("POST", "/process.Process/List", "application/json", nil, nil); status != 401 {
		t.Errorf("without the token: %d", status)
	}
	a.token = "secret"
	if output, code := a.run("nobody", "id -un; echo $GREETING; exit 3"); output != "nobody\nhello\n" || code != 3 {
		t.Errorf("%q %d", output, code)
	}
	if output, code := a.run("root", "/no/such/program"); code != 127 || !strings.Contains(output, "not found") {
		t.Errorf("%q %d", output, code)
	}
	directory := t.TempDir()
	rightstest.Open(t, directory)
	path := directory + "/file"
	if status, body := a.do("POST", "/files?username=root&path="+path, "application/octet-stream", []byte("content"), nil); status != 200 {
		t.Errorf("upload: %d %s", status, body)
	}
	if output, _ := a.run("root", "cat "+path); output != "content" {
		t.Errorf("%q", output)
	}
	if status, body := a.do("GET", "/files?path="+path, "", nil, nil); status != 200 || string(body) != "content" {
		t.Errorf("download: %d %s", status, body)
	}
	if status, body := a.do("POST", "/filesystem.Filesystem/Stat", "application/json", []byte(`{"path":"`+path+`"}`), nil); status != 200 || !bytes.Contains(body, []byte(`"size":"7"`)) {
		t.Errorf("stat: %d %s", status, body)
	}
	for _, step := range []string{"/freeze", "/freeze", "/unfreeze", "/freeze"} {
		if status, body := a.do("POST", step, "", nil, nil); status != 204 {
			t.Errorf("%s: %d %s", step, status, body)
		}
	}
	// An init lets frozen processes run, however old it is.
	if status, body := a.do("POST", "/init", "application/json", []byte(`{"timestamp":"2020-01-01T00:00:00Z"}`), nil); status != 204 {
		t.Errorf("init: %d %s", status, body)
	}
	if output, _ := a.run("nobody", "echo on"); output != "on\n" {
		t.Errorf("%q", output)
	}
	if status, body := a.do("GET", "/envs", "", nil, nil); status != 200 || string(body) != `{"E2B_SANDBOX":"true","GREETING":"hello","WARREN_SANDBOX":"true"}` {
		t.Errorf("envs: %d %s", status, body)
	}
	if status, body := a.do("GET", "/metrics", "", nil, nil); status != 200 || !bytes.Contains(body, []byte(`"mem_total":`)) {
		t.Errorf("metrics: %d %s", status, body)
	}
	if status, _ := a.do("POST", "/poweroff", "", nil, nil); status != 204 {
		t.Errorf("poweroff: %d", status)
	}
	<-a.off
}
