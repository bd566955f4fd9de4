package files

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"
)

// Some programs pack level by level, so that a directory is filled long after it came.
func TestArchiveLevelByLevel(t *testing.T) {
	s := newSandbox(t)
	got := s.unpack("d", tarOf(t, directory("a/", 0o555), directory("b/", 0o700), directory("a/c/", 0o500), file("b/x", "x"), file("a/y", "y"), file("a/c/z", "z"),
		file("e/f", "f"), directory("e", 0o711)))
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if s.read(s.home+"/d/a/c/z") != "z" {
		t.Error("z is another")
	}
	for path, mode := range map[string]uint32{"/a": 0o40555, "/b": 0o40700, "/a/c": 0o40500, "/e": 0o40711} {
		if status := stat(t, s.home+"/d"+path); status.Mode != mode || status.Mtim.Sec != then.Unix() {
			t.Errorf("%s: %o of %v", path, status.Mode, status.Mtim)
		}
	}
}

// Others may change what is unpacked while it comes.
func TestDirectoryIsRemovedWhileAnArchiveComes(t *testing.T) {
	s := newSandbox(t)
	archive := tarOf(t, directory("a/", 0o750), directory("b/", 0o750), file("after", ""), file("c", "c"))
	body, come := io.Pipe()
	made := make(chan error, 1)
	go func() {
		// All comes but the end of the last member.
		rest := len(archive) - 4*512
		_, err := come.Write(archive[:rest])
		for deadline := time.Now().Add(time.Minute); err == nil; time.Sleep(time.Millisecond) {
			if _, absent := os.Stat(s.home + "/d/after"); absent == nil {
				break
			}
			if time.Now().After(deadline) {
				err = errors.New("what comes after the directories is not there")
			}
		}
		if err == nil {
			err = os.Remove(s.home + "/d/b")
		}
		if err == nil {
			_, err = come.Write(archive[rest:])
		}
		come.Close()
		made <- err
	}()
	header := map[string]string{"Content-Type": "application/x-tar"}
	got := s.do(http.MethodPost, "/files", url.Values{"path": {"d"}, "archive": {"tar"}}, header, body)
	s.check(<-made)
	got.wantError(t, "a directory is gone", 404, "not all of the archive was unpacked: path '"+s.home+"/d/b' does not exist")
	if status := stat(t, s.home+"/d/a"); status.Mode != 0o40750 || status.Mtim.Sec != then.Unix() {
		t.Errorf("the other directory has mode %o and is of %v", status.Mode, status.Mtim)
	}
	if s.read(s.home+"/d/c") != "c" {
		t.Error("what came later is not there")
	}
}
