/** What a caller can ask for at most. The REST schemas, the host agent and the documentation take their figures from here. */
export const LIMITS = {
  vcpus: { min: 1, max: 8, default: 1 },
  /** MiB. */
  memoryMb: { min: 128, max: 8192, default: 512 },
  /** Seconds of inactivity; 0 = never. At most 30 days. */
  timeoutSec: { min: 0, max: 2_592_000, default: 0 },
  /** Seconds for which a lease keeps a sandbox, unless it is renewed. */
  leaseSec: { min: 1, max: 86_400 },
  /** Entries of a sandbox's metadata, and bytes of the value of one. */
  metadata: { entries: 64, valueBytes: 1024 },
  /** Sandboxes of one team that are not paused, unless its quota says otherwise. */
  sandboxesPerTeam: 100,
  /** Copies of a sandbox from one stop. */
  forks: { min: 1, max: 100, default: 1 },
  /** Seconds that one command may take, however it is run; 0 = until it ends, or the connection of its client does. */
  /**
   * Bytes of standard input that a client may be ahead of a streamed command. Signals and the like that follow more than
   * that wait until the command reads.
   */
  stdinAheadBytes: 256 * 1024,
  execTimeoutSec: { min: 0, max: 2_592_000, default: 0 },
  /** Bytes of each of stdout and stderr that a command whose output is returned as a whole may produce. */
  execOutputBytes: 16 * 1024 * 1024,
  /** Bytes given to the standard input of a command whose output is returned as a whole. */
  execStdinBytes: 1024 * 1024,
  /** Arguments of one command. */
  execArgs: 1024,
  /** Bytes of one argument, environment value or command name (MAX_ARG_STRLEN of Linux is 128 KiB). */
  execArgBytes: 128 * 1024 - 1,
  /** Environment variables of one command or sandbox. */
  envVars: 256,
  /** Bytes of a path inside a sandbox (PATH_MAX of Linux is 4096 with its end mark). */
  pathBytes: 4095,
  /** Characters of a user name inside a sandbox. */
  guestUserCharacters: 64,
  /** Bytes of a whole multipart upload through `files/write`. */
  uploadBytes: 100 * 1024 * 1024,
  /** Bytes of a JSON body. */
  jsonBodyBytes: 4 * 1024 * 1024,
  /** Bytes of a body that carries a password or another credential. */
  credentialBodyBytes: 16 * 1024,
  password: { minCharacters: 8, maxBytes: 72 },
  /** Sandboxes that are over which one list shows at most. */
  endedSandboxes: 100,
  /** Templates whose files a host says that it has. */
  heldTemplates: 1000,
  /** Bytes of what a host says of itself. */
  hostReportBytes: 512 * 1024,
  /** Hosts that the admins of one team make known. */
  teamHosts: 100,
  /** Tags of one host. */
  hostTags: 64,
  /** Sandboxes whose series one answer holds at most. */
  measuredSandboxes: 500,
  /** Sandboxes of one page of a list. */
  sandboxPage: { min: 1, max: 200, default: 50 },
  /** Characters of a text that is looked for in ids and names of sandboxes. */
  sandboxSearchCharacters: 100,
  /** Days over which use is told at once at most. */
  usageDays: 366,
  /** Highest limit of what a team may use in a month, in any unit. */
  usageAmount: 1_000_000_000_000_000,
  /** Sandboxes, or templates, whose use one answer tells at most. */
  usageGroups: 1000,
  /** Sandboxes and templates that one family tree has at most. */
  familyNodes: 2000,
  /** Characters of an e-mail address (RFC 5321, section 4.5.3.1.3). */
  emailCharacters: 254,
  userNameCharacters: 100,
  apiKeyNameCharacters: 100,
  /** Items of one page of a list of administrators, and characters of a search in one. */
  adminPage: { max: 200, default: 50 },
  adminSearchCharacters: 100,
  /** Sessions that the list of one's own shows at most. */
  listedSessions: 100,
  /** API keys of one team. */
  apiKeys: 200,
  /** Webhooks of one team, and of the platform. */
  webhooks: 20,
  webhookNameCharacters: 100,
  webhookUrlCharacters: 2048,
  /** Deliveries that wait for one webhook at most: with another one it is switched off. */
  webhookQueue: 10_000,
  /** Characters of an answer to a webhook that are kept. */
  webhookAnswerCharacters: 1024,
  /** Deliveries of a webhook on one page. */
  deliveryPage: { min: 1, max: 200, default: 50 },
  /** Teams that one user may own. */
  ownedTeams: 50,
  /** Members of one team. */
  members: 500,
  /** Least characters of a search for users. */
  userSearchCharacters: 3,
  /** Users that one search shows at most. */
  userSearchResults: 10,
  /**
   * Bytes of the path of an entry in a list of files: as many levels, of names as long as they can be, below a path that can
   * be named.
   */
  listedPathBytes: 4095 + 64 * 256,
  /** Levels of directories in one list of files. */
  listDepth: { min: 1, max: 64 },
  /** Bytes of output that a client may have sent to it ahead of what it has used, when it wants a bound for that. */
  outputWindowBytes: { min: 1024, max: 64 * 1024 * 1024 },
  /** Bytes of the newest output of a command in the background that are kept for readers that come later. */
  keptOutputBytes: 1024 * 1024,
  /** Entries in one answer of a list of files. */
  listEntries: { min: 1, max: 200 },
  /** Events on one page of the audit log. */
  auditPage: { min: 1, max: 200, default: 50 },
  /** Actors that one request for events of the audit log names. */
  auditActors: 10,
  /** Characters of the id or name of what an event is about. */
  auditResourceIdCharacters: 255,
  /** Bytes of one frame of a stream between processes. */
  chunkBytes: 1024 * 1024,
} as const;
