// Package textfile reads and replaces small text files of the system, which belong to the guest.
package textfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// mode is that of files that are made.
const mode = 0o644

// Replace gives a file another text and makes it where it is missing, with its directories. Readers see the old text or the new
// one. A text of the same length is written in place: it takes no space of a full disk, and less work than a new file, of which
// there would be much at each thaw. What is no regular file stays as it is, and so does one that Read does not read.
func Replace(path, text string) error {
	current, err := Read(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	case err != nil || current == text:
		return err
	case len(current) == len(text):
		return overwrite(path, text, 0)
	}
	replacement := path + ".new"
	err = create(replacement, text)
	if err == nil {
		err = os.Rename(replacement, path)
	}
	if err != nil {
		_ = os.Remove(replacement)
	}
	if errors.Is(err, syscall.EBUSY) {
		// Something is mounted on the file.
		return overwrite(path, text, syscall.O_TRUNC)
	}
	return err
}

// create makes a file, in place of whatever is left there.
func create(path, text string) error {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	file, err := os.OpenFile(path, flags, mode)
	if errors.Is(err, os.ErrExist) {
		if err := os.Remove(path); err != nil {
			return err
		}
		file, err = os.OpenFile(path, flags, mode)
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// overwrite writes all of a file in one call.
func overwrite(path, text string, flags int) error {
	descriptor, err := open(path, syscall.O_WRONLY|flags)
	if err != nil {
		return err
	}
	defer syscall.Close(descriptor)
	n, err := syscall.Write(descriptor, []byte(text))
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
