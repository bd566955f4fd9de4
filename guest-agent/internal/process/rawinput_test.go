package process

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBodyOfARequestIsTheInput(t *testing.T) {
	s := newSandbox(t)
	server := httptest.NewServer(http.HandlerFunc(s.manager.ServeInput))
	defer server.Close()
	post := func(pid any, body []byte) int {
		t.Helper()
		response, err := http.Post(fmt.Sprintf("%s/input?pid=%v", server.URL, pid), "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	a := s.start(s.Client, object{"process": object{"cmd": "wc", "args": []string{"-c"}}})
	large := bytes.Repeat([]byte("y"), 3<<20+1)
	for i := 0; i < 2; i++ {
		if status := post(a.pid, large); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
	}
	s.Must("/process.Process/CloseStdin", object{"process": object{"pid": a.pid}}, nil)
	if a.wantExit(0); strings.TrimSpace(string(a.stdout)) != fmt.Sprint(2*len(large)) {
		t.Errorf("%q arrived", a.stdout)
	}
	deaf := s.start(s.Client, shell("exec sleep 1000"))
	for pid, status := range map[any]int{a.pid: http.StatusGone, deaf.pid: http.StatusGone, "x": http.StatusBadRequest} {
		if got := post(pid, []byte("z")); got != status {
			t.Errorf("%v: status %d", pid, got)
		}
	}
	s.kill(deaf.pid, "SIGNAL_SIGKILL")
	deaf.wantSignal("signal: killed")
}
