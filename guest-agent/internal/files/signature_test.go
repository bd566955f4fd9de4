package files

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSignatureVectors(t *testing.T) {
	for _, test := range []struct{ path, operation, username, expiration, want string }{
		{"/home/user/report 1.txt", "read", "", "", "v1_W4QB7EtL2/s/kIwx1rNL7uqj4ZTiRIE8mNhJVVNnTiA"},
		{"/home/user/report 1.txt", "write", "root", "1735689600", "v1_CgDDic4wmX31KN4SbpF/aw1I64/rknspjLh3y6mZR1E"},
		{"notes.txt", "write", "user", "", "v1_GDyR4YO49NlcpsQybaav88ZDXWfXIhdlDjSneBRAJCo"},
	} {
		if got := sign(test.path, test.operation, test.username, token, test.expiration); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestAuthorization(t *testing.T) {
	s := newSandbox(t)
	s.give(s.home+"/f", "secret")
	if got := s.get("f", nil); got.status != 200 {
		t.Errorf("without a token set: %d", got.status)
	}
	s.token = token
	signed := func(path, operation, username, expiration string) url.Values {
		query := url.Values{"path": {path}, "signature": {sign(path, operation, username, token, expiration)}}
		if username != "" {
			query.Set("username", username)
		}
		if expiration != "" {
			query.Set("signature_expiration", expiration)
		}
		return query
	}
	changed := func(query url.Values, name, value string) url.Values {
		query.Set(name, value)
		return query
	}
	for _, test := range []struct {
		name    string
		method  string
		query   url.Values
		header  string
		message string
	}{
		{"token", "GET", url.Values{"path": {"f"}}, token, ""},
		{"wrong token", "GET", url.Values{"path": {"f"}}, "wrong", "the access token is wrong"},
		{"wrong token beside a signature", "GET", signed("f", "read", "", ""), "wrong", "the access token is wrong"},
		{"nothing", "GET", url.Values{"path": {"f"}}, "", "missing signature query parameter"},
		{"signature", "GET", signed("f", "read", "", ""), "", ""},
		{"signature of a user", "GET", signed("f", "read", "ann", ""), "", ""},
		{"signature until now", "GET", signed("f", "read", "", "1735689600"), "", ""},
		{"signature expired", "GET", signed("f", "read", "", "1735689599"), "", "signature is already expired"},
		{"expired and changed", "GET", changed(signed("f", "read", "", "1735689599"), "path", "g"), "", "invalid signature"},
		{"expiration changed", "GET", changed(signed("f", "read", "", "1735689599"), "signature_expiration", "1735689999"), "", "invalid signature"},
		{"expiration no number", "GET", signed("f", "read", "", "soon"), "", "invalid signature expiration"},
		{"path not as signed", "GET", changed(signed("f", "read", "", ""), "path", "./f"), "", "invalid signature"},
		{"signed for writing", "GET", signed("f", "write", "", ""), "", "invalid signature"},
		{"signed for reading", "POST", signed("f", "read", "", ""), "", "invalid signature"},
		{"write", "POST", signed("f", "write", "", ""), "", ""},
		{"no signature at all", "POST", changed(signed("f", "write", "", ""), "signature", ""), "", "missing signature query parameter"},
	} {
		header := map[string]string{"Content-Type": "application/octet-stream"}
		if test.header != "" {
			header["X-Access-Token"] = test.header
		}
		got := s.do(test.method, "/files", test.query, header, strings.NewReader("secret"))
		if test.message != "" {
			got.wantError(t, test.name, http.StatusUnauthorized, test.message)
		} else if got.status != 200 {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
	}
	if s.read(s.home+"/f") != "secret" {
		t.Error("the file was changed")
	}
	query := url.Values{"signature": {sign("", "write", "", token, "")}}
	body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"by-form\"\r\n\r\nx\r\n--b--\r\n"
	if got := s.do("POST", "/files", query, map[string]string{"Content-Type": "multipart/form-data; boundary=b"}, strings.NewReader(body)); got.status != 200 {
		t.Errorf("an upload signed without a path: %d %s", got.status, got.body)
	}
}
