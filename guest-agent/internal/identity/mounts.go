package identity

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// mounts are the network file systems of the sandbox.
type mounts struct {
	lifecycleID string
	mounted     map[string]string
}

// apply mounts what is wanted and not mounted yet. A new run of the sandbox mounts everything anew: connections of the run
// before are dead.
func (m *mounts) apply(wanted []VolumeMount, lifecycleID string) error {
	if lifecycleID != m.lifecycleID {
		for path := range m.mounted {
			if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil && err != syscall.EINVAL {
				return fmt.Errorf("unmounting volume %s: %w", path, err)
			}
		}
		m.lifecycleID, m.mounted = lifecycleID, nil
	}
	for _, volume := range wanted {
		path := filepath.Clean(volume.Path)
		if !filepath.IsAbs(path) || path == "/" {
			return fmt.Errorf("volume path %q is not an absolute path below /", volume.Path)
		}
		if m.mounted[path] == volume.NFSTarget {
			continue
		}
		if err := mountNFS(volume.NFSTarget, path); err != nil {
			return fmt.Errorf("mounting volume %s on %s: %w", volume.NFSTarget, path, err)
		}
		if m.mounted == nil {
			m.mounted = map[string]string{}
		}
		m.mounted[path] = volume.NFSTarget
	}
	return nil
}

// mountNFS mounts HOST:/PATH by NFS version 4. The kernel wants the server's address as an option (nfs(5)).
func mountNFS(target, path string) error {
	host, export, ok := strings.Cut(target, ":/")
	if !ok || host == "" {
		return fmt.Errorf("expected HOST:/PATH")
	}
	address, err := net.ResolveIPAddr("ip4", host)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	source := host + ":/" + export
	err = syscall.Mount(source, path, "nfs4", syscall.MS_NOSUID|syscall.MS_NODEV, "vers=4.2,proto=tcp,addr="+address.String())
	if err == syscall.ENODEV {
		return fmt.Errorf("the guest's kernel has no NFS client")
	}
	return err
}
