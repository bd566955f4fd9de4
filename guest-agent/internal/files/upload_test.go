package files

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestUploadOfAnOctetStream(t *testing.T) {
	s := newSandbox(t)
	content := pattern(600_001)
	got := s.post("new/dir/file.bin", content, nil)
	want := fmt.Sprintf(`[{"name":"file.bin","path":"%s/new/dir/file.bin","type":"file"}]`, s.home)
	if got.status != 200 || string(got.body) != want || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if s.read(s.home+"/new/dir/file.bin") != content {
		t.Error("the content differs")
	}
	for path, mode := range map[string]uint32{"/new": syscall.S_IFDIR | 0o755, "/new/dir": syscall.S_IFDIR | 0o755, "/new/dir/file.bin": syscall.S_IFREG | 0o644} {
		if status := stat(t, s.home+path); status.Uid != annID || status.Gid != annGroup || status.Mode != mode {
			t.Errorf("%s: %d:%d %o", path, status.Uid, status.Gid, status.Mode)
		}
	}
	if got := s.post("empty", "", nil); got.status != 200 || s.read(s.home+"/empty") != "" {
		t.Errorf("an empty file: %d", got.status)
	}
	// A body of unknown length is sent in chunks.
	reader, writer := io.Pipe()
	go func() {
		for i := 0; i < 50; i++ {
			fmt.Fprintf(writer, "chunk %d\n", i)
		}
		writer.Close()
	}()
	got = s.do("POST", "/files", url.Values{"path": {"chunked"}}, map[string]string{"Content-Type": "application/octet-stream"}, reader)
	if got.status != 200 || !strings.HasSuffix(s.read(s.home+"/chunked"), "chunk 48\nchunk 49\n") {
		t.Errorf("chunked: %d %s", got.status, got.body)
	}
}

type formFile struct {
	field, filename, content string
	bare                     bool
}

