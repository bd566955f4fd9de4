package identity

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"warren/guest-agent/internal/httpapi"
)

// maxEntropy bounds the entropy of one request, in bytes.
const maxEntropy = 4096

// Request is the body of POST /init.
type Request struct {
	// Timestamp is the host's wall-clock time, RFC 3339.
	Timestamp *time.Time `json:"timestamp"`
	// AccessToken replaces the token; empty clears it.
	AccessToken string `json:"accessToken"`
	// EnvVars replaces the global variables; null or absent leaves them.
	EnvVars map[string]string `json:"envVars"`
	// DefaultUser and DefaultWorkdir are unchanged when empty.
	DefaultUser    string `json:"defaultUser"`
	DefaultWorkdir string `json:"defaultWorkdir"`
	// CABundle is a list of certificates in PEM form for the system trust store.
	CABundle     string        `json:"caBundle"`
	VolumeMounts []VolumeMount `json:"volumeMounts"`
	// LifecycleID names this run of the sandbox.
	LifecycleID string `json:"lifecycleID"`
	// Entropy is base64 of random bytes for the kernel's generator.
	Entropy string `json:"entropy"`
	// Hostname, SandboxID and TemplateID are unchanged when empty.
	Hostname   string `json:"hostname"`
	SandboxID  string `json:"sandboxId"`
	TemplateID string `json:"templateId"`
}

// VolumeMount is one network file system to mount.
type VolumeMount struct {
	// NFSTarget is HOST:/PATH.
	NFSTarget string `json:"nfs_target"`
	Path      string `json:"path"`
}

// parseRequest reads and checks a body. An empty body is an empty request.
func parseRequest(body []byte) (request Request, entropy []byte, err error) {
	if len(body) > 0 {
		if err := json.Unmarshal(body, &request); err != nil {
			return request, nil, httpapi.Errorf(400, "the body is not a valid init request: %v", err)
		}
	}
	if entropy, err = base64.StdEncoding.DecodeString(request.Entropy); err != nil || len(entropy) > maxEntropy {
		return request, nil, httpapi.Errorf(400, "entropy: expected base64 of at most %d bytes", maxEntropy)
	}
	if request.Hostname != "" && !validHostname(request.Hostname) {
		return request, nil, httpapi.Errorf(400, "hostname: expected at most 64 letters, digits, dots and inner hyphens")
	}
	for name, value := range request.EnvVars {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return request, nil, httpapi.Errorf(400, "envVars: %q is not a valid variable", name)
		}
	}
	for name, id := range map[string]string{"sandboxId": request.SandboxID, "templateId": request.TemplateID} {
		if len(id) > 256 || strings.ContainsAny(id, "\x00\n") {
			return request, nil, httpapi.Errorf(400, "%s: expected one line of at most 256 characters", name)
		}
	}
	return request, entropy, nil
}

// validHostname applies RFC 1123, section 2.1, and the kernel's limit of 64 characters.
func validHostname(name string) bool {
	if len(name) > 64 {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return false
			}
		}
	}
	return true
}
