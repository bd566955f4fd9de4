package filesystem

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"warren/guest-agent/internal/rpc/rpctest"
)

type message struct {
	Start      *struct{}
	Filesystem *struct {
		Name, Type string
		Entry      *info
	}
	Keepalive *struct{}
}

// watching is one open WatchDir.
type watching struct {
	*rpctest.Stream
	t *testing.T
}

func (s *sandbox) watch(client *rpctest.Client, request object) watching {
	s.t.Helper()
	w := watching{client.Open(prefix+"WatchDir", request), s.t}
	var first message
	if failure, ok := w.Next(&first); !ok || first.Start == nil {
		s.t.Fatalf("the first message is not start: %+v %+v", first, failure)
	}
	return w
}

// events reads as many events as are expected, in short form.
func (w watching) events(count int) string {
	w.t.Helper()
	var all []string
	for len(all) < count {
		var m message
		if failure, ok := w.Next(&m); !ok {
			w.t.Fatalf("after %v: %+v", all, failure)
		}
		if m.Filesystem != nil {
			all = append(all, strings.TrimPrefix(m.Filesystem.Type, "EVENT_TYPE_")+" "+m.Filesystem.Name)
		}
	}
	return strings.Join(all, ", ")
}

func TestWatchReportsEachChange(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w/sub")
	s.check(os.Symlink("w", s.home+"/alias"))
	for _, path := range []string{"w", "alias"} {
		w := s.watch(s.Client, object{"path": path})
		dir := s.home + "/w/"
		step := func(do func() error, want string) {
			t.Helper()
			s.check(do())
			if got := w.events(strings.Count(want, ",") + 1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		step(func() error { return os.WriteFile(dir+"f", []byte("x"), 0o644) }, "CREATE f, WRITE f")
		step(func() error { return os.Chmod(dir+"f", 0o600) }, "CHMOD f")
		step(func() error { return os.Rename(dir+"f", dir+"g") }, "RENAME f, CREATE g")
		step(func() error { return os.Rename(dir+"g", s.home+"/out") }, "RENAME g")
		step(func() error { return os.Rename(s.home+"/out", dir+"in") }, "CREATE in")
		step(func() error { return os.Remove(dir + "in") }, "REMOVE in")
		step(func() error { return os.Mkdir(dir+"d", 0o755) }, "CREATE d")
		step(func() error {
			// Not recursive: what happens below is not reported.
			s.write(dir+"d/below", "x")
			s.write(dir+"sub/below", "x")
			return os.RemoveAll(dir + "d")
		}, "REMOVE d")
		w.Close()
	}
}

func TestRecursiveWatchCoversNewDirectories(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w/old/deep")
	w := s.watch(s.Client, object{"path": "w", "recursive": true})
	dir := s.home + "/w/"
	s.write(dir+"old/deep/f", "x")
	if got := w.events(2); got != "CREATE old/deep/f, WRITE old/deep/f" {
		t.Error(got)
	}
	for i := 0; i < 30; i++ {
		name := fmt.Sprintf("new%d", i)
		s.mkdir(dir + name)
		if got := w.events(1); got != "CREATE "+name {
			t.Fatal(got)
		}
		s.write(dir+name+"/f", "")
		if got := w.events(1); got != "CREATE "+name+"/f" {
			t.Fatal(got)
		}
	}
	s.check(os.Rename(dir+"new1", dir+"moved"))
	if got := w.events(2); got != "RENAME new1, CREATE moved" {
		t.Error(got)
	}
	s.write(dir+"moved/g", "")
	s.check(os.RemoveAll(dir + "moved"))
	if got := w.events(4); got != "CREATE moved/g, REMOVE moved/f, REMOVE moved/g, REMOVE moved" && got != "CREATE moved/g, REMOVE moved/g, REMOVE moved/f, REMOVE moved" {
		t.Error(got)
	}
}

// However a tree comes into being, each of its members is reported as created once, and parents before children.
func TestRecursiveWatchOfATreeThatIsMadeAtOnce(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w")
	w := s.watch(s.Client, object{"path": "w", "recursive": true})
	want := map[string]bool{}
	for i := 0; i < 20; i++ {
		path := fmt.Sprintf("t%d/a/b/c", i)
		s.mkdir(s.home + "/w/" + path)
		s.write(s.home+"/w/"+path+"/file", "")
		for _, member := range []string{"", "/a", "/a/b", "/a/b/c", "/a/b/c/file"} {
			want[fmt.Sprintf("t%d", i)+member] = true
		}
	}
	s.write(s.home+"/w/last", "")
	want["last"] = true
	seen := map[string]bool{}
	for !seen["last"] || len(seen) < len(want) {
		kind, name, _ := strings.Cut(w.events(1), " ")
		if kind == "WRITE" {
			continue
		}
		if kind != "CREATE" || !want[name] || seen[name] {
			t.Fatalf("unexpected %s %s, seen before: %v", kind, name, seen[name])
		}
		if i := strings.LastIndexByte(name, '/'); i >= 0 && !seen[name[:i]] {
			t.Fatalf("%s before its parent", name)
		}
		seen[name] = true
	}
}

func TestWatchWithEntries(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w")
	w := s.watch(s.Client, object{"path": "w", "include_entry": true})
	s.mkdir(s.home + "/w/d")
	s.check(os.Chmod(s.home+"/w/d", 0o700))
	s.check(os.Rename(s.home+"/w/d", s.home+"/w/e"))
	for _, want := range []string{"CREATE", "CHMOD", "RENAME", "CREATE"} {
		var m message
		if failure, ok := w.Next(&m); !ok || m.Filesystem.Type != "EVENT_TYPE_"+want {
			t.Fatalf("%+v %+v", m, failure)
		}
		if entry := m.Filesystem.Entry; want == "RENAME" && entry != nil || entry != nil && entry.Type != "FILE_TYPE_DIRECTORY" {
			t.Errorf("%s: %+v", want, entry)
		}
	}
	s.write(s.home+"/w/file", "four")
	var m message
	for m.Filesystem == nil || m.Filesystem.Type != "EVENT_TYPE_WRITE" {
		m = message{}
		w.Next(&m)
	}
	if entry := m.Filesystem.Entry; entry == nil || entry.Path != s.home+"/w/file" || entry.Size != "4" {
		t.Errorf("%+v", entry)
	}
}

func TestWatchThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/file", "")
	for path, code := range map[string]string{"missing": "not_found", "file": "invalid_argument", "~x": "invalid_argument"} {
		stream := s.Open(prefix+"WatchDir", object{"path": path})
		var none any
		if failure, ok := stream.Next(&none); ok || failure.Code != code {
			t.Errorf("%s: %+v", path, failure)
		}
		s.WantFailure(prefix+"CreateWatcher", object{"path": path}, code)
	}
}

func TestWatchEndsAtItsDeadlineAndKeepsAlive(t *testing.T) {
	s := newSandbox(t)
	w := s.watch(s.With("Connect-Timeout-Ms", "50"), object{"path": "", "allowNetworkMounts": true})
	var m message
	if failure, ok := w.Next(&m); ok || failure.Code != "deadline_exceeded" {
		t.Errorf("%+v %+v", m, failure)
	}
	w = s.watch(s.With("Keepalive-Ping-Interval", "1"), object{"path": ""})
	if failure, ok := w.Next(&m); !ok || m.Keepalive == nil {
		t.Errorf("%+v %+v", m, failure)
	}
}

func TestRemovalOfTheWatchedDirectory(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w")
	w := s.watch(s.Client, object{"path": "w", "recursive": true})
	s.check(os.Remove(s.home + "/w"))
	if got := w.events(1); got != "REMOVE ." {
		t.Error(got)
	}
}

func TestPolledWatcher(t *testing.T) {
	s := newSandbox(t)
	s.mkdir(s.home + "/w")
	var created struct{ WatcherID string }
	s.Must(prefix+"CreateWatcher", object{"path": "w", "recursive": true}, &created)
	if created.WatcherID == "" {
		t.Fatal("no id")
	}
	poll := func() (names []string) {
		var answer struct {
			Events []struct{ Name, Type string }
		}
		s.As("root").Must(prefix+"GetWatcherEvents", object{"watcherId": created.WatcherID}, &answer)
		for _, e := range answer.Events {
			names = append(names, strings.TrimPrefix(e.Type, "EVENT_TYPE_")+" "+e.Name)
		}
		return names
	}
	if got := s.Unary(prefix+"GetWatcherEvents", object{"watcher_id": created.WatcherID}); string(got.Body) != `{"events":[]}` {
		t.Errorf("at first: %s", got.Body)
	}
	s.mkdir(s.home + "/w/a")
	s.write(s.home+"/w/last", "")
	var all []string
	for len(all) == 0 || all[len(all)-1] != "CREATE last" {
		all = append(all, poll()...)
	}
	if got := strings.Join(all, ", "); got != "CREATE a, CREATE last" {
		t.Error(got)
	}
	if again := poll(); len(again) != 0 {
		t.Errorf("events are given twice: %v", again)
	}
	s.Must(prefix+"RemoveWatcher", object{"watcherId": created.WatcherID}, nil)
	for _, procedure := range []string{"GetWatcherEvents", "RemoveWatcher"} {
		s.WantFailure(prefix+procedure, object{"watcherId": created.WatcherID}, "not_found")
	}
}
