package boot

// sysFinitModule is the number of finit_module(2), which package syscall does not name.
const sysFinitModule = 273
