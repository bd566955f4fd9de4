// Command warren-guest-agent is process 1 of every microVM: it boots the system from an initramfs and serves the guest protocol.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"warren/guest-agent/internal/boot"
	"warren/guest-agent/internal/cgroups"
	"warren/guest-agent/internal/collector"
	"warren/guest-agent/internal/files"
	"warren/guest-agent/internal/filesystem"
	"warren/guest-agent/internal/httpapi"
	"warren/guest-agent/internal/identity"
	"warren/guest-agent/internal/kernelfs"
	"warren/guest-agent/internal/metrics"
	"warren/guest-agent/internal/ports"
	"warren/guest-agent/internal/process"
	"warren/guest-agent/internal/reaper"
	"warren/guest-agent/internal/rpc"
	"warren/guest-agent/internal/server"
	"warren/guest-agent/internal/users"
)

const (
	// port is where the guest protocol is served.
	port = 49983
	// searchPath is that of the agent, and by it of every process.
	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// The collector keeps the heap small: pages that are touched are pages to be frozen.
	collectorPercent = 50
	memoryLimit      = 48 << 20
	// bootIDFile holds the boot id of a copy.
	bootIDFile = "/run/warren/boot_id"
	// freezeTimeout bounds the wait for user processes to stand still.
	freezeTimeout = 10 * time.Second
)

func main() {
	process.RunFailure(os.Args)
	if boot.Required() {
		runAsInit()
		return
	}
	listen := flag.String("listen", fmt.Sprintf("127.0.0.1:%d", port), "address to serve on")
	outside := flag.String("forward", "", "address on which listeners of loopback become reachable; empty for none")
	groups := flag.String("cgroup", "", "directory of a cgroup2 file system for user processes; empty for none")
	flag.Parse()
	var forward netip.Addr
	if *outside != "" {
		address, err := netip.ParseAddr(*outside)
		if err != nil {
			fmt.Fprintln(os.Stderr, "warren-guest-agent: -forward:", err)
			os.Exit(2)
		}
		forward = address
	}
	if err := serve(configuration{listen: *listen, groups: *groups, outside: forward, root: "/", powerOff: func(*cgroups.Tree) { os.Exit(0) }}); err != nil {
		fmt.Fprintln(os.Stderr, "warren-guest-agent:", err)
		os.Exit(1)
	}
}

// runAsInit boots the system and serves until it is powered off.
func runAsInit() {
	fatal := func(err error) {
		boot.Log("fatal: %v", err)
		boot.End()
	}
	// The kernel's command line sets options of the Go runtime in it, which are nobody else's.
	os.Clearenv()
	if err := os.Setenv("PATH", searchPath); err != nil {
		fatal(err)
	}
	parameters, err := boot.Run()
	if err != nil {
		fatal(err)
	}
	outside, _ := netip.AddrFromSlice(parameters.Address)
	// What the host sends has the address of the gateway. Without one, nobody outside can call.
	host, ok := netip.AddrFromSlice(parameters.Gateway)
	if !ok {
		host = netip.IPv4Unspecified()
	}
	fatal(serve(configuration{
		listen:   fmt.Sprintf("0.0.0.0:%d", port),
		groups:   kernelfs.Path(boot.ControlGroups),
		root:     "/",
		outside:  outside,
		host:     host,
		init:     true,
		ready:    func() { boot.Log("ready") },
		log:      boot.Log,
		powerOff: func(tree *cgroups.Tree) { boot.PowerOff(tree) },
	}))
}

// configuration is what differs between a microVM and a development machine.
type configuration struct {
	listen string
	// groups is the cgroup2 directory of user processes; "" = none.
	groups string
	// outside is where listeners of loopback become reachable; not valid = nowhere.
	outside netip.Addr
	// host is the address from which the host calls; not valid = whoever calls is the host.
	host netip.Addr
	// root is where the identity of the sandbox is written.
	root string
	// init is set when this is process 1 of a system of its own.
	init     bool
	ready    func()
	log      func(format string, arguments ...any)
	powerOff func(*cgroups.Tree)
}

