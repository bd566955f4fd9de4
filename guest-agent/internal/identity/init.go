package identity

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"warren/guest-agent/internal/httpapi"
)

const (
	// Version is the protocol version that clients see.
	Version = "0.6.13"
	// Limits of the clock error that is left alone, the last one unless the clock is to be confirmed.
	maxBehind = 50 * time.Millisecond
	maxAhead  = 5 * time.Second
	// clockSteps is how often the clock is set at most: on a busy host a step, or the look at it, may come late.
	clockSteps = 5
	// maxBody bounds a request, in bytes.
	maxBody = 8 << 20
)

// Initializer serves POST /init.
type Initializer struct {
	state  *State
	system System
	root   string
	// thaw lets frozen user processes run.
	thaw func() error
	// renewed is called when the sandbox has become another one or runs anew.
	renewed func(r *http.Request)
	run     CommandRunner
	log     func(format string, arguments ...any)
	files   *secondary

	// turn is held by the request that is being applied.
	turn   sync.Mutex
	mounts mounts
}

// CommandRunner runs a program of the image and waits for it.
type CommandRunner func(ctx context.Context, argv []string) error

// Options are the parts that an Initializer works on.
type Options struct {
	State  *State
	System System
	// Root is the directory below which files are written.
	Root string
	// Thaw lets frozen user processes run.
	Thaw func() error
	// Renewed is called when the sandbox has become another one or runs anew. The request is the one that said so.
	Renewed func(r *http.Request)
	Run     CommandRunner
	// BootID is what gives copies boot ids of their own; nil = nothing.
	BootID *BootID
	// Log tells of what the guest's root user made impossible, and a sandbox runs without.
	Log func(format string, arguments ...any)
}

// NewInitializer serves POST /init with the given parts.
func NewInitializer(o Options) *Initializer {
	files := &secondary{root: o.Root, bootID: o.BootID, log: o.Log, limit: writeLimit}
	return &Initializer{state: o.State, system: o.System, root: o.Root, thaw: o.Thaw, renewed: o.Renewed, run: o.Run, log: o.Log, files: files}
}

// confirmation is what the host is told to be in force.
type confirmation struct {
	// ClockOffsetMs is guest time minus host time, in milliseconds; null without a timestamp.
	ClockOffsetMs *float64 `json:"clockOffsetMs"`
	// EntropyBytes is how many bytes this request added to the random generator.
	EntropyBytes int    `json:"entropyBytes"`
	Hostname     string `json:"hostname"`
	SandboxID    string `json:"sandboxId"`
}