// form is a multipart body. File names are escaped as browsers do it.
func form(t *testing.T, parts ...formFile) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	writer := multipart.NewWriter(body)
	for _, part := range parts {
		disposition := fmt.Sprintf(`form-data; name="%s"`, part.field)
		if !part.bare {
			disposition += fmt.Sprintf(`; filename="%s"`, strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(part.filename))
		}
		target, err := writer.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		if err == nil {
			_, err = io.WriteString(target, part.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return body, writer.FormDataContentType()
}

func (s *sandbox) postForm(query url.Values, parts ...formFile) exchange {
	s.t.Helper()
	body, contentType := form(s.t, parts...)
	return s.do("POST", "/files", query, map[string]string{"Content-Type": contentType}, body)
}

func TestUploadOfAForm(t *testing.T) {
	s := newSandbox(t)
	large := pattern(900_000)
	got := s.postForm(nil,
		formFile{field: "file", filename: "b/two", content: "2"},
		formFile{field: "other", filename: "ignored", content: "x"},
		formFile{field: "file", filename: s.home + "/abs", content: large},
		formFile{field: "file", filename: "quo\"te\nd", content: "3"},
	)
	want := []written{
		{Name: "two", Path: s.home + "/b/two", Type: "file"},
		{Name: "abs", Path: s.home + "/abs", Type: "file"},
		{Name: "quo\"te\nd", Path: s.home + "/quo\"te\nd", Type: "file"},
	}
	wantBody, _ := json.Marshal(want)
	if got.status != 200 || string(got.body) != string(wantBody) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if s.read(s.home+"/b/two") != "2" || s.read(s.home+"/abs") != large || s.read(s.home+"/quo\"te\nd") != "3" {
		t.Error("the content differs")
	}
	if _, err := os.Stat(s.home + "/ignored"); err == nil {
		t.Error("a part of another name was written")
	}
	if got := s.postForm(url.Values{"path": {"by-query"}}, formFile{field: "file", bare: true, content: "q"}); got.status != 200 || s.read(s.home+"/by-query") != "q" {
		t.Errorf("with a path: %d %s", got.status, got.body)
	}
	if got := s.postForm(nil); got.status != 200 || string(got.body) != "[]" {
		t.Errorf("no part: %d %s", got.status, got.body)
	}
}

func TestFormThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	same := formFile{field: "file", filename: "same", content: "first"}
	again := formFile{field: "file", filename: "./same", content: "second"}
	s.postForm(nil, same, again).wantError(t, "same path twice", 400, "path '"+s.home+"/same' appears more than once in the request")
	if s.read(s.home+"/same") != "first" {
		t.Error("the first one is not what was written")
	}
	for _, part := range []formFile{{field: "file", bare: true, content: "x"}, {field: "file", content: "x"}} {
		s.postForm(nil, part).wantError(t, "no name", 400, "a file needs the query parameter path or a file name")
	}
	for name, body := range map[string]string{"no end": "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cut\"\r\n\r\nabc", "no form": "hello"} {
		got := s.do("POST", "/files", nil, map[string]string{"Content-Type": "multipart/form-data; boundary=b"}, strings.NewReader(body))
		if got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if _, err := os.Stat(s.home + "/cut"); err == nil {
		t.Error("a file that came in part is left behind")
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := io.WriteString(writer, text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCompressedUploads(t *testing.T) {
	s := newSandbox(t)
	content := pattern(500_000)
	if got := s.post("z", gzipped(t, content), map[string]string{"Content-Encoding": "gzip"}); got.status != 200 || s.read(s.home+"/z") != content {
		t.Errorf("octet stream: %d %s", got.status, got.body)
	}
	body, contentType := form(t, formFile{field: "file", filename: "y", content: content})
	header := map[string]string{"Content-Encoding": "gzip", "Content-Type": contentType}
	if got := s.do("POST", "/files", nil, header, strings.NewReader(gzipped(t, body.String()))); got.status != 200 || s.read(s.home+"/y") != content {
		t.Errorf("form: %d %s", got.status, got.body)
	}
	s.post("x", "plain", map[string]string{"Content-Encoding": "br"}).wantError(t, "br", 400, `content encoding "br" is not supported: use gzip`)
	for name, body := range map[string]string{"not gzip": "plain", "cut off": gzipped(t, content)[:1000]} {
		if got := s.post("x", body, map[string]string{"Content-Encoding": "gzip"}); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if _, err := os.Stat(s.home + "/x"); err == nil {
		t.Error("a file that came in part is left behind")
	}
}

func TestUploadThatIsRefused(t *testing.T) {
	s := newSandbox(t)
	s.check(os.Mkdir(s.home+"/dir", 0o755))
	s.check(syscall.Mkfifo(s.home+"/pipe", 0o666))
	s.write(s.home+"/file", "kept")
	listener, err := net.Listen("unix", s.home+"/socket")
	s.check(err)
	defer listener.Close()
	for path, message := range map[string]string{
		"dir":                          "path '" + s.home + "/dir' is a directory",
		"pipe":                         "path '" + s.home + "/pipe' is not a regular file",
		"socket":                       "path '" + s.home + "/socket' is not a regular file",
		"/dev/null":                    "path '/dev/null' is not a regular file",
		"file/below":                   "path '" + s.home + "/file/below': not a directory",
		"~bob/x":                       "path '~bob/x': paths of the form ~name are not supported: use an absolute path",
		"":                             "the query parameter path is required",
		"/" + strings.Repeat("n", 300): "path '/" + strings.Repeat("n", 300) + "': file name too long",
	} {
		s.post(path, "x", nil).wantError(t, path, 400, message)
	}
	query := url.Values{"path": {"file"}, "username": {"stranger"}}
	header := map[string]string{"Content-Type": "application/octet-stream"}
	s.do("POST", "/files", query, header, strings.NewReader("x")).wantError(t, "user", 401, "error looking up user 'stranger': invalid username: 'stranger'")
	s.post("file", "x", map[string]string{"Content-Type": "text/plain"}).wantError(t, "type", 400, `content type "text/plain" is not supported: use multipart/form-data or application/octet-stream`)
	s.post("file", "x", map[string]string{"Content-Type": "multipart/form-data"}).wantError(t, "boundary", 400, `content type "multipart/form-data" is not supported: use multipart/form-data or application/octet-stream`)
	s.post("file", "x", map[string]string{"Content-Type": ";;"}).wantError(t, "no type", 400, `content type ";;" is not valid`)
	s.post("file", "x", map[string]string{"X-Metadata-A": "ü"}).wantError(t, "metadata", 400, "metadata 'a': only printable ASCII characters are allowed")
	if s.read(s.home+"/file") != "kept" {
		t.Error("a refused upload changed the file")
	}
}

func TestUploadThatBreaksOff(t *testing.T) {
	s := newSandbox(t)
	connection, err := net.Dial("tcp", s.server.Listener.Addr().String())
	s.check(err)
	fmt.Fprintf(connection, "POST /files?path=partial HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nonly this")
	s.check(connection.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(connection)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%q %v", answer, err)
	}
	if _, err := os.Stat(s.home + "/partial"); err == nil {
		t.Error("a file that came in part is left behind")
	}
}

// smallDisk mounts a file system of one MiB.
func smallDisk(t *testing.T, s *sandbox) string {
	t.Helper()
	path := s.home + "/disk"
	s.check(os.Mkdir(path, 0o755))
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=1m,mode=777"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestFullDisk(t *testing.T) {
	s := newSandbox(t)
	disk := smallDisk(t, s)
	s.give(disk+"/old", "kept")
	large := strings.Repeat("x", 3<<20)
	const message = "not enough disk space available"
	s.post(disk+"/old", large, nil).wantError(t, "known length", http.StatusInsufficientStorage, message)
	if s.read(disk+"/old") != "kept" {
		t.Error("a file was truncated for content that cannot fit")
	}
	s.post(disk+"/new", gzipped(t, large), map[string]string{"Content-Encoding": "gzip"}).wantError(t, "unknown length", http.StatusInsufficientStorage, message)
	if _, err := os.Stat(disk + "/new"); err == nil {
		t.Error("a file that does not fit is left behind")
	}
	s.give(disk+"/part1", strings.Repeat("x", 600<<10))
	body := fmt.Sprintf(`{"source_paths":["%s/part1"],"destination":"%s/whole"}`, disk, disk)
	s.do("POST", "/files/compose", nil, nil, strings.NewReader(body)).wantError(t, "compose", http.StatusInsufficientStorage, message)
	entries, err := os.ReadDir(disk)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v %v", entries, err)
	}
	s.post(disk+"/part1", strings.Repeat("y", 900<<10), nil).wantError(t, "beside the former content", http.StatusInsufficientStorage, message)
	if s.read(disk+"/part1") != strings.Repeat("x", 600<<10) {
		t.Error("what was there is not as it was")
	}
	// What is copied into a file needs room for both, too.
	s.check(os.Link(disk+"/part1", disk+"/again"))
	s.post(disk+"/part1", gzipped(t, strings.Repeat("y", 300<<10)), map[string]string{"Content-Encoding": "gzip"})
	s.post(disk+"/part1", gzipped(t, strings.Repeat("z", 700<<10)), map[string]string{"Content-Encoding": "gzip"}).wantError(t, "copied", http.StatusInsufficientStorage, message)
	if s.read(disk+"/again") != strings.Repeat("y", 300<<10) {
		t.Error("what was copied over is not as it was")
	}
}

// A client that sends everything before it reads the answer gets to see an error that was found at the beginning.
func TestErrorIsAnsweredToAClientThatSendsFirst(t *testing.T) {
	s := newSandbox(t)
	connection, err := net.Dial("tcp", s.server.Listener.Addr().String())
	s.check(err)
	defer connection.Close()
	const size = 20 << 20
	fmt.Fprintf(connection, "POST /files?path=/dev/null HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
	if _, err := connection.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil || response.StatusCode != 400 {
		t.Fatalf("%v %v", response, err)
	}
	response.Body.Close()
}

func TestMetadataOfUploads(t *testing.T) {
	s := newSandbox(t)
	got := s.post("f", "x", map[string]string{"X-Metadata-Colour": "light green", "X-Metadata-Long-Key": "v"})
	if want := fmt.Sprintf(`[{"name":"f","path":"%s/f","type":"file","metadata":{"colour":"light green","long-key":"v"}}]`, s.home); got.status != 200 || string(got.body) != want {
		t.Fatalf("%d %s", got.status, got.body)
	}
	value := make([]byte, 100)
	n, err := syscall.Getxattr(s.home+"/f", "user.e2b.colour", value)
	if err == syscall.ENOTSUP {
		t.Skip("the file system has no user attributes")
	}
	if err != nil || string(value[:n]) != "light green" {
		t.Errorf("%q %v", value[:n], err)
	}
	s.check(syscall.Setxattr(s.home+"/f", "user.other", []byte("kept"), 0))
	s.post("f", "x", map[string]string{"X-Metadata-Size": "L"})
	if _, err := syscall.Getxattr(s.home+"/f", "user.e2b.colour", value); err != syscall.ENODATA {
		t.Errorf("an entry of the former upload: %v", err)
	}
	if n, err := syscall.Getxattr(s.home+"/f", "user.e2b.size", value); err != nil || string(value[:n]) != "L" {
		t.Errorf("%q %v", value[:n], err)
	}
	s.post("f", "x", nil)
	if _, err := syscall.Getxattr(s.home+"/f", "user.e2b.size", value); err != syscall.ENODATA {
		t.Errorf("without headers all are cleared: %v", err)
	}
	if n, err := syscall.Getxattr(s.home+"/f", "user.other", value); err != nil || string(value[:n]) != "kept" {
		t.Errorf("an attribute of others: %q %v", value[:n], err)
	}
}

func FuzzDisposition(f *testing.F) {
	for _, header := range []string{`form-data; name="file"; filename="a/b"`, `form-data; name=file`, `form-data; name="file"; filename*=UTF-8''%e2%82%ac`, `attachment`, `form-data; filename="%22%0D%0A"`, `;;;=`, ""} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		name, filename, named := parseDisposition(header)
		if filename != "" && !named || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(header)), "form-data") && (name != "" || named) {
			t.Fatalf("%q: %q %q %v", header, name, filename, named)
		}
	})
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"), "multipart/form-data; boundary=b", "")
	f.Add([]byte("content"), "application/octet-stream", "identity")
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), "application/octet-stream", "gzip")
	f.Add([]byte("--b\r\n\r\n--b--"), "multipart/form-data; boundary=\"b", "")
	f.Add([]byte{}, "multipart/form-data; boundary=", "deflate")
	root := f.TempDir()
	service := NewService(openSandbox{}, nil)
	f.Fuzz(func(t *testing.T, body []byte, contentType, coding string) {
		path := root + "/target"
		recorder := newRecorder()
		request := &http.Request{
			Method: "POST", URL: &url.URL{RawQuery: "path=" + url.QueryEscape(path)}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1,
			Header: http.Header{"Content-Type": {contentType}, "Content-Encoding": {coding}},
		}
		service.ServeFiles(recorder, request)
		if recorder.status != 200 && recorder.status != 400 {
			t.Fatalf("status %d: %s", recorder.status, recorder.body.String())
		}
		if recorder.status == 200 && contentType == "application/octet-stream" && coding == "" {
			if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, body) {
				t.Fatalf("%q was stored as %q: %v", body, text, err)
			}
		}
	})
}
