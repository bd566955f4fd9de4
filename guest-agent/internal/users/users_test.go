package users

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func image(t *testing.T, passwd, group string) *Database {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"passwd": passwd, "group": group} {
		if text == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return NewDatabase(root)
}

const passwd = `# a comment
root:x:0:0:root:/root:/bin/bash
user:x:1000:1000:,,,:/home/user:/bin/bash
twin:x:1000:1000::/home/twin
nohome:x:1001:1001:::/bin/sh
nolog:x:1002:1002::relative:/bin/sh
badid:x:abc:1::/:
huge:x:4294967295:1::/:
short:x:1
:x:5:5::/:
+::::::
`

const group = `root:x:0:
sudo:x:27:user,twin
user:x:1000:
docker:x:999: user
video:x:44:twin,user,
bad:x:y:user
short:x
`

func TestLookup(t *testing.T) {
	database := image(t, passwd, group)
	for name, want := range map[string]User{
		"root":   {Name: "root", Home: "/root"},
		"user":   {Name: "user", UID: 1000, GID: 1000, Home: "/home/user", Groups: []uint32{27, 999, 44}},
		"twin":   {Name: "twin", UID: 1000, GID: 1000, Home: "/home/twin", Groups: []uint32{27, 44}},
		"nohome": {Name: "nohome", UID: 1001, GID: 1001, Home: "/"},
		"nolog":  {Name: "nolog", UID: 1002, GID: 1002, Home: "/"},
	} {
		if got, err := database.Lookup(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, name := range []string{"", "badid", "huge", "short", "+", "# a comment", "stranger", "USER"} {
		if got, err := database.Lookup(name); err == nil || err.Error() != "invalid username: '"+name+"'" {
			t.Errorf("%q: %+v %v", name, got, err)
		}
	}
}

func TestImageWithoutAccounts(t *testing.T) {
	database := image(t, "", "")
	if got, err := database.Lookup("root"); err != nil || got.Home != "/root" || got.UID != 0 {
		t.Errorf("root: %+v %v", got, err)
	}
	if _, err := database.Lookup("user"); err == nil {
		t.Error("a user was made up")
	}
}

func TestNames(t *testing.T) {
	names := image(t, passwd, group).Names()
	for id, want := range map[uint32]string{0: "root", 1000: "user", 7: "7"} {
		if got := names.User(id); got != want {
			t.Errorf("user %d: %s", id, got)
		}
	}
	for id, want := range map[uint32]string{27: "sudo", 4294967294: "4294967294"} {
		if got := names.Group(id); got != want {
			t.Errorf("group %d: %s", id, got)
		}
	}
}

func FuzzAccounts(f *testing.F) {
	f.Add(passwd, group)
	f.Add("a:b:c", ":::")
	f.Add("\x00:\xff:1:2:3:4\r\n", "g:x:4294967296:a,,b")
	f.Fuzz(func(t *testing.T, passwd, group string) {
		for _, user := range parsePasswd(passwd) {
			if user.Name == "" || strings.ContainsAny(user.Name, ":\n") || !filepath.IsAbs(user.Home) {
				t.Fatalf("%+v", user)
			}
			if memberships := memberships(parseGroup(group), user.Name); len(memberships) > strings.Count(group, "\n")+1 {
				t.Fatalf("%d memberships", len(memberships))
			}
		}
	})
}

func TestAccountFilesThatAreNone(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"a loop":      func(path string) error { return os.Symlink(path, path) },
	} {
		root := t.TempDir()
		if err := os.Mkdir(root+"/etc", 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"/etc/passwd", "/etc/group"} {
			if err := spoil(root + file); err != nil {
				t.Fatal(err)
			}
		}
		database := NewDatabase(root)
		if got, err := database.Lookup("root"); err != nil || got.UID != 0 || got.Home != "/root" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if _, err := database.Lookup("user"); err == nil {
			t.Errorf("%s: a user was made up", name)
		}
	}
}

func TestAccountsThatNeverComeAreNotWaitedFor(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/kmsg", root+"/etc/passwd"); err != nil {
		t.Fatal(err)
	}
	if user, err := NewDatabase(root).Lookup("root"); err != nil || user.Home != "/root" {
		t.Errorf("%+v %v", user, err)
	}
}
