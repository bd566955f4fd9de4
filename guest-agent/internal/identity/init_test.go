package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/guest-agent/internal/nstest"
	"warren/guest-agent/internal/users"
)

// TestMain runs the tests in namespaces of their own, because they set the host name and mount.
func TestMain(m *testing.M) { nstest.Main(m, syscall.CLONE_NEWUTS|syscall.CLONE_NEWNS, nil) }

// steppedClock is the kernel with a clock of its own: that of the machine is not for tests to set.
type steppedClock struct {
	Kernel
	offset time.Duration
	steps  int
	// late is how many steps come 200 ms later than they should, as on a busy host.
	late int
}

func (c *steppedClock) Now() time.Time { return time.Now().Add(c.offset) }

func (c *steppedClock) SetClock(to time.Time) error {
	c.offset, c.steps = time.Until(to), c.steps+1
	if c.late > 0 {
		c.offset, c.late = c.offset-200*time.Millisecond, c.late-1
	}
	return nil
}

type sandbox struct {
	t        *testing.T
	server   *httptest.Server
	state    *State
	clock    *steppedClock
	root     string
	thaws    int
	stuck    error
	renewals int
	commands [][]string
	logged   chan string
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	nstest.Need(t)
	kernel, err := OpenKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(kernel.random) })
	s := &sandbox{t: t, root: t.TempDir(), clock: &steppedClock{Kernel: kernel}, logged: make(chan string, 100)}
	s.state = NewState(users.NewDatabase(s.root))
	s.server = httptest.NewServer(NewInitializer(Options{
		State: s.state, System: s.clock, Root: s.root,
		Thaw:    func() error { s.thaws++; return s.stuck },
		Renewed: func(*http.Request) { s.renewals++ },
		Log:     func(format string, arguments ...any) { s.logged <- fmt.Sprintf(format, arguments...) },
		Run:     func(_ context.Context, argv []string) error { s.commands = append(s.commands, argv); return nil },
	}))
	t.Cleanup(s.server.Close)
	return s
}

type object = map[string]any

// init sends a request with the token in the header, and asks for a confirmation.
func (s *sandbox) init(token string, request any) (int, object) {
	s.t.Helper()
	body, err := json.Marshal(request)
	if text, raw := request.(string); raw {
		body = []byte(text)
	} else if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", s.server.URL+"/init", strings.NewReader(string(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("X-Access-Token", token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := response.Header.Get("X-Envd-Version"); got != "0.6.13" {
		s.t.Errorf("version %q", got)
	}
	var answer object
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatalf("%d %q", response.StatusCode, text)
	}
	return response.StatusCode, answer
}

