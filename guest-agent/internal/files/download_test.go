package files

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func pattern(size int) string {
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		text.WriteString("line ")
		text.WriteString(strings.Repeat("x", i%37))
		text.WriteByte(byte(i))
	}
	return text.String()[:size]
}

func TestDownload(t *testing.T) {
	s := newSandbox(t)
	content := pattern(1_000_003)
	s.write(s.home+"/data.json", content)
	for _, path := range []string{"data.json", "~/data.json", s.home + "/data.json"} {
		got := s.get(path, nil)
		if got.status != 200 || string(got.body) != content {
			t.Fatalf("%s: %d, %d bytes", path, got.status, len(got.body))
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Content-Disposition": "inline; filename=data.json", "Vary": "Accept-Encoding",
			"Accept-Ranges": "bytes", "Content-Length": "1000003", "Content-Encoding": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %q", name, got.header.Get(name))
			}
		}
		if got.header.Get("Last-Modified") == "" {
			t.Error("no Last-Modified")
		}
	}
	if got := s.do("HEAD", "/files", url.Values{"path": {"data.json"}}, nil, nil); got.status != 200 || got.header.Get("Content-Length") != "1000003" || len(got.body) != 0 {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
	if got := s.do("PUT", "/files", url.Values{"path": {"data.json"}}, nil, nil); got.status != 405 || got.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d", got.status)
	}
}

func TestNamesInTheDisposition(t *testing.T) {
	s := newSandbox(t)
	for _, name := range []string{"plain", "with space.txt", `quo"te`, "ünï.txt", "semi;colon"} {
		s.write(s.home+"/"+name, "x")
		kind, parameters, err := mime.ParseMediaType(s.get(name, nil).header.Get("Content-Disposition"))
		if err != nil || kind != "inline" || parameters["filename"] != name {
			t.Errorf("%q: %s %v %v", name, kind, parameters, err)
		}
	}
}

func TestDownloadThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/dir", 0o755))
	s.check(syscall.Mkfifo(s.home+"/pipe", 0o644))
	s.check(os.Symlink("/dev/zero", s.home+"/to-device"))
	s.check(os.Symlink("loop", s.home+"/loop"))
	s.check(os.Symlink("/not/there", s.home+"/astray"))
	s.write(s.home+"/file", "")
	s.write(s.home+"/secret", "")
	s.check(os.Chmod(s.home+"/secret", 0o600))
	s.check(os.Mkdir(s.home+"/locked", 0o700))
	for path, want := range map[string]struct {
		status  int
		message string
	}{
		"missing":         {404, "path '" + s.home + "/missing' does not exist"},
		"astray":          {404, "path '" + s.home + "/astray' is a link to '/not/there', which does not exist"},
		"dir":             {400, "path '" + s.home + "/dir' is a directory"},
		"":                {400, "path '" + s.home + "' is a directory"},
		"pipe":            {400, "path '" + s.home + "/pipe' is not a regular file"},
		"to-device":       {400, "path '" + s.home + "/to-device' is not a regular file"},
		"/dev/zero":       {400, "path '/dev/zero' is not a regular file"},
		"/dev/ptmx":       {400, "path '/dev/ptmx' is not a regular file"},
		"~root/x":         {400, "path '~root/x': paths of the form ~name are not supported: use an absolute path"},
		"a\x00b":          {400, "path 'a\x00b': a path must not contain a NUL byte"},
		"loop":            {400, "path '" + s.home + "/loop': too many levels of symbolic links"},
		"file/below":      {400, "path '" + s.home + "/file/below': not a directory"},
		"/proc/1/environ": {403, "path '/proc/1/environ': permission denied"},
		"secret":          {403, "path '" + s.home + "/secret': permission denied"},
		"locked/file":     {403, "path '" + s.home + "/locked/file': permission denied"},
	} {
		s.get(path, nil).wantError(t, path, want.status, want.message)
	}
	query := url.Values{"path": {"file"}, "username": {"stranger"}}
	s.do("GET", "/files", query, nil, nil).wantError(t, "user", 401, "error looking up user 'stranger': invalid username: 'stranger'")
	query = url.Values{"path": {"/proc/self/mem"}, "username": {"root"}}
	s.do("GET", "/files", query, nil, nil).wantError(t, "a file that fails", 422, "path '/proc/self/mem': input/output error")
	query = url.Values{"path": {s.home + "/secret"}, "username": {"root"}}
	if got := s.do("GET", "/files", query, nil, nil); got.status != 200 {
		t.Errorf("as root: %d %s", got.status, got.body)
	}
}

func TestEmptyAndUnsizedFiles(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/empty", "")
	got := s.get("empty", nil)
	if got.status != 200 || got.header.Get("Content-Length") != "0" || len(got.body) != 0 {
		t.Errorf("empty: %d %v", got.status, got.header)
	}
	for _, path := range []string{"/proc/version", "/proc/kallsyms", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Logf("%s is not there", path)
			continue
		}
		for _, header := range []map[string]string{nil, {"Accept-Encoding": "gzip"}} {
			got := s.do(http.MethodGet, "/files", url.Values{"path": {path}, "username": {"root"}}, header, nil)
			body := got.body
			if header != nil {
				body = gunzip(t, got)
			}
			if got.status != 200 || !bytes.Equal(body, want) {
				t.Errorf("%s %v: %d, %d bytes of %d", path, header, got.status, len(body), len(want))
			}
		}
	}
}

