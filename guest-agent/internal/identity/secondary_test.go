package identity

import (
	"encoding/base64"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// full is a request as the host sends it.
func full(sandbox string) object {
	return object{
		"timestamp": stamp(time.Now()), "entropy": base64.StdEncoding.EncodeToString(make([]byte, 64)), "hostname": sandbox,
		"sandboxId": sandbox, "accessToken": "of " + sandbox, "envVars": object{"A": sandbox},
	}
}

// mustBecome gives the sandbox an identity, which must be in force.
func (s *sandbox) mustBecome(name string) {
	s.t.Helper()
	answer := s.must(full(name))
	if answer["hostname"] != name || answer["sandboxId"] != name || answer["entropyBytes"] != 64.0 {
		s.t.Errorf("%v", answer)
	}
	if s.state.Token() != "of "+name || s.state.Environment()["A"] != name {
		s.t.Errorf("token %q, %v", s.state.Token(), s.state.Environment())
	}
}

func (s *sandbox) loggedLines() []string {
	var lines []string
	for len(s.logged) > 0 {
		lines = append(lines, <-s.logged)
	}
	return lines
}

func TestASandboxHasItsIdentityWithoutFiles(t *testing.T) {
	s := newSandbox(t)
	s.mustBecome("one")
	for _, name := range []string{"hosts", "hostname", "machine-id"} {
		path := s.root + "/etc/" + name
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		var err error
		switch name {
		case "hosts":
			err = os.Mkdir(path, 0o755)
		case "hostname":
			err = syscall.Mkfifo(path, 0o644)
		default:
			err = os.Symlink("/dev/zero", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.mustBecome("two")
	lines := s.loggedLines()
	if text := strings.Join(lines, "\n"); len(lines) != 3 || !strings.Contains(text, "/etc/hosts") || !strings.Contains(text, "/etc/hostname") || !strings.Contains(text, "/etc/machine-id") {
		t.Errorf("%q", lines)
	}
	if text, err := os.ReadFile(s.root + "/run/warren/.WARREN_SANDBOX_ID"); err != nil || string(text) != "two" {
		t.Errorf("what could be written: %q %v", text, err)
	}
	s.must(object{"hostname": "two"})
	if lines := s.loggedLines(); len(lines) > 0 {
		t.Errorf("logged again: %q", lines)
	}
	if s.thaws != 3 {
		t.Errorf("user processes were let go %d times", s.thaws)
	}
}

func TestASandboxHasItsIdentityOnAReadOnlyDisk(t *testing.T) {
	s := newSandbox(t)
	if err := syscall.Mount("tmpfs", s.root, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(s.root, syscall.MNT_DETACH)
	s.mustBecome("one")
	if lines := s.loggedLines(); len(lines) != 4 {
		t.Errorf("%q", lines)
	}
}

func TestASandboxHasItsIdentityWithoutTheFileSystemsOfTheKernel(t *testing.T) {
	s := newSandbox(t)
	for _, directory := range []string{"/proc", "/dev"} {
		if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		defer syscall.Unmount(directory, syscall.MNT_DETACH)
	}
	s.mustBecome(strings.Repeat("a", 63))
}

// TestAFileSystemThatStandsStillIsNotWaitedFor writes in turn to a file system that stands still and runs on: all of the newest
// identity is written then.
func TestAFileSystemThatStandsStillIsNotWaitedFor(t *testing.T) {
	root := t.TempDir()
	logged := make(chan string, 10)
	stands, runs := make(chan struct{}), make(chan struct{})
	s := secondary{root: root, limit: time.Millisecond, log: func(format string, _ ...any) {
		logged <- format
		if strings.Contains(format, "not up to date") {
			close(stands)
			<-runs
		}
	}}
	// The first failure is logged by a console that stands still.
	if err := os.MkdirAll(root+"/etc/hosts", 0o755); err != nil {
		t.Fatal(err)
	}
	s.write(places{hostname: "one", machine: "one"})
	<-stands
	if err := os.Remove(root + "/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	s.write(places{hostname: "two", machine: "two"})
	s.write(places{builtIn: map[string]string{"WARREN_SANDBOX_ID": "three"}})
	s.mu.Lock()
	written := s.written
	s.mu.Unlock()
	close(runs)
	<-written
	for name, want := range map[string]string{"etc/hostname": "two\n", "run/warren/.WARREN_SANDBOX_ID": "three"} {
		if text, err := os.ReadFile(root + "/" + name); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
}

func TestASandboxHasItsIdentityThoughItsProcessesCannotBeLetGo(t *testing.T) {
	s := newSandbox(t)
	s.stuck = syscall.EROFS
	s.mustBecome("one")
	if lines := s.loggedLines(); len(lines) != 1 || !strings.Contains(lines[0], "letting user processes run") {
		t.Errorf("%q", lines)
	}
}
