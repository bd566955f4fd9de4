package process

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"warren/guest-agent/internal/rpc"
)

const (
	// maxListed is the most processes in one bounded list, briefBytes the most bytes of the command line of one in it.
	maxListed, briefBytes = 1024, 2048
	// aroundList is what a list has around its processes, in bytes.
	aroundList = 64
	// cut ends a text that is longer.
	cut = "…"
)

type listRequest struct {
	// ended asks for those too that have ended and whose ends are kept with their output.
	ended bool
	// maxBytes bounds the answer; 0 = all of all.
	maxBytes uint32
	// only is the one process that is asked for; nil = all.
	only *selector
}

func decodeList(o *rpc.Object) listRequest {
	request := listRequest{ended: o.Bool("ended", false), maxBytes: o.Uint32("maxBytes")}
	if o.Has("process") {
		only := decodeSelector(o)
		request.only = &only
	}
	return request
}

// listed is one process in the answer of List.
type listed struct {
	Config        *Config `json:"config"`
	Pid           uint32  `json:"pid"`
	Tag           *string `json:"tag,omitempty"`
	User          string  `json:"user"`
	StartedAt     int64   `json:"startedAtUnixMs,string"`
	Terminal      bool    `json:"terminal,omitempty"`
	KeepsOutput   bool    `json:"keepsOutput,omitempty"`
	OutputBytes   uint64  `json:"outputBytes,string"`
	OutputFrom    uint64  `json:"outputFrom,string"`
	ProcessorTime uint64  `json:"cpuMs,string"`
	Memory        uint64  `json:"memoryBytes,string"`
	End           *End    `json:"end,omitempty"`
	EndedAt       int64   `json:"endedAtUnixMs,string,omitempty"`
}

func (p *Process) listed() listed {
	progress := p.output.progress()
	l := listed{
		Config: p.config.Load(), Pid: p.pid(), Tag: p.tag, User: p.user, StartedAt: p.started.UnixMilli(),
		Terminal: p.terminal != nil, KeepsOutput: p.keeps(), OutputBytes: progress.written, OutputFrom: progress.kept,
	}
	if progress.end != nil {
		l.End, l.EndedAt = progress.end, progress.endedAt.UnixMilli()
		return l
	}
	processor, memory := p.members.Usage()
	l.ProcessorTime, l.Memory = uint64(processor.Milliseconds()), memory
	return l
}

func (s *Service) list(_ context.Context, _ *rpc.Call, request listRequest) (any, error) {
	var answer struct {
		Processes []json.RawMessage `json:"processes"`
		// KeepsOutput tells this agent from those that know nothing of kept output.
		KeepsOutput bool `json:"keepsOutput"`
	}
	answer.KeepsOutput = true
	processes := s.manager.list(request.ended)
	if request.only != nil {
		processes = s.manager.listOne(*request.only, processes)
	}
	if request.maxBytes > 0 && len(processes) > maxListed {
		processes = processes[len(processes)-maxListed:]
	}
	answer.Processes = make([]json.RawMessage, len(processes))
	size, first := aroundList, len(processes)
	for first > 0 {
		l := processes[first-1].listed()
		if request.maxBytes > 0 {
			l.Config = l.Config.brief()
		}
		text, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		if size += len(text) + 1; request.maxBytes > 0 && size > int(request.maxBytes) {
			break
		}
		first--
		answer.Processes[first] = text
	}
	answer.Processes = answer.Processes[first:]
	return answer, nil
}

// listOne is what of a list a selector names.
func (m *Manager) listOne(only selector, listed []*Process) []*Process {
	found, err := m.find(only)
	if err != nil {
		return nil
	}
	for _, p := range listed {
		if p == found {
			return []*Process{p}
		}
	}
	return nil
}

// brief is a configuration without variables, whose texts are cut where they are long.
func (c *Config) brief() *Config {
	left := briefBytes
	take := func(text string) string {
		text = shortened(text, left)
		left -= len(text)
		return text
	}
	brief := &Config{Cmd: take(c.Cmd)}
	if c.Cwd != nil {
		cwd := take(*c.Cwd)
		brief.Cwd = &cwd
	}
	for _, argument := range c.Args {
		if left <= 0 {
			brief.Args = append(brief.Args, cut)
			break
		}
		brief.Args = append(brief.Args, take(argument))
		// Empty ones take room too.
		left--
	}
	return brief
}

// shortened is a text of at most a number of bytes, or a little more with the sign that it was cut.
func shortened(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	if bytes < 0 {
		bytes = 0
	}
	for bytes > 0 && !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	// A part of its own, so that the whole is not held.
	return strings.Clone(text[:bytes]) + cut
}
