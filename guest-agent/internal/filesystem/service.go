package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"warren/guest-agent/internal/paths"
	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
)

// Defaults are the settings of the sandbox that apply to paths.
type Defaults interface {
	// Workdir is the default working directory; "" = the user's home.
	Workdir() string
}

// Service serves filesystem.Filesystem.
type Service struct {
	database *users.Database
	defaults Defaults
	watchers *watchers
}

// Register adds the procedures of filesystem.Filesystem.
func Register(mux *rpc.Mux, database *users.Database, defaults Defaults) {
	s := &Service{database: database, defaults: defaults, watchers: newWatchers()}
	const prefix = "/filesystem.Filesystem/"
	rpc.Unary(mux, prefix+"Stat", decodePath, s.stat)
	rpc.Unary(mux, prefix+"MakeDir", decodeMakeDir, s.makeDir)
	rpc.Unary(mux, prefix+"Move", decodeMove, s.move)
	rpc.Unary(mux, prefix+"ListDir", decodeList, s.listDir)
	rpc.Unary(mux, prefix+"Remove", decodeRemove, s.remove)
	rpc.ServerStream(mux, prefix+"WatchDir", decodeWatch, s.watchDir)
	rpc.Unary(mux, prefix+"CreateWatcher", decodeWatch, s.createWatcher)
	rpc.Unary(mux, prefix+"GetWatcherEvents", decodeWatcher, s.getWatcherEvents)
	rpc.Unary(mux, prefix+"RemoveWatcher", decodeWatcher, s.removeWatcher)
}

type moveRequest struct {
	source, destination string
	// keep refuses to replace what is at the destination.
	keep bool
}

type makeDirRequest struct {
	path string
	// withoutParents wants the directory above to be there.
	withoutParents bool
}

type removeRequest struct {
	path string
	// single refuses what is missing and a directory that is not empty.
	single bool
}

type listRequest struct {
	path  string
	depth uint32
	// limit is how many entries are told at most; 0 = all.
	limit uint32
	// after is the path of an entry: only those behind it are told. "" = all.
	after string
}

func decodePath(o *rpc.Object) string { return o.String("path") }

func decodeMove(o *rpc.Object) moveRequest {
	return moveRequest{o.String("source"), o.String("destination"), o.Bool("keep", false)}
}

func decodeMakeDir(o *rpc.Object) makeDirRequest {
	return makeDirRequest{o.String("path"), o.Bool("withoutParents", false)}
}

func decodeRemove(o *rpc.Object) removeRequest {
	return removeRequest{o.String("path"), o.Bool("single", false)}
}

func decodeList(o *rpc.Object) listRequest {
	return listRequest{o.String("path"), o.Uint32("depth"), o.Uint32("limit"), o.String("after")}
}

type empty struct{}

type entryAnswer struct {
	Entry entry `json:"entry"`
}

// resolve finds the user of a call and makes paths absolute.
func (s *Service) resolve(call *rpc.Call, given ...*string) (users.User, error) {
	user, err := call.User()
	if err != nil {
		return user, err
	}
	for _, path := range given {
		resolved, err := paths.Resolve(*path, user, s.defaults.Workdir())
		if err != nil {
			return user, rpc.Errorf(rpc.InvalidArgument, "path '%s': %v", *path, err)
		}
		*path = resolved
	}
	return user, nil
}

// as does the work of a call with the rights of its user, on paths made absolute.
func (s *Service) as(call *rpc.Call, work func() (any, error), given ...*string) (answer any, err error) {
	user, err := s.resolve(call, given...)
	if err != nil {
		return nil, err
	}
	err = rights.As(user, func() (err error) {
		answer, err = work()
		return
	})
	return answer, err
}

func (s *Service) answer(path string) (any, error) {
	e, err := describe(path, s.database.Names())
	if err != nil {
		return nil, pathError(path, err)
	}
	return entryAnswer{e}, nil
}

func (s *Service) stat(_ context.Context, call *rpc.Call, path string) (any, error) {
	return s.as(call, func() (any, error) { return s.answer(path) }, &path)
}

func (s *Service) makeDir(_ context.Context, call *rpc.Call, request makeDirRequest) (any, error) {
	path := request.path
	return s.as(call, func() (any, error) {
		if info, err := os.Stat(path); err == nil {
			if info.IsDir() {
				return nil, rpc.Errorf(rpc.AlreadyExists, "directory '%s' already exists", path)
			}
			return nil, rpc.Errorf(rpc.InvalidArgument, "path '%s' exists and is not a directory", path)
		}
		if err := makeDirectory(path, request.withoutParents); err != nil {
			return nil, err
		}
		return s.answer(path)
	}, &path)
}

