package files

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var then = time.Unix(1_600_000_000, 500_000_000)

func file(name, text string) member {
	return member{&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: then}, text}
}

func directory(name string, mode int64) member {
	return member{&tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode, ModTime: then}, ""}
}

func symlink(name, target string) member {
	return member{&tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink, Mode: 0o777, ModTime: then}, ""}
}

func hardLink(name, target string) member {
	return member{&tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink, Mode: 0o644, ModTime: then}, ""}
}

// tarOf is an archive with members.
func tarOf(t *testing.T, members ...member) []byte {
	t.Helper()
	var body bytes.Buffer
	out := tar.NewWriter(&body)
	for _, member := range members {
		member.header.Size = int64(len(member.text))
		member.header.Format = tar.FormatPAX
		if err := out.WriteHeader(member.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, member.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

func (s *sandbox) unpack(path string, body []byte) exchange {
	s.t.Helper()
	header := map[string]string{"Content-Type": "application/x-tar"}
	return s.do(http.MethodPost, "/files", url.Values{"path": {path}, "archive": {"tar"}}, header, bytes.NewReader(body))
}

func TestArchiveIsUnpacked(t *testing.T) {
	s := newSandbox(t)
	large := pattern(3<<20 + 17)
	long := strings.Repeat("n", 200) + "/" + strings.Repeat("m", 250)
	program := file("./bin/program", "#!")
	program.header.Mode = 0o6755
	got := s.unpack("new/tree", tarOf(t,
		directory("./", 0o750), directory("./bin/", 0o555), program, file("./bin/large", large), symlink("./bin/link", "/etc/passwd"),
		hardLink("./bin/again", "./bin/program"), file("not//listed/./file", "x"), file(long, "long"), file("line\nbreak-\xff", "odd"),
		directory("empty", 0o700)))
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tree := s.home + "/new/tree"
	for path, want := range map[string]string{
		"/bin/program": "#!", "/bin/again": "#!", "/bin/large": large, "/not/listed/file": "x", "/" + long: "long", "/line\nbreak-\xff": "odd",
	} {
		if s.read(tree+path) != want {
			t.Errorf("%q is another", path)
		}
	}
	for path, mode := range map[string]uint32{
		"": 0o40750, "/bin": 0o40555, "/bin/program": 0o100755, "/bin/large": 0o100644, "/not": 0o40755, "/empty": 0o40700,
	} {
		if status := stat(t, tree+path); status.Mode != mode || status.Uid != annID || status.Gid != annGroup {
			t.Errorf("%q: %o of %d:%d", path, status.Mode, status.Uid, status.Gid)
		}
	}
	for _, path := range []string{"", "/bin", "/bin/program", "/bin/link", "/empty"} {
		if at := stat(t, tree+path).Mtim; at.Sec != then.Unix() || at.Nsec != int64(then.Nanosecond()) {
			t.Errorf("%q is of %v", path, at)
		}
	}
	if target, err := os.Readlink(tree + "/bin/link"); err != nil || target != "/etc/passwd" {
		t.Errorf("%q %v", target, err)
	}
	if stat(t, tree+"/bin/again").Ino != stat(t, tree+"/bin/program").Ino {
		t.Error("the second name is of another file")
	}
}

func TestWhatOneGuestPacksAnotherUnpacks(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/d/a/file", pattern(70_000))
	s.check(os.Symlink("a/file", s.home+"/d/link"))
	deep := s.home + "/d" + strings.Repeat("/x", archiveDepth-1)
	s.check(os.MkdirAll(deep, 0o755))
	s.write(deep+"/end", "reached")
	if got := s.unpack("copy", s.archive("d").body); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	copied := s.home + "/copy/d"
	if s.read(copied+"/link") != pattern(70_000) || s.read(copied+strings.Repeat("/x", archiveDepth-1)+"/end") != "reached" {
		t.Error("the copy is another")
	}
}

func TestUnpackingIntoWhatIsThere(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/d", 0o700))
	s.own(s.home + "/d")
	s.give(s.home+"/d/kept", "kept")
	s.give(s.home+"/d/old", "old")
	s.give(s.home+"/secret", "secret")
	s.check(os.Symlink(s.home+"/secret", s.home+"/d/link"))
	s.check(os.Link(s.home+"/secret", s.home+"/d/shared"))
	s.check(syscall.Mkfifo(s.home+"/d/pipe", 0o644))
	got := s.unpack("d", tarOf(t, directory(".", 0o755), file("old", "new"), file("link", "a file"), file("shared", "mine"), file("pipe", "no pipe"),
		file("twice", "1"), file("twice", "2"), symlink("twice", "old"), hardLink("other", "old"), hardLink("other", "old")))
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for path, want := range map[string]string{"kept": "kept", "old": "new", "link": "a file", "shared": "mine", "pipe": "no pipe", "twice": "new", "other": "new"} {
		if s.read(s.home+"/d/"+path) != want {
			t.Errorf("%s is another", path)
		}
	}
	if s.read(s.home+"/secret") != "secret" {
		t.Error("a file elsewhere has changed")
	}
	if mode := stat(t, s.home+"/d").Mode; mode != 0o40700 {
		t.Errorf("the directory that was there has mode %o", mode)
	}
	entries, err := os.ReadDir(s.home + "/d")
	s.check(err)
	if len(entries) != 7 {
		t.Errorf("%v", entries)
	}
}

func TestUnpackingLeavesOutWhatCannotBe(t *testing.T) {
	s := newSandbox(t)
	s.check(os.MkdirAll(s.home+"/d/directory/full", 0o755))
	s.own(s.home + "/d")
	s.check(os.Mkdir(s.home+"/d/roots", 0o755))
	s.give(s.home+"/d/file", "file")
	fifo := member{&tar.Header{Name: "fifo", Typeflag: tar.TypeFifo, Mode: 0o644}, ""}
	got := s.unpack("d", tarOf(t, file("roots/file", "no"), file("directory", "no"), file("file/below", "no"), fifo, hardLink("second", "absent"),
		file(strings.Repeat("x", 256), "no"), file("zzz", "there")))
	message := "not all of the archive was unpacked: path '" + s.home + "/d/roots/file': permission denied; " +
		"path '" + s.home + "/d/directory': is a directory; 'file' is no directory, but a file or a link; " +
		"\"fifo\" is neither a file nor a directory nor a link; 'second' is to be another name of 'absent', which is not there; and 1 more"
	got.wantError(t, "members", 403, message)
	if s.read(s.home+"/d/zzz") != "there" || s.read(s.home+"/d/file") != "file" {
		t.Error("the others are not there")
	}
	if _, err := os.Stat(s.home + "/d/directory/full"); err != nil {
		t.Error(err)
	}
}

// wantUntouched checks that an archive is refused, and has changed nothing beside the directory that it was for.
func (s *sandbox) wantUntouched(what string, got exchange, status int, part string) {
	s.t.Helper()
	if got.status != status || !strings.Contains(string(got.body), part) {
		s.t.Errorf("%s: %d %s, want %d %q", what, got.status, got.body, status, part)
	}
	if s.read(s.root+"/outside/file") != "outside" {
		s.t.Errorf("%s: a file outside has changed", what)
	}
	entries, err := os.ReadDir(s.root + "/outside")
	s.check(err)
	if len(entries) != 1 {
		s.t.Errorf("%s: outside are %v", what, entries)
	}
}

func TestArchiveOfAnEnemy(t *testing.T) {
	s := newSandbox(t)
	s.give(s.root+"/outside/file", "outside")
	s.own(s.root + "/outside")
	whole := tarOf(t, file("a", "x"))
	outside := s.root + "/outside"
	for what, test := range map[string]struct {
		body   []byte
		status int
		part   string
	}{
		"climbs":                 {tarOf(t, file("../outside/file", "x")), 415, "leads out of it"},
		"climbs in the middle":   {tarOf(t, file("a/../../outside/file", "x")), 415, "leads out of it"},
		"is absolute":            {tarOf(t, file(outside+"/file", "x")), 415, "is none below a directory"},
		"makes a directory":      {tarOf(t, directory("../outside/new", 0o755)), 415, "leads out of it"},
		"writes through a link":  {tarOf(t, symlink("l", outside), file("l/new", "x")), 409, "'l' is no directory"},
		"climbs through a link":  {tarOf(t, symlink("l", ".."), file("l/outside/new", "x")), 409, "'l' is no directory"},
		"enters a link":          {tarOf(t, symlink("l", outside), directory("l/", 0o700)), 409, "'l' is no directory"},
		"replaces what is open":  {tarOf(t, directory("d", 0o755), symlink("d", outside), file("d/new", "x")), 400, "is a directory"},
		"links what is outside":  {tarOf(t, hardLink("l", "../outside/file")), 415, "leads out of it"},
		"links what is absolute": {tarOf(t, hardLink("l", outside+"/file")), 415, "is none below a directory"},
		"links through a link":   {tarOf(t, symlink("l", outside), hardLink("f", "l/file")), 409, "'l' is no directory"},
		"is no archive":          {bytes.Repeat([]byte("no archive "), 100), 415, "invalid tar header"},
		"is empty":               {nil, 415, "breaks off"},
		"has no end":             {whole[:1024], 415, "breaks off"},
		"has half an end":        {whole[:1536], 415, "breaks off"},
		"breaks off in a file":   {tarOf(t, file("a", pattern(4<<20)))[:3<<20], 415, "breaks off"},
		"breaks off in a header": {whole[:700-200], 415, "breaks off"},
		"does not end":           {append(append([]byte{}, whole...), make([]byte, archivePadding+1)...), 415, "goes on after its end"},
		"has a path too long":    {tarOf(t, file(strings.Repeat("x/", 2047)+"xx", "")), 413, "a path of 4096 bytes"},
		"is too deep":            {tarOf(t, file(strings.Repeat("x/", archiveDepth+1)+"f", "")), 413, "levels of directories"},
	} {
		s.wantUntouched(what, s.unpack("target", test.body), test.status, test.part)
		if what == "breaks off in a file" {
			if _, err := os.Lstat(s.home + "/target/a"); err == nil {
				t.Error("half a file has its name")
			}
		}
		s.check(os.RemoveAll(s.home + "/target"))
	}
}

func TestArchiveThatSaysMoreThanItHas(t *testing.T) {
	s := newSandbox(t)
	s.give(s.root+"/outside/file", "outside")
	var huge bytes.Buffer
	out := tar.NewWriter(&huge)
	s.check(out.WriteHeader(&tar.Header{Name: "huge", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1 << 60, Format: tar.FormatPAX}))
	s.wantUntouched("a file larger than the disk", s.unpack("target", huge.Bytes()), 507, "not enough disk space")

	records := map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": fmt.Sprint(int64(1) << 60), "GNU.sparse.name": "s"}
	s.wantUntouched("a sparse file", s.unpack("target", forged("x", records, "1\n0\n0\n"+strings.Repeat("\x00", 506))), 415, "sparse")
	// A map without end is read into memory.
	endless := strings.Repeat("1\n", 4<<20)
	s.wantUntouched("a map of holes without end", s.unpack("target", forged("x", records, fmt.Sprint(4<<20)+"\n"+endless)), 415, "cannot be unpacked")
	s.wantUntouched("an extended header without end", s.unpack("target", forged(strings.Repeat("y", 8<<20), nil, "")), 415, "cannot be unpacked")
}

// forged is an archive with one member whose extended header has a comment and records.
func forged(comment string, records map[string]string, text string) []byte {
	var extended strings.Builder
	add := func(key, value string) {
		record := " " + key + "=" + value + "\n"
		length := len(record)
		for length != len(fmt.Sprint(length))+len(record) {
			length = len(fmt.Sprint(length)) + len(record)
		}
		extended.WriteString(fmt.Sprint(length) + record)
	}
	add("comment", comment)
	for key, value := range records {
		add(key, value)
	}
	return bytes.Join([][]byte{rawMember('x', "extended", extended.String()), rawMember('0', "member", text), make([]byte, 1024)}, nil)
}

// rawMember is a member as an enemy may write it.
func rawMember(kind byte, name, text string) []byte {
	header := make([]byte, 512)
	copy(header, name)
	copy(header[100:], "0000644\x00")
	copy(header[124:], fmt.Sprintf("%011o\x00", len(text)))
	copy(header[136:], "00000000001\x00")
	header[156] = kind
	copy(header[257:], "ustar\x0000")
	seal(header)
	return append(header, append([]byte(text), make([]byte, (512-len(text)%512)%512)...)...)
}

// seal writes the sum of a header.
func seal(header []byte) {
	copy(header[148:], "        ")
	sum := 0
	for _, value := range header {
		sum += int(value)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
}

func TestUnpackingIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/file", "file")
	s.check(os.Mkdir(s.root+"/closed", 0o700))
	body := tarOf(t, file("a", "x"))
	s.unpack("file", body).wantError(t, "a file", 400, "path '"+s.home+"/file': not a directory")
	s.unpack(s.root+"/closed/d", body).wantError(t, "closed", 403, "path '"+s.root+"/closed/d': permission denied")
	s.do("POST", "/files", url.Values{"path": {"d"}, "archive": {"zip"}}, nil, nil).wantError(t, "zip", 400, `archive "zip" is not tar`)
	if _, err := os.Lstat(s.home + "/d"); err == nil {
		t.Error("a refused request has made a directory")
	}
}

// Whatever an archive is made of, and however its bytes are changed, nothing outside of its directory changes and each request has
// an answer.
func TestArchivesByChance(t *testing.T) {
	s := newSandbox(t)
	s.give(s.root+"/outside/file", "outside")
	s.own(s.root + "/outside")
	random := rand.New(rand.NewSource(20_261_129))
	plain := []string{"a", "b", "c", ".", "link", "file"}
	odd := []string{"..", "", s.root + "/outside", "outside", "../outside", "a\x00b", strings.Repeat("x", 256)}
	path := func() string {
		parts := make([]string, 1+random.Intn(4))
		for i := range parts {
			parts[i] = plain[random.Intn(len(plain))]
			if random.Intn(12) == 0 {
				parts[i] = odd[random.Intn(len(odd))]
			}
		}
		return strings.Join(parts, "/")
	}
	kinds := []byte{'0', '0', '0', '1', '2', '2', '5', '5', '6', 'x', 'g', 'L', 'K', 'S', '3', 0}
	const regular = 9
	statuses := map[int]int{}
	for round := 0; round < 400; round++ {
		var body []byte
		for i := random.Intn(8); i >= 0; i-- {
			known := len(kinds)
			if round%2 == 0 {
				known = regular
			}
			kind := kinds[random.Intn(known)]
			text := strings.Repeat("t", random.Intn(600))
			if strings.IndexByte("12356", kind) >= 0 {
				// Those have no content.
				text = ""
			}
			one := rawMember(kind, path(), text)
			target := path()
			if random.Intn(4) == 0 {
				target = s.root + "/outside"
			}
			copy(one[157:257], target)
			seal(one[:512])
			body = append(body, one...)
		}
		body = append(body, make([]byte, 1024)...)
		for i := random.Intn(3); i > 0 && round%2 == 1; i-- {
			at := random.Intn(len(body))
			body[at] = byte(random.Intn(256))
			if block := at - at%512; round%4 == 1 {
				seal(body[block : block+512])
			}
		}
		if round%5 == 4 {
			body = body[:random.Intn(len(body))]
		}
		got := s.unpack("target", body)
		statuses[got.status]++
		if got.status >= 500 && got.status != 507 || got.status < 200 {
			t.Fatalf("round %d: %d %s", round, got.status, got.body)
		}
		s.wantUntouched(fmt.Sprintf("round %d", round), got, got.status, "")
		s.check(filepath.WalkDir(s.home, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(entry.Name(), ".warren-") {
				t.Errorf("round %d: %s is left", round, path)
			}
			return err
		}))
		s.check(os.RemoveAll(s.home + "/target"))
	}
	if statuses[200] < 30 || statuses[415] < 50 || statuses[409]+statuses[404]+statuses[422] < 20 {
		t.Errorf("the archives are of one kind: %v", statuses)
	}
}
