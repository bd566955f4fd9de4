module warren/guest-agent

go 1.19
