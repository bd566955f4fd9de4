/**
 * Connections that a guest may have open at a time. Each has an entry in the table of the guest's namespace, and one in the
 * host's, which all guests share.
 */
export const CONNECTION_LIMIT = 4096;

/** Entries of the host's table that are its own. */
export const HOST_CONNECTIONS = 65_536;

/** How many entries the table of each network namespace may have (nf_conntrack-sysctl of the kernel). */
export const CONNECTION_TABLE = "/proc/sys/net/netfilter/nf_conntrack_max";
