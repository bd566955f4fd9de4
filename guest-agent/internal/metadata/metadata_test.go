package metadata

import (
	"net/http"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	header := http.Header{}
	header.Add("x-metadata-COLOUR", "green")
	header.Add("X-Metadata-Colour", "second values do not count")
	header.Add("X-Metadata-Empty", "")
	header.Add("X-Other", "no")
	got, err := Parse(header)
	if want := map[string]string{"colour": "green", "empty": ""}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for name, value := range map[string]string{
		"X-Metadata-":                            "v",
		"X-Metadata-A":                           "tab\t",
		"X-Metadata-B":                           "ünï",
		"X-Metadata-Ü":                           "v",
		"X-Metadata-" + strings.Repeat("k", 247): "v",
		"X-Metadata-C":                           strings.Repeat("v", 4096-9),
	} {
		if got, err := Parse(http.Header{name: {value}}); err == nil {
			t.Errorf("%.40s: %v", name, got)
		}
	}
	for name, value := range map[string]string{"X-Metadata-" + strings.Repeat("k", 246): "v", "X-Metadata-C": strings.Repeat("v", 4096-10)} {
		if _, err := Parse(http.Header{name: {value}}); err != nil {
			t.Errorf("%.40s: %v", name, err)
		}
	}
}

func TestReplaceAndRead(t *testing.T) {
	path := t.TempDir() + "/file"
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Setxattr(path, "user.e2b.raw", []byte("\xff\xfe"), 0); err != nil {
		t.Skipf("no user attributes: %v", err)
	}
	if err := syscall.Setxattr(path, "user.foreign", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if got := Read(path); got != nil {
		t.Errorf("not UTF-8: %v", got)
	}
	for _, want := range []map[string]string{{"a": "1", "b": ""}, {"b": "2"}, {strings.Repeat("k", 246): strings.Repeat("v", 3000)}, nil} {
		if err := Replace(file, want); err != nil {
			t.Fatal(err)
		}
		if got := Read(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if got := Read(path + "/missing"); got != nil {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("X-Metadata-Key", "value")
	f.Add("X-Metadata-", "")
	f.Add("X-Metadata-\xff", "\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		entries, err := Parse(http.Header{name: {value}})
		if err != nil {
			return
		}
		for key, value := range entries {
			if key == "" || key != strings.ToLower(key) || len(key) > maxKey || len(key)+len(value) > maxTotal || !printable(key+value) {
				t.Fatalf("%q: %q", key, value)
			}
		}
	})
}
