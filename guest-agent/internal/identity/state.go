// Package identity holds what the host tells the guest about the sandbox it belongs to: token, environment, default user,
// clock, entropy and name. It serves POST /init.
package identity

import (
	"crypto/subtle"
	"sync"
	"time"

	"warren/guest-agent/internal/users"
)

// State is the identity now in force.
type State struct {
	database *users.Database

	mu          sync.RWMutex
	token       string
	environment map[string]string
	builtIn     map[string]string
	defaultUser string
	workdir     string
	sandboxID   string
	templateID  string
	lifecycleID string
	// applied is the timestamp of the newest request that was applied.
	applied time.Time
}

// NewState is the identity of a guest that no host has spoken to yet.
func NewState(database *users.Database) *State {
	return &State{database: database, defaultUser: "root", builtIn: builtIn("", "")}
}

func builtIn(sandboxID, templateID string) map[string]string {
	variables := map[string]string{"WARREN_SANDBOX": "true", "E2B_SANDBOX": "true"}
	if sandboxID != "" {
		variables["WARREN_SANDBOX_ID"], variables["E2B_SANDBOX_ID"] = sandboxID, sandboxID
	}
	if templateID != "" {
		variables["WARREN_TEMPLATE_ID"], variables["E2B_TEMPLATE_ID"] = templateID, templateID
	}
	return variables
}

// Secured tells whether a token is set.
func (s *State) Secured() bool { return s.Token() != "" }

// Token is the access token; "" = none.
func (s *State) Token() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.token
}

// SandboxID is the sandbox that this is; "" = none yet.
func (s *State) SandboxID() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sandboxID
}

// Authorized compares a presented token in constant time. Without a token set everything is open.
func (s *State) Authorized(presented string) bool {
	token := s.Token()
	return token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(presented)) == 1
}

// Environment are the global variables now in force, as a copy. Built-in ones cannot be overridden.
func (s *State) Environment() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	variables := make(map[string]string, len(s.environment)+len(s.builtIn))
	for name, value := range s.environment {
		variables[name] = value
	}
	for name, value := range s.builtIn {
		variables[name] = value
	}
	return variables
}

// Workdir is the default working directory; "" = the user's home.
func (s *State) Workdir() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.workdir
}

// User finds a user of the image by name; "" stands for the default user.
func (s *State) User(name string) (users.User, error) {
	if name == "" {
		s.mu.RLock()
		name = s.defaultUser
		s.mu.RUnlock()
	}
	return s.database.Lookup(name)
}
