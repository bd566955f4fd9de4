package filesystem

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
)

// errEnough ends a walk that has visited as many entries as were asked for.
var errEnough = errors.New("enough")

// namesAtOnce is how many names of a directory are read at a time.
const namesAtOnce = 1024

// pageSize bounds the entries of an answer whose client takes it in parts, in bytes of JSON. One entry with a path and a link that
// are as long as they can be, 64 levels below a path that the kernel takes, of characters that JSON writes with six, takes 270 KiB.
const pageSize = 512 << 10

// listing is the answer of ListDir. It is written entry by entry, so that a large tree takes no memory.
type listing struct {
	request  listRequest
	children []string
	// complete is unset when children are not all that there are.
	complete bool
	user     users.User
	names    users.Names
}

// openListing reads the directory itself, so that its errors can still be told.
func openListing(request listRequest, user users.User, names users.Names) (*listing, error) {
	root := request.path
	info, err := os.Stat(root)
	if err != nil {
		return nil, pathError(root, err)
	}
	if !info.IsDir() {
		return nil, rpc.Errorf(rpc.InvalidArgument, "path '%s' is not a directory", root)
	}
	if request.after != "" {
		prefix := strings.TrimSuffix(root, "/") + "/"
		if !strings.HasPrefix(request.after, prefix) {
			return nil, rpc.Errorf(rpc.InvalidArgument, "'%s' is not the path of an entry of '%s'", request.after, root)
		}
		request.after = request.after[len(prefix):]
	}
	l := &listing{request: request, user: user, names: names}
	first, _, _ := strings.Cut(request.after, "/")
	l.children, l.complete, err = l.namesFrom(root, first)
	if err != nil {
		return nil, pathError(root, err)
	}
	return l, nil
}

// WriteTo writes the JSON of the answer.
func (l *listing) WriteTo(w io.Writer) (int64, error) {
	return 0, rights.As(l.user, func() error { return l.write(bufio.NewWriterSize(w, 64<<10)) })
}

func (l *listing) write(out *bufio.Writer) error {
	separator, visited, size := "", uint32(0), 0
	visit := func(path, access string) error {
		e, err := describeAt(path, access, l.names)
		if err != nil {
			// It has vanished meanwhile.
			return nil
		}
		if l.request.limit > 0 && visited == l.request.limit {
			return errEnough
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if size += len(text) + len(separator); l.request.limit > 0 && visited > 0 && size > pageSize {
			return errEnough
		}
		visited++
		if _, err := out.WriteString(separator); err != nil {
			return err
		}
		separator = ","
		_, err = out.Write(text)
		return err
	}
	if _, err := out.WriteString(`{"entries":[`); err != nil {
		return err
	}
	err := l.walk(place{l.request.path, l.request.path}, l.children, l.request.after, l.request.depth, visit)
	if err == nil && !l.complete {
		err = errEnough
	}
	end := `]}`
	if err == errEnough {
		end, err = `],"truncated":true}`, nil
	}
	if err != nil {
		return err
	}
	if _, err := out.WriteString(end); err != nil {
		return err
	}
	return out.Flush()
}

// maxPath is the length of a path that the kernel takes at once, in bytes: PATH_MAX without its end mark. Paths may be longer.
const maxPath = 4095

// place is a directory: its path, and a path by which it can be opened.
type place struct{ path, access string }

// walk visits those of the children that come behind a path relative to the directory ("" = all), in bytewise order of their names,
// each directory right before its content. Links are not followed.
func (l *listing) walk(directory place, children []string, after string, depth uint32, visit func(path, access string) error) error {
	first, rest, deeper := strings.Cut(after, "/")
	var held *os.File
	defer func() { held.Close() }()
	for _, name := range children {
		child, below := place{filepath.Join(directory.path, name), filepath.Join(directory.access, name)}, ""
		if len(child.access) > maxPath {
			if held == nil {
				var err error
				if held, err = os.Open(directory.access); err != nil {
					// It has vanished meanwhile.
					return nil
				}
				directory.access = paths.OfDescriptor(held)
			}
			child.access = filepath.Join(directory.access, name)
		}
		if name != first || after == "" {
			if err := visit(child.path, child.access); err != nil {
				return err
			}
		} else if deeper {
			below = rest
		}
		if depth <= 1 {
			continue
		}
		if info, err := os.Lstat(child.access); err != nil || !info.IsDir() {
			continue
		}
		start, _, _ := strings.Cut(below, "/")
		// A directory that cannot be read has vanished, or is listed without content.
		content, complete, _ := l.namesFrom(child.access, start)
		if err := l.walk(child, content, below, depth-1, visit); err != nil {
			return err
		}
		if !complete {
			return errEnough
		}
	}
	return nil
}

// namesFrom are the names in a directory from a given one on, in bytewise order: not more of them than the request can use.
func (l *listing) namesFrom(directory, from string) (names []string, complete bool, err error) {
	opened, err := os.Open(directory)
	if err != nil {
		return nil, true, err
	}
	defer opened.Close()
	// One more for the name to start from, and one that shows that there are more.
	most, complete := int(l.request.limit)+2, true
	for {
		more, err := opened.Readdirnames(namesAtOnce)
		for _, name := range more {
			if name >= from {
				names = append(names, name)
			}
		}
		done := err != nil
		if l.request.limit > 0 && len(names) > most && (done || len(names) > 2*most) {
			sort.Strings(names)
			names, complete = names[:most], false
		}
		if done {
			sort.Strings(names)
			if err == io.EOF || len(names) > 0 {
				err = nil
			}
			return names, complete, err
		}
	}
}