func (s *sandbox) must(request any) object {
	s.t.Helper()
	status, answer := s.init(s.state.Token(), request)
	if status != 200 {
		s.t.Fatalf("%v: %d %v", request, status, answer)
	}
	return answer
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func TestConfirmation(t *testing.T) {
	s := newSandbox(t)
	s.clock.offset = -time.Hour
	answer := s.must(object{
		"timestamp": stamp(time.Now()), "entropy": base64.StdEncoding.EncodeToString(make([]byte, 64)), "hostname": "box.local",
		"sandboxId": "sb1", "templateId": "tm1", "accessToken": "secret",
	})
	if answer["entropyBytes"] != 64.0 || answer["hostname"] != "box.local" || answer["sandboxId"] != "sb1" {
		t.Errorf("%v", answer)
	}
	if offset, ok := answer["clockOffsetMs"].(float64); !ok || offset < -50 || offset > 50 {
		t.Errorf("clock offset %v", answer["clockOffsetMs"])
	}
	if name, err := os.Hostname(); err != nil || name != "box.local" {
		t.Errorf("host name %q %v", name, err)
	}
	if text, err := os.ReadFile(s.root + "/etc/hosts"); err != nil || !strings.Contains(string(text), "127.0.1.1\tbox.local box\n") {
		t.Errorf("hosts %q %v", text, err)
	}
	for name, want := range map[string]string{
		"warren/.WARREN_SANDBOX": "true", "warren/.WARREN_SANDBOX_ID": "sb1", "warren/.WARREN_TEMPLATE_ID": "tm1",
		"e2b/.E2B_SANDBOX": "true", "e2b/.E2B_SANDBOX_ID": "sb1", "e2b/.E2B_TEMPLATE_ID": "tm1",
	} {
		if text, err := os.ReadFile(filepath.Join(s.root, "run", name)); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	if s.thaws != 1 {
		t.Errorf("user processes were let go %d times", s.thaws)
	}
}

func TestWithoutAcceptTheAnswerIsEmpty(t *testing.T) {
	s := newSandbox(t)
	response, err := http.Post(s.server.URL+"/init", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 204 || response.Header.Get("X-Envd-Version") != Version {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestClockIsSteppedOnlyWhenItIsFarOff(t *testing.T) {
	for _, test := range []struct {
		offset time.Duration
		steps  int
	}{
		{-time.Hour, 1}, {-time.Second, 1}, {2 * time.Second, 0}, {30 * time.Second, 1}, {0, 0},
	} {
		s := newSandbox(t)
		s.clock.offset = test.offset
		body := `{"timestamp":"` + stamp(time.Now()) + `"}`
		response, err := http.Post(s.server.URL+"/init", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 204 || s.clock.steps != test.steps {
			t.Errorf("off by %v: %d, %d steps", test.offset, response.StatusCode, s.clock.steps)
		}
	}
}

func TestConfirmedClockIsThatOfTheHost(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, -time.Second, 0, 2 * time.Second, 30 * time.Second} {
		s := newSandbox(t)
		s.clock.offset = offset
		answer := s.must(object{"timestamp": stamp(time.Now())})
		if confirmed := answer["clockOffsetMs"].(float64); confirmed < -50 || confirmed > 50 {
			t.Errorf("off by %v: confirmed %v ms", offset, confirmed)
		}
	}
}

func TestClockThatWasSetTooLateIsSetAgain(t *testing.T) {
	s := newSandbox(t)
	s.clock.offset, s.clock.late = -time.Hour, 2
	answer := s.must(object{"timestamp": stamp(time.Now())})
	if confirmed := answer["clockOffsetMs"].(float64); confirmed < -50 || confirmed > 50 {
		t.Errorf("confirmed %v ms after %d steps", confirmed, s.clock.steps)
	}
}

func TestOldRequestChangesNothingButLetsProcessesRun(t *testing.T) {
	s := newSandbox(t)
	now := time.Now()
	s.must(object{"timestamp": stamp(now), "sandboxId": "new", "hostname": "newer", "envVars": object{"A": "1"}, "accessToken": "one"})
	for _, at := range []time.Time{now, now.Add(-time.Minute)} {
		answer := s.must(object{"timestamp": stamp(at), "sandboxId": "old", "hostname": "older", "envVars": object{}, "accessToken": "two", "entropy": "AAAA"})
		if answer["sandboxId"] != "new" || answer["hostname"] != "newer" || answer["entropyBytes"] != 0.0 {
			t.Errorf("%v", answer)
		}
	}
	if s.state.Token() != "one" || s.state.Environment()["A"] != "1" || s.thaws != 3 {
		t.Errorf("token %q, %v, let go %d times", s.state.Token(), s.state.Environment(), s.thaws)
	}
}

func TestAuthorizationOfInit(t *testing.T) {
	s := newSandbox(t)
	s.must(object{"accessToken": "one"})
	for _, token := range []string{"", "two", "ONE"} {
		if status, answer := s.init(token, object{"accessToken": "two"}); status != 401 || answer["code"] != 401.0 {
			t.Errorf("%q: %d %v", token, status, answer)
		}
	}
	if s.state.Token() != "one" {
		t.Fatal("the token changed")
	}
	if status, _ := s.init("", object{"accessToken": "one"}); status != 200 || s.state.Token() != "one" {
		t.Errorf("the current token in the body: %d", status)
	}
	if status, _ := s.init("one", object{"accessToken": "two"}); status != 200 || s.state.Token() != "two" {
		t.Errorf("a new token: %d", status)
	}
	if status, _ := s.init("two", object{}); status != 200 || s.state.Secured() || !s.state.Authorized("") {
		t.Errorf("no token clears it: %d", status)
	}
}

func TestEnvironment(t *testing.T) {
	s := newSandbox(t)
	want := func(wanted map[string]string) {
		t.Helper()
		got := s.state.Environment()
		if len(got) != len(wanted) {
			t.Errorf("%v, want %v", got, wanted)
		}
		for name, value := range wanted {
			if got[name] != value {
				t.Errorf("%s is %q", name, got[name])
			}
		}
	}
	want(map[string]string{"WARREN_SANDBOX": "true", "E2B_SANDBOX": "true"})
	s.must(object{"envVars": object{"A": "1", "WARREN_SANDBOX": "no"}, "sandboxId": "sb"})
	full := map[string]string{"A": "1", "WARREN_SANDBOX": "true", "E2B_SANDBOX": "true", "WARREN_SANDBOX_ID": "sb", "E2B_SANDBOX_ID": "sb"}
	want(full)
	s.must(object{})
	want(full)
	s.must(object{"envVars": nil})
	want(full)
	s.must(object{"envVars": object{"B": "2"}})
	delete(full, "A")
	full["B"] = "2"
	want(full)
	s.state.Environment()["B"] = "changed"
	want(full)
}

func TestDefaults(t *testing.T) {
	s := newSandbox(t)
	if err := os.MkdirAll(s.root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.root+"/etc/passwd", []byte("ann:x:5:5::/home/ann:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if user, err := s.state.User(""); err != nil || user.Name != "root" {
		t.Errorf("before the first init: %+v %v", user, err)
	}
	s.must(object{"defaultUser": "ann", "defaultWorkdir": "/work"})
	s.must(object{"defaultUser": "", "defaultWorkdir": ""})
	if user, err := s.state.User(""); err != nil || user.Name != "ann" || s.state.Workdir() != "/work" {
		t.Errorf("%+v %v %q", user, err, s.state.Workdir())
	}
}

func TestConnectionsOfTheRunBeforeAreGivenUp(t *testing.T) {
	s := newSandbox(t)
	for _, step := range []struct {
		request  object
		renewals int
	}{
		{object{"sandboxId": "a", "lifecycleID": "1"}, 0},
		{object{"sandboxId": "a", "lifecycleID": "1"}, 0},
		{object{}, 0},
		{object{"lifecycleID": "2"}, 1},
		{object{"sandboxId": "b", "lifecycleID": "2"}, 2},
	} {
		if s.must(step.request); s.renewals != step.renewals {
			t.Errorf("%v: %d", step.request, s.renewals)
		}
	}
}

func TestRequestThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.must(object{"hostname": "before"})
	for name, request := range map[string]any{
		"not JSON":         "{",
		"wrong type":       object{"envVars": "A=1"},
		"bad timestamp":    object{"timestamp": "yesterday"},
		"bad entropy":      object{"entropy": "***"},
		"too much entropy": object{"entropy": base64.StdEncoding.EncodeToString(make([]byte, 4097))},
		"bad host name":    object{"hostname": "two words"},
		"label with dash":  object{"hostname": "a.-b"},
		"long host name":   object{"hostname": strings.Repeat("a.", 33) + "a"},
		"empty variable":   object{"envVars": object{"": "x"}},
		"bad variable":     object{"envVars": object{"A=B": "x"}},
		"NUL in variable":  object{"envVars": object{"A": "x\x00"}},
		"id of two lines":  object{"sandboxId": "a\nb"},
		"no certificate":   object{"caBundle": "nonsense"},
		"volume at root":   object{"volumeMounts": []object{{"nfs_target": "h:/x", "path": "/"}}},
		"volume nowhere":   object{"volumeMounts": []object{{"nfs_target": "nonsense", "path": s.root + "/v"}}},
	} {
		status, answer := s.init("", request)
		if status != 400 || answer["code"] != 400.0 || answer["message"] == "" || len(answer) != 2 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	if answer := s.must(object{}); answer["hostname"] != "before" || answer["sandboxId"] != "" || answer["clockOffsetMs"] != nil {
		t.Errorf("%v", answer)
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{`{}`, ``, `null`, `{"timestamp":"2026-01-02T03:04:05.678Z","accessToken":"x","envVars":{"A":"b"}}`, `{"entropy":"AAEC","hostname":"a.b"}`, `{"volumeMounts":[{"nfs_target":"h:/x","path":"/v"}]}`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, entropy, err := parseRequest(body)
		if err == nil && (len(entropy) > maxEntropy || request.Hostname != "" && !validHostname(request.Hostname)) {
			t.Fatalf("%q", body)
		}
	})
}

func TestAMachineHasTheNamesOfItsSandbox(t *testing.T) {
	s := newSandbox(t)
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join(s.root, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	s.must(object{"hostname": "sb1", "sandboxId": "sb1"})
	first := read("etc/machine-id")
	if read("etc/hostname") != "sb1\n" || len(first) != 33 || strings.Trim(first, "0123456789abcdef\n") != "" {
		t.Errorf("%q %q", read("etc/hostname"), first)
	}
	if err := os.WriteFile(filepath.Join(s.root, "etc/machine-id"), []byte("the user's own\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(object{"hostname": "sb1", "sandboxId": "sb1"})
	if got := read("etc/machine-id"); got != "the user's own\n" {
		t.Errorf("of the same sandbox: %q", got)
	}
	s.must(object{"hostname": "sb2", "sandboxId": "sb2"})
	if second := read("etc/machine-id"); read("etc/hostname") != "sb2\n" || second == first || len(second) != 33 {
		t.Errorf("of a copy: %q, before %q", second, first)
	}
}

func TestCopiesHaveBootIDsOfTheirOwn(t *testing.T) {
	nstest.Need(t)
	watched, err := WatchBootID(t.TempDir() + "/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(bootIDPath, syscall.MNT_DETACH) })
	seen := map[string]bool{}
	look := func() {
		text, err := os.ReadFile(bootIDPath)
		if err != nil || len(text) != 37 || seen[string(text)] {
			t.Errorf("%q %v, before %v", text, err, seen)
		}
		seen[string(text)] = true
	}
	look()
	for _, sandbox := range []string{"sb1", "sb2"} {
		if err := watched.renew(sandbox); err != nil {
			t.Fatal(err)
		}
		look()
	}
}
