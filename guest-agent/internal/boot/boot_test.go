package boot

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/guest-agent/internal/nstest"
)

// TestMain runs the tests in namespaces of their own, because they configure a network and mount file systems.
func TestMain(m *testing.M) { nstest.Main(m, syscall.CLONE_NEWNET|syscall.CLONE_NEWNS, nil) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ip(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		t.Skipf("ip %v: %v %s", arguments, err, output)
	}
	return string(output)
}

func TestConfigureNetwork(t *testing.T) {
	nstest.Need(t)
	parameters, err := ParseCommandLine("warren.address=169.254.0.21/30 warren.gateway=169.254.0.22 warren.gateway_mac=02:fc:00:00:00:06")
	check(t, err)
	if err := configureNetwork(parameters); err == nil || !strings.HasPrefix(err.Error(), "network card eth0: ") {
		t.Errorf("without a card: %v", err)
	}
	ip(t, "link", "add", "eth0", "type", "veth", "peer", "name", "far")
	ip(t, "link", "set", "far", "up")
	// Once more changes nothing.
	for i := 0; i < 2; i++ {
		check(t, configureNetwork(parameters))
	}
	for name, want := range map[string]string{"lo": "127.0.0.1/8", "eth0": "169.254.0.21/30"} {
		device, err := net.InterfaceByName(name)
		check(t, err)
		addresses, err := device.Addrs()
		check(t, err)
		if device.Flags&net.FlagUp == 0 || len(addresses) == 0 || addresses[0].String() != want {
			t.Errorf("%s: %v %v", name, device.Flags, addresses)
		}
		for _, address := range addresses {
			if name == "eth0" && strings.Contains(address.String(), ":") {
				t.Errorf("the card has an IPv6 address: %v", address)
			}
		}
	}
	if routes := strings.TrimSpace(ip(t, "-4", "route", "show", "default")); !strings.HasPrefix(routes, "default via 169.254.0.22 dev eth0") || strings.Contains(routes, "\n") {
		t.Errorf("routes: %q", routes)
	}
	if neighbours := ip(t, "neigh", "show"); neighbours != "169.254.0.22 dev eth0 lladdr 02:fc:00:00:00:06 PERMANENT \n" {
		t.Errorf("neighbours: %q", neighbours)
	}
	if err := addAddress(4711, parameters.Address, parameters.Network); err != syscall.ENODEV {
		t.Errorf("an interface that does not exist: %v", err)
	}
}

func TestWriteResolver(t *testing.T) {
	root := t.TempDir()
	path := root + "/etc/resolv.conf"
	servers := []net.IP{net.IPv4(8, 8, 8, 8), net.IPv4(8, 8, 4, 4)}
	const want = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
	check(t, writeResolver(root, nil))
	if _, err := os.Stat(path); err == nil {
		t.Error("written without servers")
	}
	for _, prepare := range []func() error{
		func() error { return nil },
		func() error { return nil },
		func() error { return os.WriteFile(path, []byte("nameserver 10.0.0.1\n"), 0o644) },
		func() error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("../run/systemd/resolve/stub-resolv.conf", path)
		},
	} {
		check(t, prepare())
		check(t, writeResolver(root, servers))
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%q %v", text, err)
		}
	}
}

func TestCompleteDirectories(t *testing.T) {
	root := t.TempDir()
	check(t, os.MkdirAll(root+"/dev", 0o755))
	check(t, os.MkdirAll(root+"/tmp", 0o700))
	for i := 0; i < 2; i++ {
		check(t, completeDirectories(root))
	}
	for name, mode := range map[string]os.FileMode{"tmp": 0o700, "var/tmp": os.ModeSticky | 0o777, "run/lock": os.ModeSticky | 0o777} {
		info, err := os.Stat(filepath.Join(root, name))
		check(t, err)
		if info.Mode()&^os.ModeDir != mode {
			t.Errorf("%s: %v", name, info.Mode())
		}
	}
	if target, err := os.Readlink(root + "/dev/fd"); err != nil || target != "/proc/self/fd" {
		t.Errorf("%q %v", target, err)
	}
}

func TestRemoveOnLeavesOtherFileSystemsAlone(t *testing.T) {
	nstest.Need(t)
	root := t.TempDir()
	check(t, os.MkdirAll(root+"/a/b/mounted", 0o755))
	check(t, os.WriteFile(root+"/a/file", nil, 0o644))
	check(t, os.Symlink("/etc", root+"/a/b/link"))
	check(t, syscall.Mount("tmpfs", root+"/a/b/mounted", "tmpfs", 0, ""))
	check(t, os.WriteFile(root+"/a/b/mounted/kept", nil, 0o644))
	var status syscall.Stat_t
	check(t, syscall.Stat(root, &status))
	check(t, removeOn(root, status.Dev))
	var left []string
	check(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		left = append(left, strings.TrimPrefix(path, root))
		return err
	}))
	if got := strings.Join(left, " "); got != " /a /a/b /a/b/mounted /a/b/mounted/kept" {
		t.Errorf("left: %s", got)
	}
	check(t, syscall.Unmount(root+"/a/b/mounted", 0))
}

func TestModules(t *testing.T) {
	nstest.Need(t)
	root := t.TempDir()
	check(t, loadModules(root))
	check(t, os.WriteFile(root+"/order", []byte("\nnot-there.ko\n"), 0o644))
	if err := loadModules(root); err == nil || !strings.HasPrefix(err.Error(), "loading kernel module not-there.ko: ") {
		t.Error(err)
	}
	check(t, os.WriteFile(root+"/order", []byte("no-module.ko\n"), 0o644))
	check(t, os.WriteFile(root+"/no-module.ko", []byte("not a module"), 0o644))
	if err := loadModules(root); err == nil || !strings.HasPrefix(err.Error(), "loading kernel module no-module.ko: ") {
		t.Error(err)
	}
}

func TestDeviceThatIsThere(t *testing.T) {
	nstest.Need(t)
	devices, err := listenForDevices()
	check(t, err)
	defer devices.close()
	check(t, devices.await("/dev/null"))
}

func TestDeviceThatAppears(t *testing.T) {
	nstest.Need(t)
	devices, err := listenForDevices()
	check(t, err)
	defer devices.close()
	done := make(chan error)
	go func() { done <- devices.await("/sys/class/net/late0") }()
	check(t, syscall.Mount("sysfs", "/sys", "sysfs", 0, ""))
	ip(t, "link", "add", "late0", "type", "veth", "peer", "name", "late1")
	check(t, <-done)
	check(t, syscall.Unmount("/sys", 0))
}

func TestContainersAreNotBooted(t *testing.T) {
	if Required() {
		t.Error("a process that is not 1 would boot the system")
	}
}
