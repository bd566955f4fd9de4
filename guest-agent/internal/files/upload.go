package files

import (
	"bufio"
	"compress/gzip"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/metadata"
	"warren/guest-agent/internal/rights"
	"warren/guest-agent/internal/users"
)

// written is one file in the answer of an upload.
type written struct {
	Name     string            `json:"name"`
	Path     string            `json:"path"`
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// upload serves POST of /files.
func (s *Service) upload(w http.ResponseWriter, r *http.Request) error {
	user, err := s.user(r.URL.Query().Get("username"))
	if err != nil {
		return err
	}
	attached, err := metadata.Parse(r.Header)
	if err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "%v", err)
	}
	wanted, err := parseAttributes(r.URL.Query())
	if err != nil {
		return err
	}
	defer readInBulk(r)()
	body, err := decodeBody(r)
	if err != nil {
		return err
	}
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "content type %q is not valid", r.Header.Get("Content-Type"))
	}
	job := &uploadJob{service: s, user: user, metadata: attached, attributes: wanted, path: r.URL.Query().Get("path"), size: r.ContentLength, seen: map[string]bool{}, answer: []written{}}
	if body != r.Body {
		job.size = -1
	}
	switch {
	case mediaType == "application/octet-stream":
		if job.path == "" {
			return httpapi.Errorf(http.StatusBadRequest, "the query parameter path is required")
		}
		err = job.write(job.path, r.URL.Query().Get("name"), body)
	case mediaType == "multipart/form-data" && parameters["boundary"] != "":
		job.size = -1
		err = job.writeParts(multipart.NewReader(bufio.NewReaderSize(body, bufferSize), parameters["boundary"]))
	default:
		err = httpapi.Errorf(http.StatusBadRequest, "content type %q is not supported: use multipart/form-data or application/octet-stream", mediaType)
	}
	if err != nil {
		return err
	}
	httpapi.WriteJSON(w, http.StatusOK, job.answer)
	return nil
}

// decodeBody undoes the content coding of a request.
func decodeBody(r *http.Request) (io.Reader, error) {
	switch coding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, httpapi.Errorf(http.StatusBadRequest, "the body is not valid gzip: %v", err)
		}
		return body, nil
	default:
		return nil, httpapi.Errorf(http.StatusBadRequest, "content encoding %q is not supported: use gzip", coding)
	}
}

// uploadJob is one upload request.
type uploadJob struct {
	service  *Service
	user     users.User
	metadata map[string]string
	attributes
	// path is the query parameter.
	path string
	// size is the number of bytes to come; -1 = unknown.
	size   int64
	seen   map[string]bool
	answer []written
}

// writeParts writes the parts named "file" in the order of the form.
func (j *uploadJob) writeParts(form *multipart.Reader) error {
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return httpapi.Errorf(http.StatusBadRequest, "the form is not valid: %v", err)
		}
		name, filename, named := parseDisposition(part.Header.Get("Content-Disposition"))
		if name != "file" {
			continue
		}
		path := j.path
		if path == "" {
			if !named || filename == "" {
				return httpapi.Errorf(http.StatusBadRequest, "a file needs the query parameter path or a file name")
			}
			path = filename
		}
		if err := j.write(path, filepath.Base(filename), part); err != nil {
			return err
		}
	}
}

// escapes are those that form encoders use inside quoted parameters (HTML standard, multipart/form-data encoding).
var escapes = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n")

// parseDisposition reads name and filename of a form part. The file name keeps its directories.
func parseDisposition(header string) (name, filename string, named bool) {
	kind, parameters, err := mime.ParseMediaType(header)
	if err != nil || kind != "form-data" {
		return "", "", false
	}
	filename, named = parameters["filename"]
	return escapes.Replace(parameters["name"]), escapes.Replace(filename), named
}

