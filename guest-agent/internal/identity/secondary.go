package identity

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"warren/guest-agent/internal/hosts"
	"warren/guest-agent/internal/textfile"
)

// writeLimit bounds the wait for files to be written. A file system that stands still, because it was frozen or its server is a
// process of the guest, must not keep a sandbox from running.
const writeLimit = 5 * time.Second

// secondary are the places, beside the agent's memory and the kernel's, where programs of the guest find the identity: files that
// belong to the guest, whose root user may have put anything in their place. A sandbox runs without them.
type secondary struct {
	root   string
	bootID *BootID
	log    func(format string, arguments ...any)
	limit  time.Duration

	mu sync.Mutex
	// wanted is what has yet to be written; nil = nothing.
	wanted *places
	// written is closed when all is; nil = nobody writes.
	written chan struct{}
	// failures are those that have been logged, by what failed. Only the one who writes has them.
	failures map[string]string
}

// places are what the files are to say.
type places struct {
	// hostname is unchanged when empty.
	hostname string
	// machine is the sandbox that the ids of the machine follow from, copied whether it was another one before. They are
	// unchanged when machine is empty.
	machine string
	copied  bool
	builtIn map[string]string
}

// write writes what can be written, and waits for it within the limit.
func (s *secondary) write(wanted places) {
	s.mu.Lock()
	if s.wanted != nil {
		wanted = s.wanted.followedBy(wanted)
	}
	s.wanted = &wanted
	if s.written != nil {
		// Writing has not ended since an earlier request: it is waited for no more.
		s.mu.Unlock()
		return
	}
	written := make(chan struct{})
	s.written = written
	s.mu.Unlock()
	go s.writeAll()
	limit := time.NewTimer(s.limit)
	defer limit.Stop()
	select {
	case <-written:
	case <-limit.C:
		// The console may stand still too.
		go s.log("the files of the identity take longer than %v to be written, and are not waited for", s.limit)
	}
}

// followedBy is what is to be written when another request comes before anything has been.
func (p places) followedBy(next places) places {
	if next.hostname == "" {
		next.hostname = p.hostname
	}
	if next.machine == "" {
		next.machine = p.machine
	}
	next.copied = next.copied || p.copied
	return next
}

// writeAll writes until nothing is wanted any more.
func (s *secondary) writeAll() {
	for {
		s.mu.Lock()
		wanted := s.wanted
		s.wanted = nil
		if wanted == nil {
			close(s.written)
			s.written = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.writeOnce(*wanted)
	}
}

func (s *secondary) writeOnce(p places) {
	if p.hostname != "" {
		s.note("/etc/hosts", hosts.Write(s.root, p.hostname))
		s.note("/etc/hostname", writeHostname(s.root, p.hostname))
	}
	if p.machine != "" {
		s.note("/etc/machine-id", writeMachineID(s.root, p.machine))
		if p.copied {
			s.note("the boot id", s.bootID.renew(p.machine))
		}
	}
	s.note("/run", writeIdentity(s.root, p.builtIn))
}

// note logs a failure once, and again when it has become another one.
func (s *secondary) note(what string, err error) {
	if err == nil {
		if s.failures != nil {
			delete(s.failures, what)
		}
		return
	}
	text := err.Error()
	if s.failures[what] == text {
		return
	}
	if s.failures == nil {
		s.failures = map[string]string{}
	}
	s.failures[what] = text
	s.log("the identity in %s is not up to date: %s", what, text)
}

// writeIdentity writes each built-in variable into a file: run/warren/.WARREN_SANDBOX_ID, run/e2b/.E2B_SANDBOX_ID and so on.
func writeIdentity(root string, variables map[string]string) error {
	var failed error
	for name, value := range variables {
		directory := strings.ToLower(name[:strings.IndexByte(name, '_')])
		if err := textfile.Replace(filepath.Join(root, "run", directory, "."+name), value); err != nil {
			failed = fmt.Errorf("writing the identity: %w", err)
		}
	}
	return failed
}
