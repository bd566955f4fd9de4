package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Object reads the fields of a JSON request message by the protobuf JSON mapping. Names are given in lowerCamelCase; the
// snake_case spelling is accepted too, and null counts as absent. The first field of a wrong type is kept as the error of the
// whole message, and every getter returns the default value from then on for fields it cannot read.
type Object struct {
	fields map[string]json.RawMessage
	path   string
	err    *error
}

// ParseObject parses a message. An empty body is an empty message.
func ParseObject(data []byte) (*Object, error) {
	object := &Object{err: new(error)}
	if len(bytes.TrimSpace(data)) == 0 {
		return object, nil
	}
	if err := json.Unmarshal(data, &object.fields); err != nil {
		return nil, Errorf(InvalidArgument, "the message is not a JSON object: %v", err)
	}
	return object, nil
}

// Err is the first error met by a getter of this message or of one inside it.
func (o *Object) Err() error { return *o.err }

// Has tells whether a field is present and not null.
func (o *Object) Has(name string) bool {
	_, ok := o.raw(name)
	return ok
}

func (o *Object) raw(name string) (json.RawMessage, bool) {
	value, ok := o.fields[name]
	if !ok {
		value, ok = o.fields[snakeCase(name)]
	}
	if !ok || bytes.Equal(value, []byte("null")) {
		return nil, false
	}
	return value, true
}

func (o *Object) fail(name, expected string) {
	if *o.err == nil {
		*o.err = Errorf(InvalidArgument, "%s%s: expected %s", o.path, name, expected)
	}
}

// String reads a string; absent is "".
func (o *Object) String(name string) string {
	var value string
	if raw, ok := o.raw(name); ok && json.Unmarshal(raw, &value) != nil {
		o.fail(name, "a string")
	}
	return value
}

// Bool reads a boolean; absent is absent.
func (o *Object) Bool(name string, absent bool) bool {
	value := absent
	if raw, ok := o.raw(name); ok && json.Unmarshal(raw, &value) != nil {
		o.fail(name, "true or false")
	}
	return value
}

// Uint32 reads an unsigned integer, written as a number or as a string; absent is 0.
func (o *Object) Uint32(name string) uint32 {
	raw, ok := o.raw(name)
	if !ok {
		return 0
	}
	value, ok := parseInteger(raw)
	if !ok || value < 0 || value > math.MaxUint32 {
		o.fail(name, "an integer from 0 to 4294967295")
		return 0
	}
	return uint32(value)
}

// Uint64 reads an unsigned integer, written as a number or as a string; absent is 0.
func (o *Object) Uint64(name string) uint64 {
	raw, ok := o.raw(name)
	if !ok {
		return 0
	}
	if value, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 10, 64); err == nil {
		return value
	}
	value, ok := parseInteger(raw)
	if !ok || value < 0 {
		o.fail(name, "an integer from 0 to 18446744073709551615")
		return 0
	}
	return uint64(value)
}

// Enum reads an enum value by name or number; absent and names that are not known are 0.
func (o *Object) Enum(name string, values map[string]int32) int32 {
	raw, ok := o.raw(name)
	if !ok {
		return 0
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		value, known := values[text]
		if !known {
			o.fail(name, "the name or number of an enum value")
		}
		return value
	}
	value, ok := parseInteger(raw)
	if !ok || value < math.MinInt32 || value > math.MaxInt32 {
		o.fail(name, "the name or number of an enum value")
		return 0
	}
	return int32(value)
}

// Bytes reads base64, standard or URL-safe, padded or not. The boolean tells presence: an empty string is a present value.
func (o *Object) Bytes(name string) ([]byte, bool) {
	raw, ok := o.raw(name)
	if !ok {
		return nil, false
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		o.fail(name, "a base64 string")
		return nil, true
	}
	value, err := DecodeBase64(text)
	if err != nil {
		o.fail(name, "a base64 string")
	}
	return value, true
}

// Strings reads a list of strings; absent is nil.
func (o *Object) Strings(name string) []string {
	raw, ok := o.raw(name)
	if !ok {
		return nil
	}
	var value []string
	if json.Unmarshal(raw, &value) != nil {
		o.fail(name, "a list of strings")
		return nil
	}
	return value
}

// StringMap reads a map from strings to strings; absent is nil.
func (o *Object) StringMap(name string) map[string]string {
	raw, ok := o.raw(name)
	if !ok {
		return nil
	}
	var value map[string]string
	if json.Unmarshal(raw, &value) != nil {
		o.fail(name, "a map from strings to strings")
		return nil
	}
	return value
}

// Object reads a message; absent is nil. Every getter works on the nil result of an absent message only through Has.
func (o *Object) Object(name string) *Object {
	raw, ok := o.raw(name)
	if !ok {
		return nil
	}
	inner := &Object{path: o.path + name + ".", err: o.err}
	if json.Unmarshal(raw, &inner.fields) != nil {
		o.fail(name, "an object")
		inner.fields = nil
	}
	return inner
}

// DecodeBase64 decodes base64 in either alphabet, with or without padding.
func DecodeBase64(text string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	return encoding.DecodeString(strings.TrimRight(text, "="))
}

// parseInteger reads an integral JSON number, also in exponent or fraction form and also inside a string.
func parseInteger(raw json.RawMessage) (int64, bool) {
	text := string(raw)
	if len(text) >= 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	if value, err := strconv.ParseInt(text, 10, 64); err == nil {
		return value, true
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value != math.Trunc(value) || math.Abs(value) > 1<<53 {
		return 0, false
	}
	return int64(value), true
}

// snakeCase turns lowerCamelCase into snake_case.
func snakeCase(name string) string {
	var out strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			out.WriteByte('_')
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}
