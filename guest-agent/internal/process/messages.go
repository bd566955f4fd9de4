package process

import (
	"encoding/base64"
	"strings"
	"syscall"
	"time"

	"warren/guest-agent/internal/rpc"
)

type startRequest struct {
	config Config
	size   *Size
	tag    *string
	stdin  bool
	// timeLimit is the life of the process, whose end event then says that it has passed; 0 = none.
	timeLimit time.Duration
	// keep is how many bytes of output are kept; 0 = none.
	keep uint32
	// exclusiveTag refuses a tag that a living process has.
	exclusiveTag bool
}

func decodeStart(o *rpc.Object) startRequest {
	request := startRequest{size: decodeSize(o), stdin: o.Bool("stdin", true)}
	if process := o.Object("process"); process != nil {
		request.config = Config{Cmd: process.String("cmd"), Args: process.Strings("args"), Envs: process.StringMap("envs"), Cwd: optionalString(process, "cwd")}
	}
	request.tag = optionalString(o, "tag")
	request.timeLimit = milliseconds(o, "timeLimitMs")
	request.keep = o.Uint32("keepOutputBytes")
	request.exclusiveTag = o.Bool("exclusiveTag", false)
	return request
}

type connectRequest struct {
	process selector
	// from is where in the output to begin; nil = with what comes from now on.
	from *uint64
}

func decodeConnect(o *rpc.Object) connectRequest {
	request := connectRequest{process: decodeSelector(o)}
	if o.Has("from") {
		from := o.Uint64("from")
		request.from = &from
	}
	return request
}

func milliseconds(o *rpc.Object, name string) time.Duration {
	return time.Duration(o.Uint32(name)) * time.Millisecond
}

func optionalString(o *rpc.Object, name string) *string {
	if !o.Has(name) {
		return nil
	}
	value := o.String(name)
	return &value
}

// decodeSize reads field pty; a terminal without a size has 80 columns and 24 rows.
func decodeSize(o *rpc.Object) *Size {
	pty := o.Object("pty")
	if pty == nil {
		return nil
	}
	size := Size{Cols: 80, Rows: 24}
	if given := pty.Object("size"); given != nil {
		size = Size{Cols: given.Uint32("cols"), Rows: given.Uint32("rows")}
	}
	return &size
}

// decodeSelector reads field process of every request but Start.
func decodeSelector(o *rpc.Object) selector {
	process := o.Object("process")
	switch {
	case process == nil:
		return selector{}
	case process.Has("pid"):
		pid := process.Uint32("pid")
		return selector{pid: &pid}
	default:
		return selector{tag: optionalString(process, "tag")}
	}
}

type updateRequest struct {
	process selector
	size    *Size
	// timeLimit counts from the call; 0 = none, nil = as it was.
	timeLimit *time.Duration
}

func decodeUpdate(o *rpc.Object) updateRequest {
	request := updateRequest{process: decodeSelector(o), size: decodeSize(o)}
	if o.Has("timeLimitMs") {
		limit := milliseconds(o, "timeLimitMs")
		request.timeLimit = &limit
	}
	return request
}

// inputData is the data of a ProcessInput; kind 0 means that neither member is present.
type inputData struct {
	kind inputKind
	data []byte
}

type inputKind uint8

const (
	stdinInput inputKind = iota + 1
	ptyInput
)

func decodeInput(o *rpc.Object) inputData {
	input := o.Object("input")
	if input == nil {
		return inputData{}
	}
	if data, ok := input.Bytes("stdin"); ok {
		return inputData{stdinInput, data}
	}
	if data, ok := input.Bytes("pty"); ok {
		return inputData{ptyInput, data}
	}
	return inputData{}
}

type sendInputRequest struct {
	process selector
	input   inputData
}

func decodeSendInput(o *rpc.Object) sendInputRequest {
	return sendInputRequest{process: decodeSelector(o), input: decodeInput(o)}
}

// streamInputRequest is one message of StreamInput; all members absent is a keepalive.
type streamInputRequest struct {
	start *selector
	data  *inputData
}

func decodeStreamInput(o *rpc.Object) streamInputRequest {
	var request streamInputRequest
	if start := o.Object("start"); start != nil {
		s := decodeSelector(start)
		request.start = &s
	}
	if data := o.Object("data"); data != nil {
		input := decodeInput(data)
		request.data = &input
	}
	return request
}

// lastSignal is the greatest number of a signal (signal(7)).
const lastSignal = 64

// signals are the numbers of signals by the names of the enum.
var signals = func() map[string]int32 {
	names := map[string]int32{"SIGNAL_UNSPECIFIED": 0}
	for number, name := range strings.Fields("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD " +
		"CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS") {
		names["SIGNAL_SIG"+name] = int32(number + 1)
	}
	return names
}()

type signalRequest struct {
	process selector
	signal  syscall.Signal
	// killAfter is the time after which what still lives of the command is killed; 0 = never.
	killAfter time.Duration
}

func decodeSignal(o *rpc.Object) signalRequest {
	return signalRequest{process: decodeSelector(o), signal: syscall.Signal(o.Enum("signal", signals)), killAfter: milliseconds(o, "killAfterMs")}
}

// message is a ProcessEvent in its response message. At most one member is present.
type message struct {
	Event struct {
		Start     *started  `json:"start,omitempty"`
		End       *End      `json:"end,omitempty"`
		Keepalive *struct{} `json:"keepalive,omitempty"`
	} `json:"event"`
}

type started struct {
	Pid          uint32  `json:"pid"`
	OutputOffset uint64  `json:"outputOffset,string"`
	Tag          *string `json:"tag,omitempty"`
	Terminal     bool    `json:"terminal,omitempty"`
}

func startMessage(p *Process, offset uint64) message {
	var m message
	m.Event.Start = &started{p.pid(), offset, p.tag, p.terminal != nil}
	return m
}

func endMessage(end *End) message {
	var m message
	m.Event.End = end
	return m
}

func keepaliveMessage() message {
	var m message
	m.Event.Keepalive = &struct{}{}
	return m
}

var outputNames = map[eventKind]string{stdoutEvent: "stdout", stderrEvent: "stderr", ptyEvent: "pty"}

// appendOutput appends the message of an output event. It is written by hand because all output passes through it.
func appendOutput(dst []byte, e event) []byte {
	dst = append(dst, `{"event":{"data":{"`...)
	dst = append(dst, outputNames[e.kind]...)
	dst = append(dst, `":"`...)
	data := e.data
	size := base64.StdEncoding.EncodedLen(len(data))
	start := len(dst)
	if cap(dst)-start < size {
		dst = append(make([]byte, 0, start+size+8), dst...)
	}
	dst = dst[:start+size]
	encodeBase64(dst[start:], data)
	return append(dst, `"}}}`...)
}
