package filesystem

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
)

// listing is the answer of ListDir. It is written entry by entry, so that a large tree takes no memory.
type listing struct {
	root     string
	children []fs.DirEntry
	depth    uint32
	names    users.Names
}

// openListing reads the directory itself, so that its errors can still be told.
func openListing(root string, depth uint32, names users.Names) (*listing, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, pathError(root, err)
	}
	if !info.IsDir() {
		return nil, rpc.Errorf(rpc.InvalidArgument, "path '%s' is not a directory", root)
	}
	children, err := os.ReadDir(root)
	if err != nil && len(children) == 0 {
		return nil, pathError(root, err)
	}
	return &listing{root: root, children: children, depth: depth, names: names}, nil
}

// WriteTo writes the JSON of the answer.
func (l *listing) WriteTo(w io.Writer) (int64, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	separator := ""
	write := func(path string) error {
		e, err := describe(path, l.names)
		if err != nil {
			// It has vanished meanwhile.
			return nil
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := out.WriteString(separator); err != nil {
			return err
		}
		separator = ","
		_, err = out.Write(text)
		return err
	}
	if _, err := out.WriteString(`{"entries":[`); err != nil {
		return 0, err
	}
	if err := l.walk(l.root, l.children, l.depth, write); err != nil {
		return 0, err
	}
	if _, err := out.WriteString(`]}`); err != nil {
		return 0, err
	}
	return 0, out.Flush()
}

// walk visits children in bytewise order of their names, each directory right before its content. Links are not followed.
func (l *listing) walk(directory string, children []fs.DirEntry, depth uint32, visit func(path string) error) error {
	for _, child := range children {
		path := filepath.Join(directory, child.Name())
		if err := visit(path); err != nil {
			return err
		}
		if !child.IsDir() || depth <= 1 {
			continue
		}
		// A directory that cannot be read has vanished, or is listed without content.
		below, _ := os.ReadDir(path)
		if err := l.walk(path, below, depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

// pathError gives errors of the file system their codes.
func pathError(path string, err error) error {
	code := rpc.Internal
	switch {
	case errors.Is(err, syscall.ELOOP):
		code = rpc.FailedPrecondition
	case errors.Is(err, os.ErrNotExist):
		return rpc.Errorf(rpc.NotFound, "path '%s' does not exist", path)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		code = rpc.InvalidArgument
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code = rpc.ResourceExhausted
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return rpc.Errorf(code, "path '%s': %v", path, errno)
	}
	return rpc.Errorf(code, "path '%s': %v", path, err)
}
