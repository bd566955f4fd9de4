// Package rightstest prepares directories of tests for other users.
package rightstest

import (
	"os"
	"path/filepath"
	"testing"
)

// Open lets every user reach a directory of a test, which testing keeps to its own.
func Open(t *testing.T, directory string) {
	t.Helper()
	for ; directory != "/" && directory != filepath.Clean(os.TempDir()); directory = filepath.Dir(directory) {
		if err := os.Chmod(directory, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
