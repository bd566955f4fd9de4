package process

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/cgroups/cgrouptest"
)

// confined is a sandbox whose processes are in control groups.
func confined(t *testing.T) (*sandbox, *cgroups.Tree) {
	t.Helper()
	root := cgrouptest.New(t)
	tree, err := cgroups.New(root)
	if err != nil {
		t.Fatal(err)
	}
	cgrouptest.Enter(t, root+"/agent")
	s := newSandbox(t)
	s.manager.launcher.confinement.groups = tree
	return s, tree
}

func TestProcessesAreInTheirControlGroups(t *testing.T) {
	s, _ := confined(t)
	// The descendant is forked at once, so it may be there before the agent gets to move its parent.
	const script = "(read x < $0; grep ^0: /proc/self/cgroup) & read x; grep ^0: /proc/self/cgroup; echo > $0; wait"
	pipe := fifo(t, s)
	run := func(user string, kind string, more object) *attached {
		request := object{"process": object{"cmd": "/bin/sh", "args": []string{"-c", script, pipe}}}
		for name, value := range more {
			request[name] = value
		}
		a := s.start(s.As(user), request)
		s.send(object{"pid": a.pid}, kind, "\n")
		return a.wantExit(0)
	}
	s.check(os.Chmod(pipe, 0o666))
	const root = `^/user/root/\d+ /user/root/\d+$`
	expected := map[string]string{
		"root stdin": root, "root pty": root,
		"ann stdin": `^/user/others/processes/\d+ /user/others/processes/\d+$`, "ann pty": `^/user/others/terminals/\d+ /user/others/terminals/\d+$`,
	}
	for i := 0; i < 10; i++ {
		for _, user := range []string{"root", "ann"} {
			if groups := groupsIn(run(user, "stdin", nil).stdout); !regexp.MustCompile(expected[user+" stdin"]).MatchString(groups) {
				t.Fatalf("processes in %s", groups)
			}
			if groups := groupsIn(run(user, "pty", object{"pty": object{}}).pty); !regexp.MustCompile(expected[user+" pty"]).MatchString(groups) {
				t.Fatalf("terminals in %s", groups)
			}
		}
	}
}

// groupsIn are the groups in lines of /proc/PID/cgroup, without what lies above the agent's tree.
func groupsIn(output []byte) string {
	var groups []string
	for _, line := range strings.Fields(string(output)) {
		if strings.HasPrefix(line, "0::") {
			groups = append(groups, regexp.MustCompile(`^0::.*(/warren-test-\d+|/\.\.)`).ReplaceAllString(line, ""))
		}
	}
	return strings.Join(groups, " ")
}

// Descendants that have left the session and the process group of their command are part of it all the same.
func TestEndReachesThoseWhoHaveDetached(t *testing.T) {
	s, _ := confined(t)
	const daemon = "setsid sh -c 'trap \"\" TERM; echo daemon $$; exec >&- 2>&- <&-; while :; do sleep 0.01; done' & "
	for _, end := range []func(*attached){
		func(a *attached) { s.kill(a.pid, "SIGNAL_SIGKILL") },
		func(a *attached) {
			s.Must("/process.Process/SendSignal", object{"process": object{"pid": a.pid}, "signal": 15, "killAfterMs": 50}, nil)
		},
	} {
		a := s.start(s.Client, shell(daemon+"exec sleep 1000"))
		a.until("\n")
		end(a)
		if a.drain(); !a.ended || lives(number(t, a.stdout, "daemon")) {
			t.Errorf("end %v, and the daemon lives", a.ended)
		}
	}
}

func TestDaemonOutlivesACommandThatEndsWell(t *testing.T) {
	s, tree := confined(t)
	pipe := fifo(t, s)
	a := s.start(s.Client, shell("setsid sh -c 'exec >&- 2>&- <&-; echo up > "+s.root+"/up; read line < "+pipe+"' & while ! [ -s "+s.root+"/up ]; do sleep 0.01; done; echo daemon $!")).wantExit(0)
	if !lives(number(t, a.stdout, "daemon")) {
		t.Error("the daemon is gone")
	}
	s.check(os.WriteFile(pipe, []byte("go\n"), 0))
	s.check(tree.Empty(context.Background()))
}

func TestGroupsOfEndedCommandsAreRemoved(t *testing.T) {
	s, tree := confined(t)
	for i := 0; i < 5; i++ {
		s.start(s.Client, shell(":")).wantExit(0)
		s.start(s.As("ann"), shell(":")).wantExit(0)
	}
	eventually(t, "no group is left", func() bool { return tree.Ended() == 0 })
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

func TestListTellsWhatCommandsUse(t *testing.T) {
	s, _ := confined(t)
	a := s.start(s.Client, shell("(while :; do :; done) & echo ready; wait"))
	a.until("ready")
	b := s.start(s.Client, shell("exec sleep 1000"))
	// What is charged of memory is told in microVMs alone: the controller may be another hierarchy's here.
	eventually(t, "processor time is told", func() bool {
		got := s.listWhole(object{})
		return len(got) == 2 && got[0].Pid == a.pid && len(got[0].CpuMs) > 2 && got[1].Pid == b.pid && len(got[1].CpuMs) < 3
	})
}
