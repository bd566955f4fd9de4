// Package textfile replaces small text files of the system.
package textfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// mode is that of files that are made.
const mode = 0o644

// Replace gives a file another text and makes it where it is missing, with its directories. Readers see the old text or the new
// one. A text of the same length is written in place: it takes no space of a full disk, and less work than a new file, of which
// there would be much at each thaw.
func Replace(path, text string) error {
	current, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	case err != nil || string(current) == text:
		return err
	case len(current) == len(text):
		return overwrite(path, text)
	}
	replacement := path + ".new"
	err = os.WriteFile(replacement, []byte(text), mode)
	if err == nil {
		err = os.Rename(replacement, path)
	}
	if err != nil {
		_ = os.Remove(replacement)
	}
	if errors.Is(err, syscall.EBUSY) {
		// Something is mounted on the file.
		return os.WriteFile(path, []byte(text), mode)
	}
	return err
}

// overwrite writes all of a file in one call.
func overwrite(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
