package process

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// read takes what a subscription brings until it has a number of bytes at least, or the end.
func read(s *subscription, bytes int) (output []byte, ended bool) {
	for len(output) < bytes {
		e, ok := s.next()
		if !ok {
			<-s.wake
			continue
		}
		if e.kind == endEvent {
			return output, true
		}
		output = append(output, e.data...)
		e.done()
	}
	return output, false
}

// Two writers, one for each stream; readers leave at random moments, within pieces too, and come back where they were. The seed is
// told when it fails; WARREN_KEPT_SEED sets it.
func TestReadersThatComeBackSeeEachByteOnce(t *testing.T) {
	seed := time.Now().UnixNano()
	if given := os.Getenv("WARREN_KEPT_SEED"); given != "" {
		seed, _ = strconv.ParseInt(given, 10, 64)
	}
	for name, limit := range map[string]int{"all is kept": 4 << 20, "some is kept": 20 << 10, "hardly any is kept": 1} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("WARREN_KEPT_SEED=%d", seed)
				}
			}()
			h := newHub(newArchive(archiveLimit).open(limit))
			witness := h.subscribe(nil)
			var all []byte
			var waiting, writing sync.WaitGroup
			waiting.Add(1)
			go func() {
				defer waiting.Done()
				all, _ = read(witness, 1<<30)
			}()
			type stretch struct {
				from, begin uint64
				output      []byte
			}
			const readers = 3
			seen := make([][]stretch, readers)
			for i := 0; i < readers; i++ {
				i, random := i, rand.New(rand.NewSource(seed+int64(i)))
				waiting.Add(1)
				go func() {
					defer waiting.Done()
					var at uint64
					for ended := false; !ended; {
						from := at
						s := h.subscribe(&from)
						at = s.offset
						var output []byte
						output, ended = read(s, random.Intn(100_000))
						s.close()
						seen[i] = append(seen[i], stretch{from, s.offset, output})
						at += uint64(len(output))
						if random.Intn(4) == 0 {
							time.Sleep(time.Duration(random.Intn(1000)) * time.Microsecond)
						}
					}
				}()
			}
			for i, kind := range []eventKind{stdoutEvent, stderrEvent} {
				kind, random := kind, rand.New(rand.NewSource(seed-1-int64(i)))
				writing.Add(1)
				go func() {
					defer writing.Done()
					for left := 1 << 20; left > 0; {
						piece := make([]byte, 1+random.Intn(1+random.Intn(pipeChunk)))
						random.Read(piece)
						h.publish(kind, piece)
						left -= len(piece)
					}
				}()
			}
			writing.Wait()
			h.finish(&End{})
			waiting.Wait()
			for reader, stretches := range seen {
				for _, s := range stretches {
					if s.begin < s.from || limit == 4<<20 && s.begin != s.from {
						t.Fatalf("reader %d asked for %d and got %d", reader, s.from, s.begin)
					}
					if end := s.begin + uint64(len(s.output)); end > uint64(len(all)) || !bytes.Equal(s.output, all[s.begin:end]) {
						t.Fatalf("reader %d has other bytes than were written from %d to %d", reader, s.begin, end)
					}
				}
				if last := stretches[len(stretches)-1]; last.begin+uint64(len(last.output)) != uint64(len(all)) {
					t.Errorf("reader %d missed the end of the output", reader)
				}
			}
		})
	}
}

func (a *archive) check(t *testing.T, all ...*kept) {
	t.Helper()
	total := 0
	for _, k := range all {
		size, cost := 0, 0
		for _, b := range k.blocks {
			size, cost = size+len(b.data), cost+blockCost+cap(b.data)
		}
		if size != k.size || cost != k.cost {
			t.Errorf("%d bytes that cost %d are counted as %d and %d", size, cost, k.size, k.cost)
		}
		total += cost
	}
	if total != a.size || total > a.limit {
		t.Errorf("all cost %d, counted as %d, and may cost %d", total, a.size, a.limit)
	}
}

