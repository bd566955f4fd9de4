package hosts

import (
	"os"
	"testing"
)

func TestTextFor(t *testing.T) {
	const base = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, test := range []struct {
		name, current, hostname, want string
	}{
		{"no file", "", "box", base + "127.0.1.1\tbox\n"},
		{"domain", "", "box.local", base + "127.0.1.1\tbox.local box\n"},
		{"former name", base + "127.0.1.1\told\n10.0.0.1 db\n", "new", base + "10.0.0.1 db\n127.0.1.1\tnew\n"},
		{"lines of others", "# mine\n127.0.0.1 localhost me\n\n10.0.0.1 db", "box", "# mine\n127.0.0.1 localhost me\n\n10.0.0.1 db\n127.0.1.1\tbox\n"},
		{"same again", base + "127.0.1.1\tbox\n", "box", base + "127.0.1.1\tbox\n"},
	} {
		if got := textFor(test.current, test.hostname); got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestWriteMakesTheDirectory(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := Write(root, name); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(root + "/etc/hosts")
	if err != nil || string(text) != textFor("", "two") {
		t.Errorf("%q %v", text, err)
	}
}
