package filesystem

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"warren/guest-agent/internal/rights/rightstest"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/rpc/rpctest"
	"warren/guest-agent/internal/users"
)

const prefix = "/filesystem.Filesystem/"

const (
	annID    = 54321
	annGroup = 54322
)

// sandbox is a server of filesystem.Filesystem with an image of its own.
type sandbox struct {
	*rpctest.Client
	t       *testing.T
	service *Service
	// home is that of user ann, the default user.
	home    string
	workdir string
}

func (s *sandbox) Workdir() string { return s.workdir }

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("giving files to other users needs root")
	}
	root := t.TempDir()
	rightstest.Open(t, root)
	s := &sandbox{t: t, home: root + "/home"}
	for path, text := range map[string]string{
		"/etc/passwd": fmt.Sprintf("root:x:0:0::/root:/bin/sh\nann:x:%d:%d::%s:/bin/sh\n", annID, annGroup, s.home),
		"/etc/group":  fmt.Sprintf("root:x:0:\npeople:x:%d:\n", annGroup),
	} {
		s.write(root+path, text)
	}
	s.mkdir(s.home)
	s.check(os.Chown(s.home, annID, annGroup))
	database := users.NewDatabase(root)
	mux := rpc.NewMux(func(name string) (users.User, error) {
		if name == "" {
			name = "ann"
		}
		return database.Lookup(name)
	})
	Register(mux, database, s)
	s.Client = rpctest.New(t, mux)
	return s
}

func (s *sandbox) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) mkdir(path string) {
	s.t.Helper()
	s.check(os.MkdirAll(path, 0o755))
}

func (s *sandbox) write(path, text string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(path))
	s.check(os.WriteFile(path, []byte(text), 0o644))
}

type object = map[string]any

// info is an EntryInfo as clients decode it; the size is a string on the wire.
type info struct {
	Name, Type, Path, Size string
	Mode                   int
	Permissions            string
	Owner, Group           string
	ModifiedTime           string
	SymlinkTarget          *string
	Metadata               map[string]string
}

func (s *sandbox) entry(procedure string, request object) info {
	s.t.Helper()
	var answer struct{ Entry info }
	s.Must(prefix+procedure, request, &answer)
	return answer.Entry
}

func (s *sandbox) list(path string, depth int) []info {
	s.t.Helper()
	var answer struct{ Entries []info }
	s.Must(prefix+"ListDir", object{"path": path, "depth": depth}, &answer)
	return answer.Entries
}

func ownerOf(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	status := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", status.Uid, status.Gid)
}

var annOwns = fmt.Sprintf("%d:%d", annID, annGroup)