func TestKeptOutputOfAllCommandsIsBounded(t *testing.T) {
	a := newArchive(1 << 20)
	first, second, living, other := a.open(maxKept), a.open(maxKept), a.open(maxKept), a.open(maxKept)
	piece := make([]byte, 100_000)
	for _, k := range []*kept{first, second, living} {
		for i := 0; i < 3; i++ {
			k.add(stdoutEvent, piece)
		}
	}
	first.retire()
	second.retire()
	a.check(t, first, second, living, other)
	other.add(stdoutEvent, make([]byte, 300_000))
	a.check(t, first, second, living, other)
	if first.size >= 200_000 || second.size != 300_000 || living.size != 300_000 || other.size != 300_000 {
		t.Errorf("the command that ended first keeps %d bytes, the next %d, those that live %d and %d", first.size, second.size, living.size, other.size)
	}
	other.add(stderrEvent, make([]byte, 500_000))
	a.check(t, first, second, living, other)
	if first.size != 0 || second.size != 0 || living.size != 300_000 || other.from == 0 {
		t.Errorf("those that ended keep %d and %d bytes, one that lives %d, the largest all from %d on", first.size, second.size, living.size, other.from)
	}
	// Bytes that come one by one from either stream cost many times their number.
	for i := 0; i < 40_000; i++ {
		living.add(eventKind(i%2), []byte{1})
	}
	a.check(t, first, second, living, other)
	for _, k := range []*kept{first, second, living, other} {
		k.release()
		k.add(stdoutEvent, piece)
	}
	a.check(t, first, second, living, other)
	if a.size != 0 || len(a.alive) != 0 || len(a.ended) != 0 {
		t.Errorf("%d bytes are kept of nobody", a.size)
	}
}

func TestKeptOutputIsTheNewest(t *testing.T) {
	k := newArchive(archiveLimit).open(1000)
	for i := 0; i < 100_000; i++ {
		k.add(stdoutEvent, []byte{byte(i)})
		if want := i + 1; k.size < 1000 && k.size != want || k.size > 1000+keptBlock || k.from+uint64(k.size) != uint64(want) {
			t.Fatalf("of %d bytes %d are kept, from %d on", want, k.size, k.from)
		}
	}
	blocks, first := k.since(99_990)
	if first != 99_990 || len(blocks) != 1 || !bytes.Equal(blocks[0].data, []byte{150, 151, 152, 153, 154, 155, 156, 157, 158, 159}) {
		t.Errorf("the last bytes: %v from %d on", blocks, first)
	}
	if blocks, first = k.since(1 << 40); len(blocks) != 0 || first != 100_000 {
		t.Errorf("beyond the end: %v from %d on", blocks, first)
	}
}

// background is a request whose output is kept.
func background(script string, more ...object) object {
	return shell(script, append([]object{{"keepOutputBytes": 1 << 20}}, more...)...)
}

func TestOutputThatNobodyReadIsKept(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, background("echo one; echo two >&2; read line; echo got $line; exit 3", object{"stdin": true, "tag": "job"}))
	if a.offset != "0" {
		t.Errorf("a new command begins at %q", a.offset)
	}
	a.until("one\n")
	a.until("two\n")
	a.Close()
	b := s.join(s.Client, object{"process": object{"tag": "job"}, "from": 0})
	c := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": "4"})
	late := s.join(s.Client, object{"process": object{"pid": a.pid}})
	s.send(object{"tag": "job"}, "stdin", "x\n")
	for _, reader := range []*attached{b, c, late} {
		reader.wantExit(3)
	}
	if b.offset != "0" || c.offset != "4" || late.offset != "8" || string(b.stdout) != "one\ngot x\n" || string(b.stderr) != "two\n" ||
		len(c.stdout)+len(c.stderr) != 10 || string(late.stdout) != "got x\n" || len(late.stderr) != 0 {
		t.Errorf("from the start %q %q, from 4 on %s %q %q, late from %s on %q", b.stdout, b.stderr, c.offset, c.stdout, c.stderr, late.offset, late.stdout)
	}
	// So is its end.
	for from, want := range map[any][2]string{0: {"0", "one\ngot x\n"}, "14": {"14", ""}, "18446744073709551615": {"14", ""}} {
		d := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": from}).wantExit(3)
		if d.offset != want[0] || string(d.stdout) != want[1] {
			t.Errorf("from %v on: %s %q", from, d.offset, d.stdout)
		}
	}
	s.WantFailure("/process.Process/SendSignal", object{"process": object{"tag": "job"}, "signal": 15}, "not_found")
}