// serve puts the parts together and serves until a signal ends the system.
func serve(c configuration) error {
	if c.log == nil {
		c.log = func(format string, arguments ...any) { fmt.Fprintf(os.Stderr, format+"\n", arguments...) }
	}
	meter := metrics.NewMeter(kernelfs.Path("/proc"), "/")
	tree, err := makeGroups(c, meter)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		c.powerOff(tree)
	}()
	confinement, err := process.NewConfinement(tree, c.init)
	if err != nil {
		return err
	}
	children := reaper.New(os.Getpid() == 1)
	database := users.NewDatabase("/")
	state := identity.NewState(database)
	mux := rpc.NewMux(state.User)
	launcher, err := process.NewLauncher(children, confinement)
	if err != nil {
		return err
	}
	processes := process.NewManager(launcher)
	process.Register(mux, processes, state)
	filesystem.Register(mux, database, state)
	storage := files.NewService(state, time.Now)

	forwarder := forwardPorts(c, tree)
	system := freezer{tree, forwarder, collector.New(collectorPercent, memoryLimit)}

	var bootID *identity.BootID
	if c.init {
		if bootID, err = identity.WatchBootID(bootIDFile); err != nil {
			c.log("%v", err)
		}
	}
	var agent *server.Server
	kernel, err := identity.OpenKernel()
	if err != nil {
		return err
	}
	initializer := identity.NewInitializer(identity.Options{
		State: state, System: kernel, Root: c.root, Run: children.Run, BootID: bootID, Log: c.log,
		Thaw:    system.thaw,
		Renewed: func(r *http.Request) { agent.CloseOthers(r) },
	})
	agent = server.New(server.Endpoints{
		RPC: mux, Files: storage.ServeFiles, Compose: storage.ServeCompose, Input: processes.ServeInput, Init: initializer,
		Freeze:      system.freeze,
		Unfreeze:    func(context.Context) error { return system.thaw() },
		PowerOff:    func(context.Context) error { stop <- syscall.SIGTERM; return nil },
		Metrics:     func() (any, error) { return meter.Measure() },
		Environment: func() (any, error) { return state.Environment(), nil },
	}, server.Options{Authorized: state.Authorized, Host: c.host})

	// Callers are as near as the host or this machine: they do not go without a word that the kernel hears.
	listening := net.ListenConfig{KeepAlive: -1}
	listener, err := listening.Listen(context.Background(), "tcp4", c.listen)
	if err != nil {
		return err
	}
	if c.ready != nil {
		c.ready()
	} else {
		c.log("listening on %v", listener.Addr())
	}
	return agent.Serve(listener.(*net.TCPListener))
}

// makeGroups makes the control groups of user processes.
func makeGroups(c configuration, meter *metrics.Meter) (*cgroups.Tree, error) {
	if c.groups == "" {
		return nil, nil
	}
	tree, err := cgroups.New(c.groups)
	if err != nil || !c.init {
		return tree, err
	}
	memory, err := meter.Memory()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/sys/kernel/threads-max")
	if err != nil {
		return nil, err
	}
	tasks, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil, err
	}
	for _, refused := range tree.Limit(cgroups.Resources{Memory: memory, Tasks: tasks}) {
		c.log("limits of user processes: %v", refused)
	}
	return tree, nil
}

// freezer makes the system stand still before the host copies it.
type freezer struct {
	tree      *cgroups.Tree
	forwarder *ports.Forwarder
	collector *collector.Collector
}

// freeze stops user processes, and what the agent would do by itself at a later time.
func (f freezer) freeze(ctx context.Context) error {
	if f.tree == nil {
		return httpapi.Errorf(http.StatusNotImplemented, "user processes are not in control groups, so they cannot be frozen")
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	if err := f.tree.Freeze(ctx); err != nil {
		return err
	}
	if populated, err := f.tree.Populated(); err == nil && !populated && f.forwarder != nil {
		f.forwarder.Rest(ctx)
	}
	f.collector.Rest()
	return nil
}

// thaw lets the system run. It does nothing when it runs.
func (f freezer) thaw() error {
	f.collector.Resume()
	if f.tree == nil {
		return nil
	}
	return f.tree.Thaw()
}

// forwardPorts keeps listeners of loopback reachable from outside while user processes exist; nil without an outside.
func forwardPorts(c configuration, tree *cgroups.Tree) *ports.Forwarder {
	if !c.outside.IsValid() {
		return nil
	}
	// A nil tree is no activity.
	var activity ports.Activity
	if tree != nil {
		activity = tree
	}
	forwarder := ports.New(c.outside, port)
	go forwarder.Run(context.Background(), activity)
	return forwarder
}