// ServeHTTP implements http.Handler.
func (i *Initializer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	w.Header().Set("X-Envd-Version", Version)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		httpapi.WriteError(w, httpapi.Errorf(400, "reading the body: %v", err))
		return
	}
	request, entropy, err := parseRequest(body)
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	if !i.state.Authorized(r.Header.Get("X-Access-Token")) && !i.state.Authorized(request.AccessToken) {
		httpapi.WriteError(w, httpapi.Errorf(401, "the access token is missing or wrong"))
		return
	}
	if !i.turn.TryLock() {
		httpapi.WriteError(w, httpapi.Errorf(503, "another init request is being applied"))
		return
	}
	defer i.turn.Unlock()
	confirms := strings.Contains(r.Header.Get("Accept"), "application/json")
	confirmed, err := i.apply(r, request, entropy, received, confirms)
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	if confirms {
		httpapi.WriteJSON(w, http.StatusOK, confirmed)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// apply puts a request into force. User processes run again at the end, also when the request is an old one. When it is to
// be confirmed, the clock is that of the host before they do.
func (i *Initializer) apply(r *http.Request, request Request, entropy []byte, received time.Time, confirms bool) (confirmation, error) {
	var confirmed confirmation
	if request.Timestamp == nil || request.Timestamp.After(i.state.applied) {
		if request.Timestamp != nil {
			ahead := maxAhead
			if confirms {
				ahead = maxBehind
			}
			if err := i.setClock(*request.Timestamp, received, ahead); err != nil {
				return confirmed, httpapi.Errorf(400, "%v", err)
			}
		}
		if err := i.change(r, request, entropy); err != nil {
			return confirmed, httpapi.Errorf(400, "%v", err)
		}
		confirmed.EntropyBytes = len(entropy)
	}
	if request.Timestamp != nil {
		offset := float64(i.clockOffset(*request.Timestamp, received).Microseconds()) / 1000
		confirmed.ClockOffsetMs = &offset
	}
	if err := i.thaw(); err != nil {
		// Only the root user of the guest can have brought that about. Refused, the sandbox could never be resumed.
		i.log("letting user processes run: %v", err)
	}
	confirmed.SandboxID = i.state.sandboxID
	hostname, err := i.system.Hostname()
	if err != nil {
		return confirmed, err
	}
	confirmed.Hostname = hostname
	return confirmed, nil
}

func (i *Initializer) change(r *http.Request, request Request, entropy []byte) error {
	if len(entropy) > 0 {
		if err := i.system.AddEntropy(entropy); err != nil {
			return err
		}
	}
	if request.Hostname != "" {
		if err := i.system.SetHostname(request.Hostname); err != nil {
			return err
		}
	}
	if request.CABundle != "" {
		if err := installCertificates(r.Context(), i.root, request.CABundle, i.run); err != nil {
			return err
		}
	}
	if err := i.mounts.apply(request.VolumeMounts, request.LifecycleID); err != nil {
		return err
	}
	former := i.state.SandboxID()
	renewed := i.state.replace(request)
	if renewed && i.renewed != nil {
		i.renewed(r)
	}
	files := places{hostname: request.Hostname, builtIn: i.state.builtInCopy()}
	// A machine that stays the same sandbox keeps the ids that it has.
	if request.SandboxID != former {
		files.machine, files.copied = request.SandboxID, former != ""
	}
	i.files.write(files)
	return nil
}

// setClock sets the clock when it is too far behind, or ahead of, the time that the host had when the request came.
func (i *Initializer) setClock(host time.Time, received time.Time, ahead time.Duration) error {
	for step := 0; step < clockSteps; step++ {
		if offset := i.clockOffset(host, received); offset >= -maxBehind && offset <= ahead {
			return nil
		}
		if err := i.system.SetClock(host.Add(time.Since(received))); err != nil {
			return err
		}
	}
	return nil
}

// clockOffset is guest time minus the time that the host has by now.
func (i *Initializer) clockOffset(host time.Time, received time.Time) time.Duration {
	return i.system.Now().Round(0).Sub(host.Add(time.Since(received)).Round(0))
}

// replace puts the fields of a request into force and tells whether the sandbox is another one than before, or runs anew.
func (s *State) replace(request Request) (renewed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = request.AccessToken
	if request.EnvVars != nil {
		s.environment = request.EnvVars
	}
	if request.DefaultUser != "" {
		s.defaultUser = request.DefaultUser
	}
	if request.DefaultWorkdir != "" {
		s.workdir = request.DefaultWorkdir
	}
	if request.SandboxID != "" {
		renewed = s.sandboxID != "" && s.sandboxID != request.SandboxID
		s.sandboxID = request.SandboxID
	}
	if request.TemplateID != "" {
		s.templateID = request.TemplateID
	}
	if request.LifecycleID != "" {
		renewed = renewed || s.lifecycleID != "" && s.lifecycleID != request.LifecycleID
		s.lifecycleID = request.LifecycleID
	}
	s.builtIn = builtIn(s.sandboxID, s.templateID)
	if request.Timestamp != nil {
		s.applied = *request.Timestamp
	}
	return renewed
}

func (s *State) builtInCopy() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	variables := make(map[string]string, len(s.builtIn))
	for name, value := range s.builtIn {
		variables[name] = value
	}
	return variables
}
