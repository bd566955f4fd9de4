//go:build !go1.20

package cgroups

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Prepare makes a process start in the group; package syscall cannot do that before Go 1.20.
func (g *Group) Prepare(*syscall.SysProcAttr) {}

// maxRounds bounds the search for processes that were forked before their parent was moved.
const maxRounds = 100

// Placed moves a started process into the group, and with it whatever it has forked before that: in the agent's own group there
// is nothing but the agent.
func (g *Group) Placed(pid int) error {
	t, group := g.tree, g.path
	if err := t.move(pid, group); err != nil {
		return err
	}
	for round := 0; round < maxRounds; round++ {
		strays, err := t.strays()
		if err != nil || len(strays) == 0 {
			return err
		}
		for _, stray := range strays {
			if err := t.move(stray, group); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("process %d forks faster than it can be moved to its control group", pid)
}

func (t *Tree) move(pid int, group string) error {
	err := t.write(group+"/cgroup.procs", strconv.Itoa(pid))
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// strays are the processes in the agent's group besides the agent.
func (t *Tree) strays() ([]int, error) {
	text, err := os.ReadFile(t.root + "/agent/cgroup.procs")
	if err != nil {
		return nil, err
	}
	var strays []int
	for _, line := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("reading the agent's control group: %w", err)
		}
		// 0 stands for a process outside of this pid namespace.
		if pid != os.Getpid() && pid != 0 {
			strays = append(strays, pid)
		}
	}
	return strays, nil
}
