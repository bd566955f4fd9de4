package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate in PEM form.
func certificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func trusted(t *testing.T, bundle string) []string {
	t.Helper()
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return names
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, parsed.Subject.CommonName)
	}
}

func TestCertificatesInAnImageWithoutTools(t *testing.T) {
	root := t.TempDir()
	bundle := filepath.Join(root, bundleFile)
	if err := os.MkdirAll(filepath.Dir(bundle), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle, []byte(certificate(t, "system")), 0o644); err != nil {
		t.Fatal(err)
	}
	one, two := certificate(t, "one"), certificate(t, "two")
	never := func(context.Context, []string) error { t.Error("a program was run"); return nil }
	for _, step := range []struct{ bundle, want string }{
		{one, "system one"},
		{one + "\n" + two, "system one two"},
		{two, "system two"},
		{two, "system two"},
	} {
		if err := installCertificates(context.Background(), root, step.bundle, never); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(trusted(t, bundle), " "); got != step.want {
			t.Errorf("trusted %s, want %s", got, step.want)
		}
	}
}

func TestCertificatesAreInstalledByTheTools(t *testing.T) {
	root := t.TempDir()
	program := filepath.Join(root, updateProgram)
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	runs := 0
	run := func(_ context.Context, argv []string) error {
		runs++
		if len(argv) != 1 || argv[0] != "/usr/sbin/update-ca-certificates" {
			t.Errorf("%q", argv)
		}
		return nil
	}
	one, two := certificate(t, "one"), certificate(t, "two")
	for _, step := range []struct {
		bundle      string
		runs, files int
	}{{one + two, 1, 2}, {two + one, 1, 2}, {two, 2, 1}} {
		if err := installCertificates(context.Background(), root, step.bundle, run); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(root, localCertificates, "*.crt"))
		if err != nil || len(files) != step.files || runs != step.runs {
			t.Errorf("%d runs, files %v %v", runs, files, err)
		}
	}
	failure := errors.New("broken")
	for i := 0; i < 2; i++ {
		if err := installCertificates(context.Background(), root, one, func(context.Context, []string) error { return failure }); !errors.Is(err, failure) {
			t.Error(err)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, bundle string) {
		certificates, err := splitCertificates(bundle)
		if (err == nil) != (len(certificates) > 0) {
			t.Fatalf("%q: %d %v", bundle, len(certificates), err)
		}
	})
}
