// Package oom finds in the kernel's log which processes were killed because memory ran out.
package oom

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Victim is a process that was killed because memory ran out.
type Victim struct {
	Process string `json:"process"`
	Pid     uint32 `json:"pid"`
}

const (
	// recordSize bounds one record of the log (LOG_LINE_MAX of the kernel and its prefix), in bytes.
	recordSize = 8192
	// kept is the number of victims that are remembered.
	kept = 64
)

// killed is a victim, with its control group where the kernel named it.
type killed struct {
	Victim
	group string
}

// Log reads the kernel's log from where it was opened on.
type Log struct {
	mu         sync.Mutex
	descriptor int
	victims    []killed
}

// Open opens the log at its end.
func Open(path string) (*Log, error) {
	descriptor, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	const seekEnd = 2
	if _, err := syscall.Seek(descriptor, 0, seekEnd); err != nil {
		syscall.Close(descriptor)
		return nil, err
	}
	return &Log{descriptor: descriptor}, nil
}

// Victim is the process that was last killed in a control group; leader is the pid of the group's first process, by which one
// is recognized whose group the kernel did not name. Nil = the log says nothing about it.
func (l *Log) Victim(group string, leader int) *Victim {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read()
	for i := len(l.victims) - 1; i >= 0; i-- {
		if v := l.victims[i]; v.group == group || v.group == "" && v.Pid == uint32(leader) {
			return &v.Victim
		}
	}
	return nil
}

// read takes in what has been logged since.
func (l *Log) read() {
	buffer := make([]byte, recordSize)
	for {
		n, err := syscall.Read(l.descriptor, buffer)
		switch {
		case err == syscall.EPIPE || err == syscall.EINTR:
			// EPIPE: records were lost, and reading goes on at the oldest that is left.
		case err != nil || n <= 0:
			return
		default:
			l.add(string(buffer[:n]))
		}
	}
}

// add takes in one record: oom-kill names the group, and Killed process, which always follows, the process.
func (l *Log) add(record string) {
	_, text, ok := strings.Cut(record, ";")
	if !ok {
		return
	}
	text, _, _ = strings.Cut(text, "\n")
	victim, ok := parseKill(text)
	if !ok {
		victim, ok = parseKilled(text)
	}
	if !ok {
		return
	}
	if last := len(l.victims) - 1; last >= 0 && l.victims[last].Pid == victim.Pid && victim.group == "" {
		return
	}
	if len(l.victims) == kept {
		l.victims = append(l.victims[:0], l.victims[1:]...)
	}
	l.victims = append(l.victims, victim)
}

// parseKill reads "oom-kill:…,task_memcg=GROUP,task=NAME,pid=N,uid=N". A name may hold commas.
func parseKill(text string) (killed, bool) {
	if !strings.HasPrefix(text, "oom-kill:") {
		return killed{}, false
	}
	_, rest, ok := strings.Cut(text, ",task_memcg=")
	if !ok {
		return killed{}, false
	}
	group, rest, _ := strings.Cut(rest, ",task=")
	end := strings.LastIndex(rest, ",pid=")
	if end < 0 {
		return killed{}, false
	}
	number, _, _ := strings.Cut(rest[end+len(",pid="):], ",")
	return newKilled(rest[:end], number, group)
}

// parseKilled reads "…: Killed process N (NAME) total-vm:…".
func parseKilled(text string) (killed, bool) {
	_, rest, ok := strings.Cut(text, "Killed process ")
	if !ok {
		return killed{}, false
	}
	number, rest, _ := strings.Cut(rest, " (")
	end := strings.Index(rest, ") total-vm:")
	if end < 0 {
		return killed{}, false
	}
	return newKilled(rest[:end], number, "")
}

func newKilled(name, number, group string) (killed, bool) {
	pid, err := strconv.ParseUint(number, 10, 32)
	return killed{Victim: Victim{Process: name, Pid: uint32(pid)}, group: group}, err == nil
}
