package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"time"

	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/kernelfs"
	"warren/guest-agent/internal/oom"
	"warren/guest-agent/internal/reaper"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/users"
)

// defaultPath is the search path of programs when the agent has none itself.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Launcher starts processes.
type Launcher struct {
	reaper      *reaper.Reaper
	confinement Confinement
	// null is the null device. It was opened at first: later the guest may have put anything in its place.
	null *os.File
}

// NewLauncher starts processes as children of a reaper.
func NewLauncher(r *reaper.Reaper, confinement Confinement) (*Launcher, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	return &Launcher{reaper: r, confinement: confinement, null: null}, nil
}

// specification is everything that decides how a process is started.
type specification struct {
	config Config
	tag    *string
	user   users.User
	// directory is absolute.
	directory string
	// environment is that of the process, without the variables that follow from its user.
	environment map[string]string
	size        *Size
	stdin       bool
	// keep is how many bytes of output are kept, in kept; 0 = none.
	keep int
	kept *kept
	// exclusive refuses a tag that a living process has.
	exclusive bool
}

// start starts a process. Its output is not read before Process.run, so that readers can subscribe.
func (l *Launcher) start(ctx context.Context, spec specification) (*Process, error) {
	release := l.confinement.makeRoom(ctx, spec.user.UID == 0)
	p, err := l.startConfined(ctx, spec)
	if err != nil {
		release()
		return nil, err
	}
	p.letGo = release
	return p, nil
}

func (l *Launcher) startConfined(ctx context.Context, spec specification) (*Process, error) {
	leave, err := l.confinement.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	p := newProcess(spec)
	descriptors, err := l.open(p, spec)
	defer closeAll(descriptors)
	if err == nil {
		err = l.execute(p, spec, descriptors)
	}
	if err != nil {
		p.closeOwn()
		return nil, err
	}
	return p, nil
}

func newProcess(spec specification) *Process {
	p := &Process{
		tag: spec.tag, user: spec.user.Name, started: time.Now(), output: newHub(spec.kept), moved: make(chan struct{}, 1),
		killed: make(chan struct{}), cleared: make(chan struct{}), gone: make(chan struct{}), expired: make(chan struct{}),
	}
	p.config.Store(&spec.config)
	return p
}

// open opens the agent's ends of the process's streams and returns the ends of the process in the order 0, 1, 2.
func (l *Launcher) open(p *Process, spec specification) (descriptors []int, err error) {
	if spec.size != nil {
		master, terminal, err := openPTY(*spec.size, spec.user.UID)
		if err != nil {
			return nil, rpc.Errorf(rpc.Internal, "%v", err)
		}
		p.terminal = master
		p.input = newInput(master, true)
		p.sources = []*source{{file: master, kind: ptyEvent, size: ptyChunk, drained: make(chan struct{})}}
		return []int{terminal}, nil
	}
	if spec.stdin {
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return descriptors, resourceError(err)
		}
		descriptors = append(descriptors, ends[0])
		file, err := pollable(ends[1], "stdin")
		if err != nil {
			return descriptors, resourceError(err)
		}
		p.input = newInput(file, false)
	} else {
		null, err := l.emptyInput()
		if err != nil {
			return descriptors, resourceError(err)
		}
		descriptors = append(descriptors, null)
	}
	for _, output := range []struct {
		kind eventKind
		name string
	}{{stdoutEvent, "stdout"}, {stderrEvent, "stderr"}} {
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return descriptors, resourceError(err)
		}
		descriptors = append(descriptors, ends[1])
		file, err := pollable(ends[0], output.name)
		if err != nil {
			return descriptors, resourceError(err)
		}
		p.sources = append(p.sources, &source{file: file, kind: output.kind, size: pipeChunk, drained: make(chan struct{})})
	}
	return descriptors, nil
}

