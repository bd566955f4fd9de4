package files

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"unsafe"
)

// resident counts the pages of a file's beginning that are in the page cache.
func resident(t *testing.T, path string, size int) (count int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	mapped, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(mapped) }()
	pages := make([]byte, size/os.Getpagesize())
	if _, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, page := range pages {
		count += int(page & 1)
	}
	return count
}

func TestPiecesGoPastThePageCache(t *testing.T) {
	// A file system of memory has nothing but the page cache, whether it takes O_DIRECT (Linux 6.6) or not.
	const memory = "/dev/shm"
	for _, directory := range []string{t.TempDir(), memory} {
		for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 777, 4 * pieceSize} {
			file, err := os.CreateTemp(directory, "pieces-*")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(file.Name()) })
			content := make([]byte, size)
			rand.New(rand.NewSource(int64(size))).Read(content)
			if err := copyUpload(file, iotest.HalfReader(bytes.NewReader(content))); err != nil {
				t.Fatal(err)
			}
			possible, err := setDirect(file, true)
			if err != nil || file.Close() != nil {
				t.Fatal(err)
			}
			if whole := size / pieceSize * pieceSize; possible && whole > 0 && directory != memory {
				if pages := resident(t, file.Name(), whole); pages > 0 {
					t.Errorf("%s: %d pages of %d bytes are in the page cache", directory, pages, size)
				}
			}
			if got, err := os.ReadFile(file.Name()); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes of %d differ: %v", directory, len(got), size, err)
			}
		}
	}
}

func TestBodyThatFailsBetweenPieces(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gone := errors.New("the client has gone")
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 2*pieceSize)), iotest.ErrReader(gone))
	if err := copyUpload(file, body); err == nil || !strings.Contains(err.Error(), gone.Error()) {
		t.Errorf("the error is lost: %v", err)
	}
}