func gunzip(t *testing.T, e exchange) []byte {
	t.Helper()
	if e.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not gzip: %v", e.header)
	}
	reader, err := gzip.NewReader(bytes.NewReader(e.body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestGzip(t *testing.T) {
	s := newSandbox(t)
	content := pattern(700_000)
	s.write(s.home+"/page.html", content)
	// The compressors are reused, so more than one request.
	for i := 0; i < 3; i++ {
		got := s.get("page.html", map[string]string{"Accept-Encoding": "gzip, deflate"})
		if string(gunzip(t, got)) != content || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || len(got.body) > len(content)/3 {
			t.Errorf("%d bytes, %v", len(got.body), got.header)
		}
	}
	for _, header := range []map[string]string{
		{"Accept-Encoding": "gzip", "Range": "bytes=0-9"},
		{"Accept-Encoding": "gzip", "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
	} {
		if got := s.get("page.html", header); got.header.Get("Content-Encoding") != "" || !strings.HasPrefix(content, string(got.body)) {
			t.Errorf("%v: %v", header, got.header)
		}
	}
	for _, header := range []map[string]string{
		{"Accept-Encoding": "br, identity;q=0"},
		{"Accept-Encoding": "*;q=0"},
		{"Accept-Encoding": "gzip, identity;q=0", "Range": "bytes=0-9"},
	} {
		s.get("page.html", header).wantError(t, header["Accept-Encoding"], 406, "none of the accepted codings is supported: gzip, identity")
	}
}

func TestNegotiate(t *testing.T) {
	for header, want := range map[string]string{
		"": "identity", "gzip": "gzip", "gzip, deflate, br": "gzip", "br": "identity", "deflate, gzip;q=0.5": "gzip",
		"identity, gzip": "identity", "gzip, identity": "gzip", "gzip;q=0.5, identity;q=0.8": "identity", "*": "identity", "gzip;q=0.4, *;q=0.6": "identity",
		"*;q=0.4, gzip;q=0.6": "gzip", "*, identity;q=0": "", "*, identity;q=0, gzip": "gzip", "gzip;q=0": "identity", "gzip;q=0, *;q=0": "", "*;q=0": "",
		"*;q=0, gzip": "gzip", "identity;q=0.1, *;q=0": "identity", "GZIP;Q=1": "gzip", "gzip;q=2": "identity", "gzip;q=NaN": "identity", "gzip;q=": "identity", ",,": "identity",
	} {
		if got, ok := negotiate(header); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", header, got, ok, want)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, header := range []string{"", "gzip, deflate", "*;q=0, identity;q=0.5", "gzip;q=1e400", ";;;,q=,=", "identity;q=0"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		coding, ok := negotiate(header)
		if ok != (coding == "gzip" || coding == "identity") || !ok && !identityRefused(header) || coding == "identity" && identityRefused(header) {
			t.Fatalf("%q: %q %v", header, coding, ok)
		}
	})
}

func TestRanges(t *testing.T) {
	s := newSandbox(t)
	s.write(s.home+"/f", "0123456789")
	for header, want := range map[string]struct {
		status int
		body   string
		span   string
	}{
		"bytes=0-3":   {206, "0123", "bytes 0-3/10"},
		"bytes=7-":    {206, "789", "bytes 7-9/10"},
		"bytes=-2":    {206, "89", "bytes 8-9/10"},
		"bytes=5-999": {206, "56789", "bytes 5-9/10"},
		"bytes=10-":   {416, "", "bytes */10"},
	} {
		got := s.get("f", map[string]string{"Range": header})
		if got.status != want.status || want.body != "" && string(got.body) != want.body || got.header.Get("Content-Range") != want.span {
			t.Errorf("%s: %d %q %v", header, got.status, got.body, got.header)
		}
	}
	got := s.get("f", map[string]string{"Range": "bytes=0-1,8-9"})
	kind, parameters, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil || got.status != 206 || kind != "multipart/byteranges" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	parts := multipart.NewReader(bytes.NewReader(got.body), parameters["boundary"])
	for _, want := range []string{"01", "89"} {
		part, err := parts.NextPart()
		s.check(err)
		if text, err := io.ReadAll(part); err != nil || string(text) != want {
			t.Errorf("%q %v", text, err)
		}
	}
	modified := s.get("f", nil).header.Get("Last-Modified")
	for _, test := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"If-Modified-Since": modified}, http.StatusNotModified},
		{map[string]string{"If-Unmodified-Since": time.Unix(0, 0).UTC().Format(http.TimeFormat)}, http.StatusPreconditionFailed},
		{map[string]string{"Range": "bytes=0-1", "If-Range": modified}, http.StatusPartialContent},
		{map[string]string{"Range": "bytes=0-1", "If-Range": time.Unix(0, 0).UTC().Format(http.TimeFormat)}, http.StatusOK},
	} {
		if got := s.get("f", test.header); got.status != test.status {
			t.Errorf("%v: %d", test.header, got.status)
		}
	}
}

func FuzzRangeHeader(f *testing.F) {
	for _, header := range []string{"bytes=0-3", "bytes=-1", "bytes=0-,0-,0-", "bytes=9-0", "bytes=18446744073709551616-", "lines=1-2", "bytes=,"} {
		f.Add(header)
	}
	root := f.TempDir()
	if err := os.WriteFile(root+"/file", []byte("0123456789"), 0o644); err != nil {
		f.Fatal(err)
	}
	service := NewService(openSandbox{}, time.Now)
	f.Fuzz(func(t *testing.T, header string) {
		recorder := newRecorder()
		request := &http.Request{Method: "GET", URL: &url.URL{RawQuery: "path=" + url.QueryEscape(root+"/file")}, Header: http.Header{"Range": {header}}}
		service.ServeFiles(recorder, request)
		switch recorder.status {
		case 200:
			if recorder.body.String() != "0123456789" {
				t.Fatalf("%q: %q", header, recorder.body.String())
			}
		case 206, 416:
		default:
			t.Fatalf("%q: status %d", header, recorder.status)
		}
	})
}
