package files

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func (s *sandbox) compose(request map[string]any) exchange {
	s.t.Helper()
	body, err := json.Marshal(request)
	s.check(err)
	return s.do("POST", "/files/compose", nil, map[string]string{"Content-Type": "application/json"}, strings.NewReader(string(body)))
}

func TestCompose(t *testing.T) {
	s := newSandbox(t)
	parts := []string{pattern(300_000), "", "end"}
	var sources []string
	for i, part := range parts {
		s.write(fmt.Sprintf("%s/part%d", s.home, i), part)
		sources = append(sources, fmt.Sprintf("part%d", i))
	}
	got := s.compose(map[string]any{"source_paths": sources, "destination": "out/whole"})
	if want := fmt.Sprintf(`{"name":"whole","path":"%s/out/whole","type":"file"}`, s.home); got.status != 200 || string(got.body) != want {
		t.Fatalf("%d %s", got.status, got.body)
	}
	status := stat(t, s.home+"/out/whole")
	if s.read(s.home+"/out/whole") != strings.Join(parts, "") || status.Uid != annID || status.Mode&0o777 != 0o644 {
		t.Errorf("content, owner %d or mode %o", status.Uid, status.Mode)
	}
	for _, source := range sources {
		if _, err := os.Stat(s.home + "/" + source); err == nil {
			t.Errorf("%s is still there", source)
		}
	}
	s.write(s.home+"/more", "more")
	s.check(os.Chmod(s.home+"/out/whole", 0o600))
	if got := s.compose(map[string]any{"source_paths": []string{"more"}, "destination": "out/whole", "username": "ann"}); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if s.read(s.home+"/out/whole") != "more" || stat(t, s.home+"/out/whole").Mode&0o777 != 0o600 {
		t.Error("a destination that exists is replaced and keeps its mode")
	}
}

func TestComposeThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/a", "a")
	s.check(os.Symlink("a", s.home+"/alias"))
	s.check(os.Mkdir(s.home+"/dir", 0o755))
	s.check(syscall.Mkfifo(s.home+"/pipe", 0o644))
	type object = map[string]any
	for name, test := range map[string]struct {
		request object
		status  int
		message string
	}{
		"nothing":             {object{}, 400, "source_paths and destination are required"},
		"no destination":      {object{"source_paths": []string{"a"}}, 400, "source_paths and destination are required"},
		"onto itself":         {object{"source_paths": []string{"a"}, "destination": "~/a"}, 400, "path '" + s.home + "/a' is both a source and the destination"},
		"onto itself by link": {object{"source_paths": []string{"alias"}, "destination": "a"}, 400, "path '" + s.home + "/alias' is both a source and the destination"},
		"missing":             {object{"source_paths": []string{"a", "b"}, "destination": "x"}, 404, "path '" + s.home + "/b' does not exist"},
		"directory":           {object{"source_paths": []string{"a", "dir"}, "destination": "x"}, 400, "path '" + s.home + "/dir' is a directory"},
		"pipe":                {object{"source_paths": []string{"pipe"}, "destination": "x"}, 400, "path '" + s.home + "/pipe' is not a regular file"},
		"into a directory":    {object{"source_paths": []string{"a"}, "destination": "dir"}, 400, "path '" + s.home + "/dir' is a directory"},
		"stranger":            {object{"source_paths": []string{"a"}, "destination": "x", "username": "stranger"}, 401, "error looking up user 'stranger': invalid username: 'stranger'"},
	} {
		s.compose(test.request).wantError(t, name, test.status, test.message)
	}
	if got := s.do("POST", "/files/compose", nil, nil, strings.NewReader("{")); got.status != 400 {
		t.Errorf("not JSON: %d %s", got.status, got.body)
	}
	if entries, err := os.ReadDir(s.home); err != nil || len(entries) != 4 || s.read(s.home+"/a") != "a" {
		t.Errorf("something changed: %v %v", entries, err)
	}
}
