package process

import (
	"encoding/base64"
	"syscall"

	"warren/guest-agent/internal/rpc"
)

type startRequest struct {
	config Config
	size   *Size
	tag    *string
	stdin  bool
}

func decodeStart(o *rpc.Object) startRequest {
	request := startRequest{size: decodeSize(o), stdin: o.Bool("stdin", true)}
	if process := o.Object("process"); process != nil {
		request.config = Config{Cmd: process.String("cmd"), Args: process.Strings("args"), Envs: process.StringMap("envs"), Cwd: optionalString(process, "cwd")}
	}
	request.tag = optionalString(o, "tag")
	return request
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
}

func decodeUpdate(o *rpc.Object) updateRequest {
	return updateRequest{process: decodeSelector(o), size: decodeSize(o)}
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

var signals = map[string]int32{"SIGNAL_UNSPECIFIED": 0, "SIGNAL_SIGKILL": 9, "SIGNAL_SIGTERM": 15}

type signalRequest struct {
	process selector
	signal  syscall.Signal
}

func decodeSignal(o *rpc.Object) signalRequest {
	return signalRequest{process: decodeSelector(o), signal: syscall.Signal(o.Enum("signal", signals))}
}

// listed is one process in the answer of List.
type listed struct {
	Config Config  `json:"config"`
	Pid    uint32  `json:"pid"`
	Tag    *string `json:"tag,omitempty"`
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
	Pid uint32 `json:"pid"`
}

func startMessage(pid uint32) message {
	var m message
	m.Event.Start = &started{pid}
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
	data := e.output.data
	size := base64.StdEncoding.EncodedLen(len(data))
	start := len(dst)
	if cap(dst)-start < size {
		dst = append(make([]byte, 0, start+size+8), dst...)
	}
	dst = dst[:start+size]
	base64.StdEncoding.Encode(dst[start:], data)
	return append(dst, `"}}}`...)
}
