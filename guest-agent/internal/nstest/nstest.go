// Package nstest runs the tests of a package in Linux namespaces of their own.
package nstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// marker tells the second run from the first.
const marker = "WARREN_TEST_IN_NAMESPACE"

// Main is called by TestMain and does not return. It runs the tests again in new namespaces (flags of clone(2)); there, setup is
// called first. Without root the tests run where they are, and skip by Need.
func Main(m *testing.M, namespaces uintptr, setup func() error) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	if os.Getenv(marker) != "" {
		if setup != nil {
			if err := setup(); err != nil {
				fmt.Fprintln(os.Stderr, "preparing the namespaces:", err)
				os.Exit(1)
			}
		}
		os.Exit(m.Run())
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), marker+"=1")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// Mounts of a namespace made by unshare do not propagate.
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces &^ syscall.CLONE_NEWNS, Unshareflags: namespaces & syscall.CLONE_NEWNS}
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "no namespaces for the tests:", err)
		os.Exit(1)
	}
	os.Exit(command.ProcessState.ExitCode())
}

// Need skips a test that is not in its namespaces.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(marker) == "" {
		t.Skip("namespaces need root")
	}
}
