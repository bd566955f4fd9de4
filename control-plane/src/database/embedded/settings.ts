/** How a server is to run. */
export interface Durability {
  /** What it answered for is on the disk. Otherwise a loss of power may damage the cluster. */
  durable: boolean;
  /** Clients that may be connected at once. */
  maxConnections: number;
}

/** Major version of PostgreSQL that has asynchronous I/O. */
const IO_METHOD_SINCE = 18;

/**
 * Settings of a server, of a former version too (PostgreSQL 18 documentation, chapter 19), which win over those of files in
 * the cluster: for one machine that has better uses for its memory, one client process, and a disk that may be small.
 */
export function serverSettings(major: number, { durable, maxConnections }: Durability, socket: string): string[] {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: socket,
    // The directory of the socket is open to this user and root alone.
    unix_socket_permissions: "0700",
    max_connections: maxConnections,
    superuser_reserved_connections: 1,
    timezone: "UTC",
    log_timezone: "UTC",

    fsync: durable,
    full_page_writes: durable,
    synchronous_commit: durable,

    shared_buffers: "16MB",
    huge_pages: "off",
    max_wal_size: "64MB",
    min_wal_size: "32MB",
    work_mem: "4MB",
    maintenance_work_mem: "16MB",
    jit: "off",
    // Workers for reading ahead, for parallel queries and for replication would be processes beside each other for nothing.
    ...(major >= IO_METHOD_SINCE && { io_method: "sync" }),
    max_worker_processes: 0,
    max_parallel_workers_per_gather: 0,
    max_logical_replication_workers: 0,
    wal_level: "minimal",
    max_wal_senders: 0,
    autovacuum: durable,
    autovacuum_max_workers: 1,

    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "",
    lc_messages: "C",
    // The values of a statement may be secret.
    log_error_verbosity: "terse",
    log_min_error_statement: "panic",
    log_checkpoints: "off",
  };
  return Object.entries(settings).flatMap(([name, value]) => [
    "-c",
    `${name}=${typeof value === "boolean" ? (value ? "on" : "off") : value}`,
  ]);
}
