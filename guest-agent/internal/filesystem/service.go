package filesystem

import (
	"context"
	"os"

	"warren/guest-agent/internal/paths"
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
	rpc.Unary(mux, prefix+"MakeDir", decodePath, s.makeDir)
	rpc.Unary(mux, prefix+"Move", decodeMove, s.move)
	rpc.Unary(mux, prefix+"ListDir", decodeList, s.listDir)
	rpc.Unary(mux, prefix+"Remove", decodePath, s.remove)
	rpc.ServerStream(mux, prefix+"WatchDir", decodeWatch, s.watchDir)
	rpc.Unary(mux, prefix+"CreateWatcher", decodeWatch, s.createWatcher)
	rpc.Unary(mux, prefix+"GetWatcherEvents", decodeWatcher, s.getWatcherEvents)
	rpc.Unary(mux, prefix+"RemoveWatcher", decodeWatcher, s.removeWatcher)
}

type moveRequest struct {
	source, destination string
}

type listRequest struct {
	path  string
	depth uint32
}

func decodePath(o *rpc.Object) string { return o.String("path") }

func decodeMove(o *rpc.Object) moveRequest {
	return moveRequest{o.String("source"), o.String("destination")}
}

func decodeList(o *rpc.Object) listRequest { return listRequest{o.String("path"), o.Uint32("depth")} }

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

func (s *Service) answer(path string) (any, error) {
	e, err := describe(path, s.database.Names())
	if err != nil {
		return nil, pathError(path, err)
	}
	return entryAnswer{e}, nil
}

func (s *Service) stat(_ context.Context, call *rpc.Call, path string) (any, error) {
	if _, err := s.resolve(call, &path); err != nil {
		return nil, err
	}
	return s.answer(path)
}

func (s *Service) makeDir(_ context.Context, call *rpc.Call, path string) (any, error) {
	user, err := s.resolve(call, &path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return nil, rpc.Errorf(rpc.AlreadyExists, "directory '%s' already exists", path)
		}
		return nil, rpc.Errorf(rpc.InvalidArgument, "path '%s' exists and is not a directory", path)
	}
	if err := paths.MakeDirectories(path, user); err != nil {
		return nil, pathError(path, err)
	}
	return s.answer(path)
}

func (s *Service) move(_ context.Context, call *rpc.Call, request moveRequest) (any, error) {
	user, err := s.resolve(call, &request.source, &request.destination)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(request.source); err != nil {
		return nil, pathError(request.source, err)
	}
	if err := paths.MakeParents(request.destination, user); err != nil {
		return nil, pathError(request.destination, err)
	}
	if err := os.Rename(request.source, request.destination); err != nil {
		if os.IsNotExist(err) {
			return nil, pathError(request.source, err)
		}
		return nil, rpc.Errorf(rpc.Internal, "moving '%s' to '%s': %v", request.source, request.destination, err.(*os.LinkError).Err)
	}
	return s.answer(request.destination)
}

func (s *Service) listDir(_ context.Context, call *rpc.Call, request listRequest) (any, error) {
	if _, err := s.resolve(call, &request.path); err != nil {
		return nil, err
	}
	if request.depth == 0 {
		request.depth = 1
	}
	return openListing(request.path, request.depth, s.database.Names())
}

func (s *Service) remove(_ context.Context, call *rpc.Call, path string) (any, error) {
	if _, err := s.resolve(call, &path); err != nil {
		return nil, err
	}
	if path == "/" {
		return nil, rpc.Errorf(rpc.InvalidArgument, "the root directory cannot be removed")
	}
	if err := os.RemoveAll(path); err != nil {
		return nil, pathError(path, err)
	}
	return empty{}, nil
}
