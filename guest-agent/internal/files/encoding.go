package files

import (
	"strconv"
	"strings"
)

// negotiate picks the coding of an answer from an Accept-Encoding header: the acceptable one of gzip and identity with the
// highest quality, the earlier one at a tie; "*" stands for identity. Identity needs no mention unless it is refused (RFC 9110,
// section 12.5.3). ok is false when nothing is acceptable.
func negotiate(header string) (coding string, ok bool) {
	best, refused := 0.0, identityRefused(header)
	for _, item := range strings.Split(header, ",") {
		name, quality := parseCoding(item)
		if name == "*" {
			name = "identity"
		}
		if name == "identity" && refused || name != "identity" && name != "gzip" {
			continue
		}
		if quality > best {
			coding, best = name, quality
		}
	}
	if coding == "" && !refused {
		coding = "identity"
	}
	return coding, coding != ""
}

// identityRefused tells whether a header rules out the identity coding, by name or by "*".
func identityRefused(header string) bool {
	named, refused := false, false
	for _, item := range strings.Split(header, ",") {
		name, quality := parseCoding(item)
		switch {
		case name == "identity":
			named, refused = true, quality == 0
		case name == "*" && !named:
			refused = quality == 0
		}
	}
	return refused
}

// parseCoding reads one element of Accept-Encoding. A quality that cannot be read counts as 0.
func parseCoding(item string) (name string, quality float64) {
	name, parameters, found := strings.Cut(item, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if !found {
		return name, 1
	}
	key, value, _ := strings.Cut(strings.TrimSpace(parameters), "=")
	if !strings.EqualFold(strings.TrimSpace(key), "q") {
		return name, 1
	}
	quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(quality >= 0 && quality <= 1) {
		return name, 0
	}
	return name, quality
}
