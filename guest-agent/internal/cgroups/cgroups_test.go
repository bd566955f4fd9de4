package cgroups

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"warren/guest-agent/internal/cgroups/cgrouptest"
)

// sleeper starts a process in a group.
func sleeper(t *testing.T, group string) *exec.Cmd {
	t.Helper()
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(command.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	return command
}

func newTree(t *testing.T) *Tree {
	t.Helper()
	tree, err := New(cgrouptest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestFreezeStopsEverythingAndThawLetsItRun(t *testing.T) {
	tree := newTree(t)
	for i := 0; i < 5; i++ {
		sleeper(t, tree.root+"/user/others/processes")
		sleeper(t, tree.root+"/user/others/terminals")
	}
	for round := 0; round < 3; round++ {
		if err := tree.Freeze(context.Background()); err != nil {
			t.Fatal(err)
		}
		if frozen, err := tree.event(userGroup, "frozen"); err != nil || !frozen {
			t.Fatalf("not frozen when Freeze returns: %v", err)
		}
		if err := tree.Thaw(); err != nil {
			t.Fatal(err)
		}
		for frozen := true; frozen; {
			var err error
			if frozen, err = tree.event(userGroup, "frozen"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tree.Thaw(); err != nil {
		t.Errorf("letting run what runs: %v", err)
	}
}

func TestNothingIsStartedWhileFrozen(t *testing.T) {
	tree := newTree(t)
	if err := tree.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := tree.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("entered a frozen group: %v", err)
	}
	entered := make(chan error)
	go func() {
		leave, err := tree.Enter(context.Background())
		if err == nil {
			leave()
		}
		entered <- err
	}()
	if err := tree.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-entered; err != nil {
		t.Error(err)
	}
}

func TestFreezeWaitsForStartsUnderWay(t *testing.T) {
	tree := newTree(t)
	leave, err := tree.Enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := tree.Freeze(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("froze in the middle of a start: %v", err)
	}
	// After a failed freeze everything runs on.
	leaveToo, err := tree.Enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	frozen := make(chan error)
	go func() { frozen <- tree.Freeze(context.Background()) }()
	leave()
	leaveToo()
	if err := <-frozen; err != nil {
		t.Error(err)
	}
	if err := tree.Thaw(); err != nil {
		t.Error(err)
	}
}

func TestStartsAreAnnouncedAndEndsCanBeAsked(t *testing.T) {
	tree := newTree(t)
	expect := func(want bool) {
		t.Helper()
		if populated, err := tree.Populated(); err != nil || populated != want {
			t.Errorf("populated: %v %v", populated, err)
		}
	}
	expect(false)
	for range [2]struct{}{} {
		leave, err := tree.Enter(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-tree.Started():
			t.Error("announced before it has started")
		default:
		}
		command := sleeper(t, tree.root+"/user/others/processes")
		leave()
		<-tree.Started()
		expect(true)
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		expect(false)
	}
}

func TestKillEndsEverything(t *testing.T) {
	tree := newTree(t)
	if err := tree.Empty(context.Background()); err != nil {
		t.Errorf("empty from the beginning: %v", err)
	}
	var commands []*exec.Cmd
	for i := 0; i < 5; i++ {
		commands = append(commands, sleeper(t, tree.root+"/user/others/processes"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := tree.Empty(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("empty with processes: %v", err)
	}
	if err := tree.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := tree.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, command := range commands {
		_ = command.Wait()
	}
	if err := tree.Empty(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestLimitsThatTheKernelRefusesAreNamed(t *testing.T) {
	tree := newTree(t)
	// Setting limits moves this process into the group of the agent; the test takes it out again.
	cgrouptest.Enter(t, tree.root+"/agent")
	// This machine may have all controllers in version 1, so every setting may be refused; none may be passed over.
	for _, err := range tree.Limit(Resources{Memory: 512 << 20, Tasks: 4000}) {
		var path *os.PathError
		if !errors.As(err, &path) {
			t.Errorf("an error without a file: %v", err)
		}
	}
}

func TestCommandsStartWithoutWhatRootHasTakenAway(t *testing.T) {
	tree := newTree(t)
	tree.groups.limit(1000)
	if err := os.Remove(tree.root + "/user/root"); err != nil {
		t.Fatal(err)
	}
	group, err := tree.NewGroup(true, false)
	if err != nil {
		t.Fatal(err)
	}
	group.Close()
}