func makeDirectory(path string, withoutParents bool) error {
	if !withoutParents {
		_, err := paths.MakeDirectories(path)
		return pathError(path, err)
	}
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		return rpc.Errorf(rpc.NotFound, "there is no directory '%s' for '%s': make it first, or ask for parents too", firstMissing(path), path)
	}
	return pathError(path, err)
}

// firstMissing is the first directory of those above a path that is not there.
func firstMissing(path string) string {
	missing := filepath.Dir(path)
	for above := filepath.Dir(missing); above != missing; above = filepath.Dir(missing) {
		if _, err := os.Stat(above); err == nil {
			break
		}
		missing = above
	}
	return missing
}

func (s *Service) move(_ context.Context, call *rpc.Call, request moveRequest) (any, error) {
	into := strings.HasSuffix(request.destination, "/")
	return s.as(call, func() (any, error) {
		if _, err := os.Lstat(request.source); err != nil {
			return nil, pathError(request.source, err)
		}
		if info, err := os.Stat(request.destination); into || err == nil && info.IsDir() {
			request.destination = filepath.Join(request.destination, filepath.Base(request.source))
		}
		made, err := paths.MakeParents(request.destination)
		if err != nil {
			return nil, pathError(request.destination, err)
		}
		if err := rename(request); err != nil {
			made.Undo()
			return nil, moveError(request, err)
		}
		return s.answer(request.destination)
	}, &request.source, &request.destination)
}

// rename moves within a file system (renameat2(2)).
func rename(request moveRequest) error {
	if !request.keep {
		return syscall.Rename(request.source, request.destination)
	}
	const here, noReplace = ^uintptr(99), 1 // AT_FDCWD, RENAME_NOREPLACE
	from, err := syscall.BytePtrFromString(request.source)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(request.destination)
	if err != nil {
		return err
	}
	if _, _, errno := syscall.Syscall6(renameat2, here, uintptr(unsafe.Pointer(from)), here, uintptr(unsafe.Pointer(to)), noReplace, 0); errno != 0 {
		return errno
	}
	return nil
}

// moveError gives errors of a move their codes.
func moveError(request moveRequest, err error) error {
	switch err {
	case syscall.EXDEV:
		return rpc.Errorf(rpc.FailedPrecondition, "'%s' and '%s' are on different file systems: copy it and remove the original", request.source, request.destination)
	case syscall.EINVAL:
		return rpc.Errorf(rpc.InvalidArgument, "'%s' cannot be moved into itself ('%s')", request.source, request.destination)
	case syscall.ENOENT:
		return pathError(request.source, err)
	}
	return pathError(request.destination, err)
}

func (s *Service) listDir(_ context.Context, call *rpc.Call, request listRequest) (any, error) {
	if request.depth == 0 {
		request.depth = 1
	}
	user, err := s.resolve(call, &request.path)
	if err != nil {
		return nil, err
	}
	var listed *listing
	err = rights.As(user, func() (err error) {
		listed, err = openListing(request, user, s.database.Names())
		return
	})
	return listed, err
}

func (s *Service) remove(_ context.Context, call *rpc.Call, request removeRequest) (any, error) {
	path := request.path
	return s.as(call, func() (any, error) {
		if path == "/" {
			return nil, rpc.Errorf(rpc.InvalidArgument, "the root directory cannot be removed")
		}
		remove := removeTree
		if request.single {
			remove = os.Remove
		}
		if err := remove(path); err != nil {
			return nil, pathError(path, err)
		}
		return empty{}, nil
	}, &path)
}

// removeTree removes what is at a path with all that is in it, which may be nothing. The path itself comes first: the kernel
// says of a directory that its user may not remove it before it says that something is in it, so that nothing goes in vain.
func removeTree(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	err = os.RemoveAll(path)
	var stayed *os.PathError
	if !errors.As(err, &stayed) {
		return err
	}
	return partlyRemoved{path: path, stayed: stayed}
}

// partlyRemoved is the error of a tree of which something could not be removed.
type partlyRemoved struct {
	path string
	// stayed names the first that could not, and says why.
	stayed *os.PathError
}

func (e partlyRemoved) Error() string { return e.stayed.Error() }

func (e partlyRemoved) Unwrap() error { return e.stayed.Err }