// write writes one file; name is the one that it gets in a directory.
func (j *uploadJob) write(path, name string, body io.Reader) error {
	resolved, err := j.service.resolve(path, j.user)
	if err == nil {
		err = rights.As(j.user, func() (err error) { resolved, err = into(path, resolved, name); return })
	}
	if err != nil {
		return err
	}
	if j.seen[resolved] {
		return httpapi.Errorf(http.StatusBadRequest, "path '%s' appears more than once in the request", resolved)
	}
	j.seen[resolved] = true
	if err := j.store(resolved, body); err != nil {
		return err
	}
	j.answer = append(j.answer, written{Name: filepath.Base(resolved), Path: resolved, Type: "file", Metadata: j.metadata})
	return nil
}

// store writes a body to a file. Unless all of it arrives and fits, nothing changes.
func (j *uploadJob) store(path string, body io.Reader) error {
	t, err := j.service.openTarget(path, j.user, j.attributes, j.metadata)
	if err != nil {
		return err
	}
	defer t.close()
	if err := checkSpace(t.content.file, j.size); err != nil {
		return j.fail(t, err)
	}
	if err := copyUpload(t.content.file, body); err != nil {
		return j.fail(t, err)
	}
	if err := rights.As(j.user, t.finish); err != nil {
		return j.fail(t, err)
	}
	return nil
}

// fail takes back what was made for an upload that failed.
func (j *uploadJob) fail(t *target, err error) error {
	_ = rights.As(j.user, func() error { t.abandon(); return nil })
	return pathError(t.path, err)
}

// openTarget opens a target with the rights of a user.
func (s *Service) openTarget(path string, user users.User, wanted attributes, attached map[string]string) (t *target, err error) {
	err = rights.As(user, func() (err error) {
		t, err = openTarget(path, user, wanted, attached)
		return pathError(path, err)
	})
	if err != nil || t.content != nil {
		return t, err
	}
	if t.content, err = anySpool(path); err != nil {
		t.close()
	}
	return t, pathError(path, err)
}

// readInBulk has the body of a request be read in large pieces, when its size is known, until what it returns is called.
func readInBulk(r *http.Request) (over func()) {
	connection := httpapi.ConnectionOf(r.Context())
	if connection == nil || r.ContentLength <= 0 {
		return func() {}
	}
	r.Body = io.NopCloser(&bulkReader{body: r.Body, connection: connection, rest: r.ContentLength})
	// Fails only when the connection has gone.
	return func() { _ = connection.Expect(1) }
}

// bulkReader reads a body of known size in large pieces.
type bulkReader struct {
	body       io.Reader
	connection *httpapi.Connection
	// rest is the number of bytes to come.
	rest int64
}

// Read implements io.Reader. Whatever the HTTP server holds in its own buffer it gives without looking at the socket, so at a
// read from the socket all the rest is still to come from there.
func (b *bulkReader) Read(p []byte) (int, error) {
	expected := int64(len(p))
	if expected > b.rest {
		expected = b.rest
	}
	if err := b.connection.Expect(int(expected)); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	b.rest -= int64(n)
	if b.rest <= 0 || err != nil {
		// The next request is read as it comes.
		if resetErr := b.connection.Expect(1); err == nil {
			err = resetErr
		}
	}
	return n, err
}

// fill reads until the buffer is full or the body fails. Other than io.ReadFull it returns the body's own error.
func fill(body io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = body.Read(buffer[n:])
		n += more
	}
	return n, err
}

// checkSpace refuses what cannot fit before it is received.
func checkSpace(file *os.File, size int64) error {
	var system syscall.Statfs_t
	if size <= 0 {
		return nil
	}
	if err := syscall.Fstatfs(int(file.Fd()), &system); err != nil {
		return err
	}
	if available := int64(system.Bfree) * int64(system.Bsize); system.Blocks > 0 && size > available {
		return syscall.ENOSPC
	}
	return nil
}

// endOfFile is nil for the end of what is read.
func endOfFile(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