func TestCommandInTheBackgroundWaitsForNobody(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, background("head -c 3000000 /dev/zero; head -c 5 /dev/zero | tr '\\0' x"))
	a.Close()
	b := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": 0}).wantExit(0)
	offset, err := strconv.Atoi(b.offset)
	s.check(err)
	if offset+len(b.stdout) != 3_000_005 || !strings.HasSuffix(string(b.stdout), "\000xxxxx") {
		t.Errorf("%d bytes from %d on", len(b.stdout), offset)
	}
	again := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": 0}).wantExit(0)
	if kept := len(again.stdout); kept < 1<<20 || kept > 1<<20+keptBlock {
		t.Errorf("%d bytes are kept", kept)
	}
}

func TestTerminalInTheBackground(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, background("tty >/dev/null && echo $LANG; read line; echo got $line", object{"pty": object{"size": object{"cols": 80, "rows": 24}}, "stdin": true}))
	a.until("C.UTF-8")
	a.Close()
	b := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": 0})
	s.send(object{"pid": a.pid}, "pty", "x\n")
	b.wantExit(0)
	if text := string(b.pty); !strings.HasPrefix(text, "C.UTF-8\r\n") || !strings.Contains(text, "got x") {
		t.Errorf("output %q", text)
	}
}

func TestOutputOfOthersIsNotKept(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, shell("echo one; read line; echo two", object{"stdin": true}))
	a.until("one\n")
	b := s.join(s.Client, object{"process": object{"pid": a.pid}, "from": 0})
	s.send(object{"pid": a.pid}, "stdin", "\n")
	b.wantExit(0)
	a.wantExit(0)
	if b.offset != "4" || string(b.stdout) != "two\n" {
		t.Errorf("from %s on %q", b.offset, b.stdout)
	}
}

func TestRequestsForKeptOutputThatAreNone(t *testing.T) {
	s := newSandbox(t)
	a := s.start(s.Client, background("exec sleep 1000"))
	for _, from := range []any{-1, "-1", 1.5, "x", true, object{}, "18446744073709551616", 1e99} {
		stream := s.Open("/process.Process/Connect", object{"process": object{"pid": a.pid}, "from": from})
		if failure, ok := stream.Next(&clientEvent{}); ok || failure.Code != "invalid_argument" || !strings.Contains(failure.Message, "from") {
			t.Errorf("from %v: %+v", from, failure)
		}
	}
	for _, keep := range []any{-1, maxKept + 1, 1 << 33, "x", object{}} {
		stream := s.Open("/process.Process/Start", shell("touch "+s.root+"/started", object{"keepOutputBytes": keep}))
		if failure, ok := stream.Next(&clientEvent{}); ok || failure.Code != "invalid_argument" {
			t.Errorf("keep %v: %+v", keep, failure)
		}
	}
	if _, err := os.Stat(s.root + "/started"); err == nil {
		t.Error("a command was started")
	}
}

func TestFewEndsAreKept(t *testing.T) {
	s := newSandbox(t)
	var pids []int
	for i := 0; i < maxEnded+2; i++ {
		pids = append(pids, s.start(s.Client, background(fmt.Sprintf("echo %d", i))).wantExit(0).pid)
	}
	for i, pid := range pids {
		_, err := s.manager.find(selector{pid: pointer(uint32(pid))})
		if found := err == nil; found != (i >= 2) {
			t.Errorf("command %d of %d is found: %v", i, len(pids), found)
		}
	}
	processes := s.manager.list(true)
	if len(processes) != maxEnded || len(s.manager.archive.ended) != maxEnded {
		t.Errorf("%d ends and output of %d commands are kept", len(processes), len(s.manager.archive.ended))
	}
	s.manager.keptRetention = time.Millisecond
	a := s.start(s.Client, background("echo short")).wantExit(0)
	eventually(t, "it is forgotten", func() bool {
		_, err := s.manager.find(selector{pid: pointer(uint32(a.pid))})
		return err != nil
	})
	if n := len(s.manager.archive.ended); n != maxEnded-1 {
		t.Errorf("output of %d commands is kept", n)
	}
}
