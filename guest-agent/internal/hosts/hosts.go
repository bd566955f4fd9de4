// Package hosts keeps the machine's own name in /etc/hosts, so that it resolves without a name server.
package hosts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"warren/guest-agent/internal/textfile"
)

// ownAddress is the loopback address of the machine's own name, as Debian uses it.
const ownAddress = "127.0.1.1"

// Write makes etc/hosts name localhost and the machine. Lines of others stay; the one of the former name goes.
func Write(root, hostname string) error {
	path := filepath.Join(root, "etc/hosts")
	current, err := textfile.Read(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return textfile.Replace(path, textFor(current, hostname))
}

func textFor(current, hostname string) string {
	var lines []string
	localhost := false
	for _, line := range strings.Split(strings.TrimRight(current, "\n"), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 0 && fields[0] == ownAddress {
			continue
		}
		if len(fields) > 1 && fields[0] == "127.0.0.1" {
			localhost = true
		}
		if line != "" || len(lines) > 0 {
			lines = append(lines, line)
		}
	}
	if !localhost {
		lines = append([]string{"127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"}, lines...)
	}
	names := hostname
	if short, _, dotted := strings.Cut(hostname, "."); dotted {
		names += " " + short
	}
	return strings.Join(append(lines, ownAddress+"\t"+names), "\n") + "\n"
}
