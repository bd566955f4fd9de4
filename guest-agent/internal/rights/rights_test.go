package rights

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"warren/guest-agent/internal/rights/rightstest"
	"warren/guest-agent/internal/users"
)

var (
	ann  = users.User{Name: "ann", UID: 54321, GID: 54322, Groups: []uint32{54323, 54324}}
	bob  = users.User{Name: "bob", UID: 54331, GID: 54332}
	root = users.User{Name: "root"}
)

// status is what the kernel says of the thread that asks.
func status(t *testing.T, names ...string) string {
	t.Helper()
	// The file tells of the thread that opens it, as it is when it is read.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range strings.Split(string(text), "\n") {
		for _, name := range names {
			if strings.HasPrefix(line, name+":") {
				found = append(found, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(found, "; ")
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("acting as other users needs root")
	}
}

func TestWorkHasTheRightsOfTheUserAlone(t *testing.T) {
	needRoot(t)
	before := status(t, "Uid", "Gid", "Groups", "CapEff")
	check := func(user users.User, want string) {
		t.Helper()
		if err := As(user, func() error {
			if got := status(t, "Uid", "Gid", "Groups", "CapEff"); got != want {
				t.Errorf("%s: %s", user.Name, got)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	check(ann, "Uid: 0 54321 0 54321; Gid: 0 54322 0 54322; Groups: 54323 54324; CapEff: 0000000000000000")
	check(bob, "Uid: 0 54331 0 54331; Gid: 0 54332 0 54332; Groups:; CapEff: 0000000000000000")
	check(root, before)
	if after := status(t, "Uid", "Gid", "Groups", "CapEff"); after != before {
		t.Errorf("afterwards: %s, before: %s", after, before)
	}
	failure := errors.New("failed")
	if err := As(ann, func() error { return failure }); err != failure {
		t.Errorf("%v", err)
	}
}

func TestUsersAtOnceDoNotMix(t *testing.T) {
	needRoot(t)
	var all sync.WaitGroup
	for i := 0; i < 32; i++ {
		user := users.User{UID: uint32(60000 + i), GID: uint32(61000 + i)}
		all.Add(1)
		go func() {
			defer all.Done()
			for round := 0; round < 20; round++ {
				if got := status(t, "Uid"); got != "Uid: 0 0 0 0" {
					t.Errorf("a thread of the agent: %s", got)
				}
				_ = As(user, func() error {
					if got, want := status(t, "Uid"), fmt.Sprintf("Uid: 0 %d 0 %d", user.UID, user.UID); got != want {
						t.Errorf("%s, want %s", got, want)
					}
					return nil
				})
			}
		}()
	}
	all.Wait()
}

func TestTheKernelRefusesWhatTheUserMayNot(t *testing.T) {
	needRoot(t)
	directory := t.TempDir()
	rightstest.Open(t, directory)
	if err := os.WriteFile(directory+"/secret", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, work := range map[string]func() error{
		"a file of root":      func() error { _, err := os.ReadFile(directory + "/secret"); return err },
		"a directory of root": func() error { return os.Mkdir(directory+"/new", 0o755) },
		// This one asks for the effective user.
		"a setting of the kernel": func() error {
			file, err := os.OpenFile("/proc/sys/kernel/hostname", os.O_WRONLY, 0)
			if err == nil {
				file.Close()
			}
			return err
		},
		"giving a file away": func() error { return syscall.Chown(directory, int(ann.UID), int(ann.GID)) },
	} {
		if err := As(ann, work); !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
