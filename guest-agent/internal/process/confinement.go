package process

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/oom"
	"warren/guest-agent/internal/reaper"
)

// Values of oom_score_adj (proc(5)): the agent is never chosen when memory runs out, its processes before anything else.
const (
	agentOOMScore = -1000
	userOOMScore  = 100
)

// Confinement keeps processes within their limits and the agent out of their reach.
type Confinement struct {
	// groups hold the processes; nil = none.
	groups *cgroups.Tree
	// score is the agent's oom_score_adj; nil when the agent does not protect itself.
	score *os.File
	// log is the kernel's; nil = none.
	log *oom.Log
}

// NewConfinement puts processes into control groups, unless groups is nil. With protect set, the agent is exempt from being
// killed when memory runs out.
func NewConfinement(groups *cgroups.Tree, protect bool) (Confinement, error) {
	c := Confinement{groups: groups}
	if !protect {
		return c, nil
	}
	score, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0)
	if err != nil {
		return c, err
	}
	c.score = score
	if c.log, err = oom.Open("/dev/kmsg"); err != nil {
		return c, err
	}
	return c, c.setScore(agentOOMScore)
}

func (c Confinement) setScore(value int) error {
	_, err := c.score.WriteAt([]byte(strconv.Itoa(value)), 0)
	return err
}

// enter waits until processes may be started, and holds that state until leave is called.
func (c Confinement) enter(ctx context.Context) (leave func(), err error) {
	if c.groups == nil {
		return func() {}, nil
	}
	return c.groups.Enter(ctx)
}

// makeRoom makes fork bombs stand still while a command of root runs, which may be there to end them.
func (c Confinement) makeRoom(ctx context.Context, root bool) (release func()) {
	if c.groups == nil || !root {
		return func() {}
	}
	return c.groups.HoldCrowds(ctx)
}

// victim is the process of a command that was killed because memory ran out; nil = none.
func (c Confinement) victim(group *cgroups.Group, leader int) *oom.Victim {
	if group.KilledForMemory() == 0 {
		return nil
	}
	if c.log != nil {
		if victim := c.log.Victim(group.Path(), leader); victim != nil {
			return victim
		}
	}
	return &oom.Victim{}
}

// group makes the control group of a command; nil where there are none.
func (c Confinement) group(root, terminal bool) (*cgroups.Group, error) {
	if c.groups == nil {
		return nil, nil
	}
	return c.groups.NewGroup(root, terminal)
}

// hooks complete the confinement around a fork. A child inherits oom_score_adj, and whatever it forks inherits it from the
// child, so the agent takes on the value of its children for the time of the fork.
func (c Confinement) hooks(group *cgroups.Group) reaper.Hooks {
	hooks := reaper.Hooks{After: func(pid int) error {
		if c.score != nil {
			if err := c.setScore(agentOOMScore); err != nil {
				return fmt.Errorf("protecting the agent from lack of memory: %w", err)
			}
		} else if pid > 0 {
			// Fails only when the process has ended already.
			_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(userOOMScore)), 0)
		}
		if pid == 0 {
			return nil
		}
		// The agent itself may run at another priority.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, 0)
		if group == nil {
			return nil
		}
		return group.Placed(pid)
	}}
	if c.score != nil {
		hooks.Before = func() error { return c.setScore(userOOMScore) }
	}
	return hooks
}
