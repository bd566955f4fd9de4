package process

import (
	"encoding/base64"
	"math/rand"
	"testing"
)

func TestBase64IsThatOfTheStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for size := 0; size < 200; size++ {
		data := make([]byte, size)
		random.Read(data)
		encoded := make([]byte, base64.StdEncoding.EncodedLen(size))
		encodeBase64(encoded, data)
		if want := base64.StdEncoding.EncodeToString(data); string(encoded) != want {
			t.Fatalf("%x: %s, not %s", data, encoded, want)
		}
	}
}
