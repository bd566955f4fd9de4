package files

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"warren/guest-agent/internal/httpapi"
)

const (
	// memberHeader is how many bytes there are before the content of a member at most: its extended headers are read into memory.
	memberHeader = 2 << 20
	// archivePadding is how many bytes follow the end of an archive at most, which tar(1) fills up to a whole record.
	archivePadding = 1 << 20
)

// onlyTar refuses archives of other kinds.
func onlyTar(query url.Values) error {
	if kind := query.Get("archive"); kind != "tar" {
		return httpapi.Errorf(http.StatusBadRequest, "archive %q is not tar", kind)
	}
	return nil
}

// malformed is the error of an archive that is none, or that does not stay in its directory.
func malformed(format string, arguments ...any) error {
	return httpapi.Errorf(http.StatusUnsupportedMediaType, "the archive cannot be unpacked: "+format, arguments...)
}

// archiveSource is the body that an archive comes in.
type archiveSource struct {
	body *bufio.Reader
	// allowance is how many bytes may be read, while it counts.
	allowance int
	counts    bool
	// over is set when a read has met the end of the body.
	over bool
}

var errHeader = errors.New("a header is too long")

// Read implements io.Reader.
func (s *archiveSource) Read(p []byte) (int, error) {
	if s.counts && s.allowance == 0 {
		return 0, errHeader
	}
	if s.counts && len(p) > s.allowance {
		p = p[:s.allowance]
	}
	n, err := s.body.Read(p)
	s.allowance -= n
	s.over = s.over || n == 0 && err == io.EOF
	return n, err
}

// next reads the header of the next member, all of the last one having been read; io.EOF = the archive has ended, as archives do.
func (s *archiveSource) next(in *tar.Reader) (*tar.Header, error) {
	s.allowance, s.counts = memberHeader, true
	header, err := in.Next()
	s.counts = false
	switch {
	case err == io.EOF && s.over, errors.Is(err, io.ErrUnexpectedEOF):
		return nil, malformed("it breaks off")
	case err == nil, err == io.EOF:
		return header, err
	}
	return nil, malformed("%v", err)
}

// end reads what follows the end of an archive.
func (s *archiveSource) end() error {
	n, err := io.CopyN(io.Discard, s.body, archivePadding+1)
	switch {
	case err == nil:
		return malformed("it goes on after its end")
	case err != io.EOF:
		return malformed("%v, %d bytes after its end", err, n)
	}
	return nil
}

// content is that of a member. Its errors are those of the archive.
type content struct{ in *tar.Reader }

// Read implements io.Reader.
func (c content) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, malformed("it breaks off")
	}
	return n, malformed("%v", err)
}

// sparse tells whether holes of a member are not in the archive: what little there is of one could be a file without end.
func sparse(header *tar.Header) bool {
	if header.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// partsOf are the names on the way to a member, below the directory that is unpacked into.
func partsOf(name string) ([]string, error) {
	if len(name) > memberPath {
		return nil, httpapi.Errorf(http.StatusRequestEntityTooLarge, "the archive has a path of %d bytes", len(name))
	}
	if name == "" || name[0] == '/' || strings.IndexByte(name, 0) >= 0 {
		return nil, malformed("the path %q is none below a directory", name)
	}
	var parts []string
	for _, part := range strings.Split(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, malformed("the path %q leads out of it", name)
		default:
			parts = append(parts, part)
		}
	}
	return parts, nil
}
