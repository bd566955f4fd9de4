package boot

import (
	"fmt"
	"net"
	"strings"
)

// Parameters are what the host says on the kernel command line.
type Parameters struct {
	// Root is the block device of the root file system.
	Root string
	// Address is the guest's, with its prefix length; empty = no network.
	Address net.IP
	Network *net.IPNet
	Gateway net.IP
	// GatewayMAC is the hardware address of the gateway; empty = the guest asks for it.
	GatewayMAC net.HardwareAddr
	DNS        []net.IP
	// Hostname is the guest's name until the first init.
	Hostname string
}

// parameterPrefix marks the agent's own parameters.
const parameterPrefix = "warren."

// ParseCommandLine reads the agent's parameters from the text of /proc/cmdline and ignores all others.
func ParseCommandLine(text string) (Parameters, error) {
	parameters := Parameters{Root: "/dev/vda", Hostname: "warren"}
	for _, word := range strings.Fields(text) {
		if !strings.HasPrefix(word, parameterPrefix) {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(word, parameterPrefix), "=")
		if err := parameters.set(name, value); err != nil {
			return parameters, fmt.Errorf("kernel parameter %s: %w", word, err)
		}
	}
	if parameters.Gateway != nil && (parameters.Network == nil || !parameters.Network.Contains(parameters.Gateway)) {
		return parameters, fmt.Errorf("kernel parameter warren.gateway: %v is not in the network of warren.address", parameters.Gateway)
	}
	if parameters.GatewayMAC != nil && parameters.Gateway == nil {
		return parameters, fmt.Errorf("kernel parameter warren.gateway_mac needs warren.gateway")
	}
	return parameters, nil
}

func (p *Parameters) set(name, value string) error {
	switch name {
	case "root":
		if !strings.HasPrefix(value, "/dev/") {
			return fmt.Errorf("not a device below /dev")
		}
		p.Root = value
	case "address":
		address, network, err := net.ParseCIDR(value)
		if err != nil || address.To4() == nil {
			return fmt.Errorf("not an IPv4 address with prefix length")
		}
		p.Address, p.Network = address.To4(), network
	case "gateway":
		gateway, err := parseIPv4(value)
		if err != nil {
			return err
		}
		p.Gateway = gateway
	case "gateway_mac":
		mac, err := net.ParseMAC(value)
		if err != nil || len(mac) != 6 {
			return fmt.Errorf("not a hardware address of Ethernet")
		}
		p.GatewayMAC = mac
	case "dns":
		p.DNS = nil
		for _, item := range strings.Split(value, ",") {
			server, err := parseIPv4(item)
			if err != nil {
				return err
			}
			p.DNS = append(p.DNS, server)
		}
	case "hostname":
		if value == "" || len(value) > 64 {
			return fmt.Errorf("a host name has 1 to 64 characters")
		}
		p.Hostname = value
	default:
		return fmt.Errorf("unknown parameter")
	}
	return nil
}

func parseIPv4(text string) (net.IP, error) {
	if address := net.ParseIP(text).To4(); address != nil {
		return address, nil
	}
	return nil, fmt.Errorf("%q is not an IPv4 address", text)
}
