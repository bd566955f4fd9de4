package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
)

func parse(t *testing.T, text string) *Object {
	t.Helper()
	object, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

func TestBothSpellingsOfAField(t *testing.T) {
	for _, text := range []string{`{"includeEntry":true,"x":1}`, `{"include_entry":true,"unknown":{"a":[]}}`} {
		if o := parse(t, text); !o.Bool("includeEntry", false) || o.Err() != nil {
			t.Errorf("%s: %v", text, o.Err())
		}
	}
	if o := parse(t, `{"INCLUDEENTRY":true}`); o.Has("includeEntry") {
		t.Error("names are case sensitive")
	}
}

func TestAbsenceAndNull(t *testing.T) {
	for _, text := range []string{``, ` `, `{}`, `null`, `{"a":null}`} {
		o := parse(t, text)
		data, present := o.Bytes("a")
		if o.Has("a") || o.String("a") != "" || !o.Bool("a", true) || o.Uint32("a") != 0 || data != nil || present || o.Strings("a") != nil ||
			o.StringMap("a") != nil || o.Object("a") != nil || o.Enum("a", nil) != 0 || o.Err() != nil {
			t.Errorf("%q: %v", text, o.Err())
		}
	}
	if data, present := parse(t, `{"a":""}`).Bytes("a"); len(data) != 0 || !present {
		t.Error("an empty string is a present value")
	}
}

func TestScalars(t *testing.T) {
	for text, want := range map[string]uint32{`7`: 7, `"7"`: 7, `4294967295`: 4294967295, `7.0`: 7, `1e3`: 1000} {
		if o := parse(t, `{"n":`+text+`}`); o.Uint32("n") != want || o.Err() != nil {
			t.Errorf("%s: %d %v", text, o.Uint32("n"), o.Err())
		}
	}
	for text, want := range map[string]uint64{`7`: 7, `"7"`: 7, `"18446744073709551615"`: 18446744073709551615, `18446744073709551615`: 18446744073709551615, `7.0`: 7, `"1e3"`: 1000} {
		if o := parse(t, `{"n":`+text+`}`); o.Uint64("n") != want || o.Err() != nil {
			t.Errorf("%s: %d %v", text, o.Uint64("n"), o.Err())
		}
	}
	for _, text := range []string{`-1`, `"-1"`, `18446744073709551616`, `1.5`, `"x"`, `""`, `true`, `[]`, `{}`, `1e99`, `"1`} {
		o, err := ParseObject([]byte(`{"n":` + text + `}`))
		if err == nil {
			o.Uint64("n")
			err = o.Err()
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Code != InvalidArgument {
			t.Errorf("%s: %v", text, err)
		}
	}
	values := map[string]int32{"SIGNAL_SIGKILL": 9}
	for text, want := range map[string]int32{`"SIGNAL_SIGKILL"`: 9, `9`: 9, `0`: 0, `-3`: -3} {
		if o := parse(t, `{"n":`+text+`}`); o.Enum("n", values) != want || o.Err() != nil {
			t.Errorf("%s: %d %v", text, o.Enum("n", values), o.Err())
		}
	}
	for _, text := range []string{`-1`, `4294967296`, `1.5`, `"x"`, `true`, `[]`, `1e99`, `"`} {
		o, err := ParseObject([]byte(`{"n":` + text + `}`))
		if err == nil {
			o.Uint32("n")
			err = o.Err()
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Code != InvalidArgument {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	o := parse(t, `{"process":{"args":"not a list"}}`)
	o.Object("process").Strings("args")
	if err := o.Err(); err == nil || err.Error() != "invalid_argument: process.args: expected a list of strings" {
		t.Error(err)
	}
	for text, read := range map[string]func(*Object){
		`{"a":1}`:          func(o *Object) { o.String("a") },
		`{"a":"yes"}`:      func(o *Object) { o.Bool("a", false) },
		`{"a":"***"}`:      func(o *Object) { o.Bytes("a") },
		`{"a":[]}`:         func(o *Object) { o.Object("a") },
		`{"a":{"b":1}}`:    func(o *Object) { o.StringMap("a") },
		`{"a":"NO_VALUE"}`: func(o *Object) { o.Enum("a", nil) },
	} {
		o := parse(t, text)
		read(o)
		if o.Err() == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func TestBase64InEveryForm(t *testing.T) {
	for _, text := range []string{"+/8=", "-_8=", "+/8", "-_8"} {
		if data, err := DecodeBase64(text); err != nil || !bytes.Equal(data, []byte{0xfb, 0xff}) {
			t.Errorf("%s: %x %v", text, data, err)
		}
	}
	for _, text := range []string{"*", "a", "+_8="} {
		if _, err := DecodeBase64(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func FuzzDecodeBase64(f *testing.F) {
	f.Add([]byte("\xfb\xff"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			if decoded, err := DecodeBase64(encoding.EncodeToString(data)); err != nil || !bytes.Equal(decoded, data) {
				t.Fatalf("%x became %x: %v", data, decoded, err)
			}
		}
		// Whatever else comes is decoded or refused.
		_, _ = DecodeBase64(string(data))
	})
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `"`, `{"process":{"cmd":"/bin/bash","args":["-l"],"envs":{"A":"b"},"cwd":null},"pty":{"size":{"cols":80,"rows":"24"}},"stdin":false}`,
		`{"process":{"pid":1e9},"signal":"SIGNAL_SIGKILL"}`, `{"input":{"stdin":"AAEC"}}`, `{"process":{"pid":"\"`, `{"a":{"a":{"a":1}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		object, err := ParseObject(data)
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) || typed.Code != InvalidArgument {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		for _, name := range []string{"process", "pid", "input", "stdin", "a", "includeEntry"} {
			for _, o := range []*Object{object, object.Object(name)} {
				if o == nil {
					continue
				}
				o.String(name)
				o.Bool(name, true)
				o.Uint32(name)
				o.Enum(name, map[string]int32{"X": 1})
				o.Bytes(name)
				o.Strings(name)
				o.StringMap(name)
			}
		}
		if err := object.Err(); err != nil {
			if _, marshalErr := json.Marshal(errorOf(err)); marshalErr != nil {
				t.Fatal(marshalErr)
			}
		}
	})
}