// emptyInput is standard input in which there is nothing.
func (l *Launcher) emptyInput() (int, error) {
	descriptor, _, errno := syscall.Syscall(syscall.SYS_FCNTL, l.null.Fd(), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(descriptor), nil
}

// pollable makes a file of a descriptor that supports deadlines. The process's end of the pipe stays blocking.
func pollable(descriptor int, name string) (*os.File, error) {
	if err := syscall.SetNonblock(descriptor, true); err != nil {
		syscall.Close(descriptor)
		return nil, err
	}
	return os.NewFile(uintptr(descriptor), name), nil
}

func closeAll(descriptors []int) {
	for _, descriptor := range descriptors {
		syscall.Close(descriptor)
	}
}

func (p *Process) closeOwn() {
	p.input.shut()
	for _, source := range p.sources {
		source.file.Close()
	}
}

// execute forks and executes the program, or the stand-in that explains why it cannot be run.
func (l *Launcher) execute(p *Process, spec specification, descriptors []int) error {
	group, err := l.confinement.group(spec.user.UID == 0, spec.size != nil)
	if err != nil {
		return resourceError(err)
	}
	environment := environmentOf(spec)
	attributes := l.attributes(spec, descriptors, environment, group)
	if err := l.run(p, spec, attributes, environment["PATH"], group); err != nil {
		if group != nil {
			group.Close()
		}
		return err
	}
	p.members, p.victim = processGroup{p.child.Pid}, func() *oom.Victim { return nil }
	if group != nil {
		p.members, p.victim = group, func() *oom.Victim { return l.confinement.victim(group, p.child.Pid) }
	}
	return nil
}

func (l *Launcher) run(p *Process, spec specification, attributes *syscall.ProcAttr, search string, group *cgroups.Group) error {
	name := spec.config.Cmd
	argv := append([]string{name}, spec.config.Args...)
	program, err := findProgram(name, spec.directory, search)
	if err == nil {
		err = l.fork(p, program, argv, attributes, group)
		if err == syscall.ENOEXEC && isText(absolute(program, spec.directory)) {
			// A script without an interpreter line is run by the shell, as execvp(3) does.
			err = l.fork(p, "/bin/sh", append([]string{"/bin/sh", program}, spec.config.Args...), attributes, group)
		}
		err = classify(err, name, spec)
	}
	var reason *unrunnable
	if errors.As(err, &reason) {
		// The agent's own, to which the path is relative.
		attributes.Dir = ""
		err = l.fork(p, kernelfs.Path("/proc/self/exe"), failureArguments(reason), attributes, group)
		if err != nil {
			return rpc.Errorf(rpc.InvalidArgument, "%s", reason.text)
		}
	}
	return err
}

func (l *Launcher) fork(p *Process, program string, argv []string, attributes *syscall.ProcAttr, group *cgroups.Group) error {
	child, err := l.reaper.Start(program, argv, attributes, l.confinement.hooks(group))
	p.child = child
	return err
}

// attributes are the process attributes of a specification.
func (l *Launcher) attributes(spec specification, descriptors []int, environment map[string]string, group *cgroups.Group) *syscall.ProcAttr {
	system := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		system.Credential = &syscall.Credential{Uid: spec.user.UID, Gid: spec.user.GID, Groups: spec.user.Groups}
	}
	files := make([]uintptr, 3)
	for i := range files {
		// A terminal is one descriptor for all three.
		files[i] = uintptr(descriptors[i%len(descriptors)])
	}
	if spec.size != nil {
		system.Setctty, system.Ctty = true, 0
	}
	if group != nil {
		group.Prepare(system)
	}
	attributes := &syscall.ProcAttr{Dir: spec.directory, Files: files, Sys: system}
	for name, value := range environment {
		attributes.Env = append(attributes.Env, name+"="+value)
	}
	sort.Strings(attributes.Env)
	return attributes
}

// environmentOf is the whole environment of a process.
func environmentOf(spec specification) map[string]string {
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	environment := map[string]string{"PATH": path, "HOME": spec.user.Home, "USER": spec.user.Name, "LOGNAME": spec.user.Name}
	environment["LANG"] = "C.UTF-8"
	// What a Python program prints arrives line by line, as it would in a terminal.
	environment["PYTHONUNBUFFERED"] = "1"
	if spec.size != nil {
		environment["TERM"] = "xterm"
	}
	for name, value := range spec.environment {
		environment[name] = value
	}
	return environment
}

// classify turns an error of fork and exec into what the client is told.
func classify(err error, name string, spec specification) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	if errno == syscall.EACCES && !canEnter(spec.directory, spec.user) {
		return rpc.Errorf(rpc.InvalidArgument, "cwd '%s' cannot be entered by user '%s': %v", spec.directory, spec.user.Name, errno)
	}
	if reason := explainExec(name, errno); reason != nil {
		return reason
	}
	return resourceErrorOr(errno, func() error {
		return rpc.Errorf(rpc.InvalidArgument, "starting %s: %v", filepath.Base(name), errno)
	})
}

func resourceError(err error) error {
	var errno syscall.Errno
	errors.As(err, &errno)
	return resourceErrorOr(errno, func() error { return rpc.Errorf(rpc.Internal, "%v", err) })
}

// exhausted are the resources of the guest by the errors that say that there is no more of them.
var exhausted = map[syscall.Errno]string{
	syscall.EAGAIN: "processes are as many as the sandbox may have; end some of them",
	syscall.ENOMEM: "memory is used up; end processes that hold it, or take a larger sandbox",
	syscall.EMFILE: "open files are as many as the guest agent may have; end some commands",
	syscall.ENFILE: "open files are as many as the kernel allows; end processes that hold them",
	// Terminals and control groups are counted; neither has a place on a disk.
	syscall.ENOSPC: "terminals or control groups are as many as the kernel allows; end some commands",
}

// resourceErrorOr tells a lack of resources from other errors.
func resourceErrorOr(errno syscall.Errno, other func() error) error {
	if what, ok := exhausted[errno]; ok {
		return rpc.Errorf(rpc.ResourceExhausted, "no process can be started in the sandbox: %s (%v)", what, errno)
	}
	return other()
}

// checkDirectory tells whether a working directory exists.
func checkDirectory(directory string) error {
	info, err := os.Stat(directory)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		return rpc.Errorf(rpc.InvalidArgument, "cwd '%s' is not a directory", directory)
	}
	if errors.Is(err, os.ErrNotExist) {
		return rpc.Errorf(rpc.InvalidArgument, "cwd '%s' does not exist", directory)
	}
	return rpc.Errorf(rpc.InvalidArgument, "cwd '%s': %s", directory, reasonOf(err))
}
