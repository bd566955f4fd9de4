package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/rights"
)

const (
	// bufferSize is that of copies between sockets and files, in bytes.
	bufferSize = 256 << 10
	// smallFile is the largest size of a file that is read before it is served, in bytes.
	smallFile = 64 << 10
	// sniffed is how many bytes the type of a file is recognized by.
	sniffed = 512
	// modeHeader has the permission bits of a file in octal, modifiedHeader the time of its last change by RFC 3339.
	modeHeader, modifiedHeader = "X-File-Mode", "X-File-Modified-At"
)

var buffers = sync.Pool{New: func() any { buffer := make([]byte, bufferSize); return &buffer }}

// conditionalHeaders make a request one that is served as identity, besides Range.
var conditionalHeaders = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"}

// download serves GET and HEAD of /files. An error is returned only while nothing has been written.
func (s *Service) download(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	user, path, err := s.asked(query)
	if err != nil {
		return err
	}
	coding, ok := negotiate(r.Header.Get("Accept-Encoding"))
	special := r.Header.Get("Range") != ""
	for _, name := range conditionalHeaders {
		special = special || r.Header.Get(name) != ""
	}
	if special && ok {
		coding, ok = "identity", !identityRefused(r.Header.Get("Accept-Encoding"))
	}
	if !ok {
		return httpapi.Errorf(http.StatusNotAcceptable, "none of the accepted codings is supported: gzip, identity")
	}
	var file *os.File
	var info os.FileInfo
	if err := rights.As(user, func() (err error) { file, info, err = openSource(path); return }); err != nil {
		return err
	}
	defer file.Close()
	header := w.Header()
	header.Set(modeHeader, fmt.Sprintf("%04o", info.Sys().(*syscall.Stat_t).Mode&permissionBits))
	header.Set(modifiedHeader, info.ModTime().UTC().Format(time.RFC3339Nano))
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Disposition", disposition(filepath.Base(path)))
	if coding == "gzip" {
		return serveCompressed(w, r, file, info)
	}
	if info.Size() > smallFile {
		http.ServeContent(w, r, info.Name(), info.ModTime(), file)
		return nil
	}
	return serveSmall(w, r, file, info)
}

// disposition is a Content-Disposition header with a file name, encoded where needed (RFC 6266).
func disposition(name string) string {
	if value := mime.FormatMediaType("inline", map[string]string{"filename": name}); value != "" {
		return value
	}
	return "inline"
}

// contentType is that of a file by its extension, or by its first bytes.
func contentType(name string, head []byte) string {
	if kind := mime.TypeByExtension(filepath.Ext(name)); kind != "" {
		return kind
	}
	return http.DetectContentType(head)
}

// readHead reads the beginning of a file, up to size bytes.
func readHead(file *os.File, size int) ([]byte, error) {
	head := make([]byte, size)
	n, err := fill(present{file}, head)
	return head[:n], endOfFile(err)
}

// serveSmall serves a file that claims to be small. Sizes of files in /proc and /sys say nothing, so it is read first; what turns
// out to be larger is sent until its end, without a length.
func serveSmall(w http.ResponseWriter, r *http.Request, file *os.File, info os.FileInfo) error {
	head, err := readHead(file, smallFile+1)
	if err != nil {
		return pathError(file.Name(), err)
	}
	if len(head) <= smallFile {
		http.ServeContent(w, r, info.Name(), info.ModTime(), bytes.NewReader(head))
		return nil
	}
	header := w.Header()
	header.Set("Content-Type", contentType(file.Name(), head))
	header.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(head); err == nil {
		copyBody(w, file)
	}
	return nil
}

var compressors = sync.Pool{New: func() any {
	// The level is valid.
	compressor, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return compressor
}}

// serveCompressed serves a file in gzip coding.
func serveCompressed(w http.ResponseWriter, r *http.Request, file *os.File, info os.FileInfo) error {
	head, err := readHead(file, sniffed)
	if err != nil {
		return pathError(file.Name(), err)
	}
	header := w.Header()
	header.Set("Content-Type", contentType(file.Name(), head))
	header.Set("Content-Encoding", "gzip")
	header.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	compressor := compressors.Get().(*gzip.Writer)
	defer compressors.Put(compressor)
	compressor.Reset(w)
	if _, err := compressor.Write(head); err != nil {
		return nil
	}
	copyBody(compressor, file)
	// A write error means that the client has gone.
	_ = compressor.Close()
	return nil
}

// copyBody copies the rest of a file into an answer. A failure after the headers can only be shown by breaking the connection.
func copyBody(w io.Writer, file *os.File) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, present{file}, *buffer); err != nil {
		panic(http.ErrAbortHandler)
	}
}
