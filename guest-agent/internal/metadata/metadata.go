// Package metadata keeps the metadata that clients attach to files, as extended attributes of the files.
package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"syscall"
	"unicode/utf8"
	"unsafe"

	"warren/guest-agent/internal/paths"
)

const (
	// headerPrefix begins the header of each entry, attributePrefix the extended attribute that holds it.
	headerPrefix    = "X-Metadata-"
	attributePrefix = "user.e2b."
	// Limits in bytes: a key, and all entries with their prefixes.
	maxKey   = 246
	maxTotal = 4096
	// maxAttribute is the kernel's limit of the value of an attribute, in bytes (xattr(7)).
	maxAttribute = 64 << 10
)

// Parse reads the metadata entries of a request. Keys are lower case; the first value of a header counts.
func Parse(header http.Header) (map[string]string, error) {
	metadata, size := map[string]string{}, 0
	for name, values := range header {
		if !strings.HasPrefix(name, headerPrefix) || len(values) == 0 {
			continue
		}
		key, value := strings.ToLower(name[len(headerPrefix):]), values[0]
		if key == "" || len(key) > maxKey {
			return nil, fmt.Errorf("a metadata key has 1 to %d characters", maxKey)
		}
		if !printable(key) || !printable(value) {
			return nil, fmt.Errorf("metadata '%s': only printable ASCII characters are allowed", key)
		}
		size += len(attributePrefix) + len(key) + len(value)
		metadata[key] = value
	}
	if size > maxTotal {
		return nil, fmt.Errorf("metadata of %d bytes is larger than the maximum of %d", size, maxTotal)
	}
	return metadata, nil
}

func printable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

// Read reads the metadata of a file; links are followed. Without any, or without support by the file system, it is nil.
func Read(path string) map[string]string {
	var metadata map[string]string
	for _, name := range attributeNames(path) {
		if !strings.HasPrefix(name, attributePrefix) {
			continue
		}
		value, err := attribute(path, name)
		key := name[len(attributePrefix):]
		if err != nil || !utf8.ValidString(key) || !utf8.Valid(value) {
			continue
		}
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[key] = string(value)
	}
	return metadata
}

// attributeNames lists the extended attributes of a file.
func attributeNames(path string) []string {
	buffer := make([]byte, 1024)
	for {
		n, err := syscall.Listxattr(path, buffer)
		if errors.Is(err, syscall.ERANGE) && len(buffer) < 1<<16 {
			buffer = make([]byte, len(buffer)*4)
			continue
		}
		if err != nil || n <= 0 {
			return nil
		}
		var names []string
		for _, name := range bytes.Split(buffer[:n], []byte{0}) {
			if len(name) > 0 {
				names = append(names, string(name))
			}
		}
		return names
	}
}

func attribute(path, name string) ([]byte, error) {
	buffer := make([]byte, maxTotal)
	n, err := syscall.Getxattr(path, name, buffer)
	if err != nil {
		return nil, err
	}
	return buffer[:n], nil
}

// Replace makes metadata the whole set of an open file. A file system without extended attributes drops it.
func Replace(file *os.File, metadata map[string]string) error {
	descriptor := file.Fd()
	for _, name := range attributeNames(paths.OfDescriptor(file)) {
		if strings.HasPrefix(name, attributePrefix) {
			if _, kept := metadata[name[len(attributePrefix):]]; !kept {
				if err := ignoreUnsupported(removeAttribute(descriptor, name)); err != nil {
					return err
				}
			}
		}
	}
	keys := make([]string, 0, len(metadata))
	for key := range metadata {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		if err := ignoreUnsupported(setAttribute(descriptor, attributePrefix+key, metadata[key])); err != nil {
			return err
		}
	}
	return nil
}

// userPrefix begins the attributes that say nothing of who may do what with a file (xattr(7)).
const userPrefix = "user."

// Plain tells whether an open file has no attributes that would be lost by a copy: access lists, capabilities, labels.
func Plain(file *os.File) bool {
	for _, name := range attributeNames(paths.OfDescriptor(file)) {
		if !strings.HasPrefix(name, userPrefix) {
			return false
		}
	}
	return true
}

// Copy gives one open file the attributes of another that are not metadata.
func Copy(from, to *os.File) error {
	for _, name := range attributeNames(paths.OfDescriptor(from)) {
		if !strings.HasPrefix(name, userPrefix) || strings.HasPrefix(name, attributePrefix) {
			continue
		}
		value := make([]byte, maxAttribute)
		n, err := syscall.Getxattr(paths.OfDescriptor(from), name, value)
		if err == nil {
			err = setAttribute(to.Fd(), name, string(value[:n]))
		}
		if err := ignoreUnsupported(err); err != nil {
			return err
		}
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENODATA) {
		return nil
	}
	return err
}

func setAttribute(descriptor uintptr, name, value string) error {
	nameBytes, valueBytes := append([]byte(name), 0), append([]byte(value), 0)
	_, _, errno := syscall.Syscall6(syscall.SYS_FSETXATTR, descriptor, uintptr(unsafe.Pointer(&nameBytes[0])),
		uintptr(unsafe.Pointer(&valueBytes[0])), uintptr(len(value)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func removeAttribute(descriptor uintptr, name string) error {
	nameBytes := append([]byte(name), 0)
	if _, _, errno := syscall.Syscall(syscall.SYS_FREMOVEXATTR, descriptor, uintptr(unsafe.Pointer(&nameBytes[0])), 0); errno != 0 {
		return errno
	}
	return nil
}
