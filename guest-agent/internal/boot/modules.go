package boot

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// moduleCompressed is MODULE_INIT_COMPRESSED_FILE (finit_module(2)).
const moduleCompressed = 4

// loadModules loads the kernel modules named in directory/order, one per line, in that order.
func loadModules(directory string) error {
	order, err := os.Open(filepath.Join(directory, "order"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer order.Close()
	lines := bufio.NewScanner(order)
	for lines.Scan() {
		name := strings.TrimSpace(lines.Text())
		if name == "" {
			continue
		}
		if err := loadModule(filepath.Join(directory, name)); err != nil {
			return fmt.Errorf("loading kernel module %s: %w", name, err)
		}
	}
	return lines.Err()
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	flags := uintptr(0)
	if filepath.Ext(path) != ".ko" {
		flags = moduleCompressed
	}
	noOptions := []byte{0}
	_, _, errno := syscall.Syscall(sysFinitModule, file.Fd(), uintptr(unsafe.Pointer(&noOptions[0])), flags)
	if errno != 0 && errno != syscall.EEXIST {
		return errno
	}
	return nil
}
