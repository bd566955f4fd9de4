package boot

import (
	"strings"
	"testing"
)

func TestParseCommandLine(t *testing.T) {
	p, err := ParseCommandLine("console=ttyS0 quiet warren.root=/dev/vdb warren.address=169.254.0.21/30 warren.gateway=169.254.0.22 warren.dns=8.8.8.8,8.8.4.4 warren.hostname=box panic=-1\n")
	if err != nil {
		t.Fatal(err)
	}
	if p.Root != "/dev/vdb" || p.Address.String() != "169.254.0.21" || p.Network.String() != "169.254.0.20/30" || p.Gateway.String() != "169.254.0.22" ||
		len(p.DNS) != 2 || p.DNS[1].String() != "8.8.4.4" || p.Hostname != "box" {
		t.Errorf("%+v", p)
	}
}

func TestDefaultsOfTheCommandLine(t *testing.T) {
	p, err := ParseCommandLine("console=ttyS0 rootwait warrenroot=/dev/sda")
	if err != nil || p.Root != "/dev/vda" || p.Hostname != "warren" || p.Address != nil || p.Gateway != nil || p.DNS != nil {
		t.Errorf("%+v %v", p, err)
	}
}

func TestCommandLineThatIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"warren.root=vda":                                    "not a device below /dev",
		"warren.address=169.254.0.21":                        "not an IPv4 address with prefix length",
		"warren.address=fe80::1/64":                          "not an IPv4 address with prefix length",
		"warren.gateway=nowhere":                             `"nowhere" is not an IPv4 address`,
		"warren.gateway=10.0.0.1":                            "not in the network of warren.address",
		"warren.address=10.0.0.2/30 warren.gateway=10.0.0.9": "not in the network of warren.address",
		"warren.dns=8.8.8.8,":                                `"" is not an IPv4 address`,
		"warren.hostname=":                                   "a host name has 1 to 64 characters",
		"warren.hostname=" + strings.Repeat("x", 65):         "a host name has 1 to 64 characters",
		"warren.adress=1.2.3.4/8":                            "unknown parameter",
		"warren.":                                            "unknown parameter",
	} {
		if _, err := ParseCommandLine(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseCommandLine(f *testing.F) {
	f.Add("warren.root=/dev/vda warren.address=169.254.0.21/30 warren.gateway=169.254.0.22 warren.dns=8.8.8.8,8.8.4.4 warren.hostname=warren")
	f.Add("warren.=\x00 warren.dns=,,, warren.address=/")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseCommandLine(text)
		if err != nil {
			return
		}
		if p.Root == "" || p.Hostname == "" || p.Address != nil && (p.Network == nil || len(p.Address) != 4) {
			t.Fatalf("%q: %+v", text, p)
		}
		for _, server := range p.DNS {
			if len(server) != 4 {
				t.Fatalf("%q: %v", text, server)
			}
		}
	})
}
