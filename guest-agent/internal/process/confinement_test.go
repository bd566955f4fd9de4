package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/cgroups/cgrouptest"
)

// confined is a sandbox whose processes are in control groups.
func confined(t *testing.T) (*sandbox, *cgroups.Tree) {
	t.Helper()
	tree, err := cgroups.New(cgrouptest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	s := newSandbox(t)
	s.manager.launcher.confinement.groups = tree
	return s, tree
}

func TestProcessesAreInTheirControlGroups(t *testing.T) {
	s, _ := confined(t)
	// Right from the start and with all their descendants.
	const script = "(grep ^0: /proc/self/cgroup) & grep ^0: /proc/self/cgroup; wait"
	for i := 0; i < 10; i++ {
		for _, user := range []string{"root", "ann"} {
			a := s.start(s.As(user), shell(script)).wantExit(0)
			b := s.start(s.As(user), shell(script, object{"pty": object{}})).wantExit(0)
			for _, line := range strings.Fields(string(a.stdout)) {
				if !strings.HasSuffix(line, "/user/processes") {
					t.Fatalf("process in %s", line)
				}
			}
			for _, line := range strings.Fields(string(b.pty)) {
				if !strings.HasSuffix(line, "/user/terminals") {
					t.Fatalf("terminal in %s", line)
				}
			}
		}
	}
}

func TestFrozenProcessesStandStillAndLoseNothing(t *testing.T) {
	s, tree := confined(t)
	a := s.start(s.Client, shell("i=0; while :; do i=$((i+1)); echo $i; done"))
	a.until("100\n")
	if err := tree.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	begun := make(chan *attached)
	go func() { begun <- s.start(s.Client, shell("echo started")) }()
	if err := tree.Thaw(); err != nil {
		t.Fatal(err)
	}
	(<-begun).wantExit(0)
	a.until("5000\n")
	s.kill(a.pid, "SIGNAL_SIGKILL")
	a.drain()
	for i, line := range strings.Split(strings.TrimSpace(string(a.stdout)), "\n") {
		if line != fmt.Sprint(i+1) {
			t.Fatalf("line %d is %q", i+1, line)
		}
	}
}

func TestFrozenProcessCanBeKilled(t *testing.T) {
	s, tree := confined(t)
	a := s.start(s.Client, shell("exec sleep 1000"))
	if err := tree.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.kill(a.pid, "SIGNAL_SIGKILL")
	a.wantSignal("signal: killed")
	if err := tree.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// The agent takes on the score of its children only for the time of a fork.
func TestAgentIsProtectedFromLackOfMemory(t *testing.T) {
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	confinement, err := NewConfinement(nil, true)
	if err != nil {
		t.Skipf("this process may not protect itself: %v", err)
	}
	defer func() {
		confinement.score.Close()
		if err := os.WriteFile("/proc/self/oom_score_adj", before, 0); err != nil {
			t.Error(err)
		}
	}()
	s := newSandbox(t)
	s.manager.launcher.confinement = confinement
	for i := 0; i < 5; i++ {
		a := s.start(s.Client, shell("(cat /proc/self/oom_score_adj) & cat /proc/self/oom_score_adj; wait")).wantExit(0)
		if string(a.stdout) != "100\n100\n" {
			t.Errorf("processes have %q", a.stdout)
		}
		if own, err := os.ReadFile("/proc/self/oom_score_adj"); err != nil || string(own) != "-1000\n" {
			t.Errorf("the agent has %q %v", own, err)
		}
	}
}
