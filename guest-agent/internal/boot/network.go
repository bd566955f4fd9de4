package boot

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"warren/guest-agent/internal/textfile"
)

// card is the name of the one network card; the kernel runs with net.ifnames=0.
const card = "eth0"

// configureNetwork brings up loopback and the network card.
func configureNetwork(parameters Parameters) error {
	loopback, err := net.InterfaceByName("lo")
	if err == nil {
		err = linkUp(loopback.Index)
	}
	if err != nil {
		return fmt.Errorf("bringing up loopback: %w", err)
	}
	if parameters.Address == nil {
		return nil
	}
	// The card has no IPv6. Without this the kernel would send solicitations that nobody answers. A kernel without IPv6 has no
	// such file.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+card+"/disable_ipv6", []byte("1"), 0)
	device, err := net.InterfaceByName(card)
	if err != nil {
		return fmt.Errorf("network card %s: %w", card, err)
	}
	if err := linkUp(device.Index); err != nil {
		return fmt.Errorf("bringing up %s: %w", card, err)
	}
	if err := addAddress(device.Index, parameters.Address, parameters.Network); err != nil {
		return fmt.Errorf("giving %s the address %v: %w", card, parameters.Address, err)
	}
	if parameters.Gateway != nil {
		if err := addDefaultRoute(device.Index, parameters.Gateway); err != nil {
			return fmt.Errorf("setting the default route to %v: %w", parameters.Gateway, err)
		}
	}
	if parameters.GatewayMAC != nil {
		if err := addNeighbour(device.Index, parameters.Gateway, parameters.GatewayMAC); err != nil {
			return fmt.Errorf("setting the hardware address of %v: %w", parameters.Gateway, err)
		}
	}
	return nil
}

// writeResolver writes the name servers of the host into /etc/resolv.conf of the root file system. Many images have a link there
// to a file of a resolver daemon that does not run: it is replaced.
func writeResolver(root string, servers []net.IP) error {
	if len(servers) == 0 {
		return nil
	}
	var text strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	path := filepath.Join(root, "etc/resolv.conf")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("replacing %s: %w", path, err)
		}
	}
	return textfile.Replace(path, text.String())
}
