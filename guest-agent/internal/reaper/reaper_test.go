package reaper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asInit makes this program play process 1 of a pid namespace.
const asInit = "WARREN_TEST_AS_INIT"

func TestMain(m *testing.M) {
	if os.Getenv(asInit) != "" {
		if err := playInit(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, r *Reaper, hooks Hooks, script string) *Child {
	t.Helper()
	child, err := r.Start("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}, hooks)
	if err != nil {
		t.Fatal(err)
	}
	return child
}

func TestEachChildGetsItsOwnStatus(t *testing.T) {
	r := New(false)
	var all sync.WaitGroup
	for i := 0; i < 60; i++ {
		all.Add(1)
		go func(code int) {
			defer all.Done()
			child := start(t, r, Hooks{}, "exit "+strconv.Itoa(code))
			<-child.Done()
			if status := child.Status(); !status.Exited() || status.ExitStatus() != code {
				t.Errorf("%d: %v", code, status)
			}
			if err := child.Signal(syscall.SIGKILL); err != syscall.ESRCH {
				t.Errorf("a signal after the end: %v", err)
			}
		}(i)
	}
	all.Wait()
	if len(r.children) != 0 {
		t.Errorf("left in the table: %v", r.children)
	}
}

func TestSignal(t *testing.T) {
	child := start(t, New(false), Hooks{}, "exec sleep 1000")
	if err := child.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	if status := child.Status(); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("%v", status)
	}
}

// Without orphans the reaper leaves the children of others alone.
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	r := New(false)
	for i := 0; i < 20; i++ {
		child := start(t, r, Hooks{}, "true")
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
		<-child.Done()
	}
}

func TestHooks(t *testing.T) {
	r := New(false)
	var calls []string
	hooks := Hooks{
		Before: func() error { calls = append(calls, "before"); return nil },
		After:  func(pid int) error { calls = append(calls, fmt.Sprint("after ", pid > 0)); return nil },
	}
	<-start(t, r, hooks, "true").Done()
	if _, err := r.Start("/no/such", []string{"x"}, &syscall.ProcAttr{}, hooks); err != syscall.ENOENT {
		t.Error(err)
	}
	if got := strings.Join(calls, ", "); got != "before, after true, before, after false" {
		t.Error(got)
	}
	failure := errors.New("refused")
	hooks.Before = func() error { return failure }
	if _, err := r.Start("/bin/true", []string{"true"}, &syscall.ProcAttr{}, hooks); err != failure {
		t.Error(err)
	}
	var pid int
	hooks = Hooks{After: func(started int) error { pid = started; return failure }}
	if _, err := r.Start("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{}, hooks); err != failure {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process that could not be confined lives on")
		}
	}
}

func TestReapingGoesOnDuringAFork(t *testing.T) {
	r := New(false)
	first := start(t, r, Hooks{}, "exec sleep 1000")
	second := start(t, r, Hooks{After: func(pid int) error {
		if err := first.Signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-first.Done()
		// The new child ends before it is registered.
		for alive := true; alive; {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				return err
			}
			alive = !strings.Contains(string(text), ") Z ")
		}
		return nil
	}}, "exit 5")
	<-second.Done()
	if status := second.Status(); status.ExitStatus() != 5 {
		t.Errorf("%v", status)
	}
}

func TestStatusThatComesBeforeItsChildIsRegistered(t *testing.T) {
	r := &Reaper{orphans: true, children: map[int]*Child{}, early: map[int]syscall.WaitStatus{}}
	const gone = 1 << 30
	r.deliver(gone, 3<<8)
	child := r.register(gone)
	<-child.Done()
	if child.Status().ExitStatus() != 3 || r.early != nil || len(r.children) != 0 {
		t.Errorf("%v %v", child.Status(), r.children)
	}
	r.deliver(gone, 4<<8)
	if r.early != nil {
		t.Error("the status of an orphan is kept without a fork under way")
	}
	// A status of the same pid that belongs to another process is not taken for the child's.
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	r.early = map[int]syscall.WaitStatus{pid: 9 << 8}
	child = r.register(pid)
	select {
	case <-child.Done():
		t.Error("a living child has ended")
	default:
	}
	if err := child.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	r := New(false)
	if err := r.Run(context.Background(), []string{"/bin/true"}); err != nil {
		t.Error(err)
	}
	for _, argv := range [][]string{{"/bin/false"}, {"/no/such"}} {
		if err := r.Run(context.Background(), argv); err == nil || !strings.HasPrefix(err.Error(), argv[0]) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := r.Run(ctx, []string{"/bin/sleep", "1000"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// playInit starts children that leave orphans behind and waits until all are reaped.
func playInit() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("not process 1 but %d", os.Getpid())
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	r := New(true)
	for i := 0; i < 50; i++ {
		child, err := r.Start("/bin/sh", []string{"sh", "-c", fmt.Sprintf("(sleep 0.0%d; exit 9) & (exit 8) & exit %d", i%10, i)}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}, Hooks{})
		if err != nil {
			return err
		}
		<-child.Done()
		if status := child.Status(); status.ExitStatus() != i {
			return fmt.Errorf("child %d: %v", i, status)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		left := 0
		for _, entry := range entries {
			if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != 1 {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d orphans are not reaped", left)
		}
	}
}

func TestProcessOneReapsOrphans(t *testing.T) {
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), asInit+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Skipf("no pid namespace: %v", err)
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		t.Log(lines.Text())
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}
