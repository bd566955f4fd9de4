package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// Places of Debian's trust store (update-ca-certificates(8)).
	localCertificates = "usr/local/share/ca-certificates"
	bundleFile        = "etc/ssl/certs/ca-certificates.crt"
	updateProgram     = "usr/sbin/update-ca-certificates"
	certificatePrefix = "warren-"
)

// installCertificates replaces the certificates that an earlier call installed. A bundle that is installed already costs nothing.
func installCertificates(ctx context.Context, root, bundle string, run CommandRunner) error {
	certificates, err := splitCertificates(bundle)
	if err != nil {
		return err
	}
	directory := filepath.Join(root, localCertificates)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	obsolete, err := filepath.Glob(filepath.Join(directory, certificatePrefix+"*.crt"))
	if err != nil {
		return err
	}
	stale := map[string]bool{}
	for _, path := range obsolete {
		stale[path] = true
	}
	changed := false
	var added []string
	for _, certificate := range certificates {
		sum := sha256.Sum256(certificate)
		path := filepath.Join(directory, certificatePrefix+hex.EncodeToString(sum[:16])+".crt")
		if stale[path] {
			delete(stale, path)
			continue
		}
		changed = true
		added = append(added, path)
		if err := os.WriteFile(path, certificate, 0o644); err != nil {
			return err
		}
	}
	for path := range stale {
		changed = true
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	if _, err := os.Stat(filepath.Join(root, updateProgram)); err == nil {
		if err := run(ctx, []string{"/" + updateProgram}); err != nil {
			// Without them the next request does not take the bundle for installed.
			for _, path := range added {
				_ = os.Remove(path)
			}
			return err
		}
		return nil
	}
	return appendToBundle(filepath.Join(root, bundleFile), certificates)
}

// splitCertificates checks a PEM bundle and returns its certificates one by one.
func splitCertificates(bundle string) ([][]byte, error) {
	var certificates [][]byte
	rest := []byte(bundle)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("caBundle: a block of type %q is not a certificate", block.Type)
		}
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if len(certificates) == 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("caBundle: expected certificates in PEM form")
	}
	return certificates, nil
}

// Marks around the agent's part of a bundle file.
const (
	beginMark = "# BEGIN Warren certificates\n"
	endMark   = "# END Warren certificates\n"
)

// appendToBundle puts certificates at the end of the bundle file of an image without update-ca-certificates.
func appendToBundle(path string, certificates [][]byte) error {
	current, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text := string(current)
	if begin := strings.Index(text, beginMark); begin >= 0 {
		if end := strings.Index(text[begin:], endMark); end >= 0 {
			text = text[:begin] + text[begin+end+len(endMark):]
		}
	}
	text += beginMark
	for _, certificate := range certificates {
		text += string(certificate)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text+endMark), 0o644)
}
