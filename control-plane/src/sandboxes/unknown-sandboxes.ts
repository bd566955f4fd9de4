/** Milliseconds for which a host must have a sandbox that is none of its own before that is ended. */
const GRACE_MS = 30_000;

/** What is thought of one host. */
interface Known {
  /** Were there when the host was first asked. */
  found: Set<string>;
  /** Have come since, and when that was noticed. */
  come: Map<string, number>;
}

/**
 * Tells which sandboxes are to be ended that their host has and the database does not have on it. The row of a sandbox is there
 * before its host hears of it: so one that comes while hosts are watched, and has no row, has lost its row or its place by the
 * decision of this database. Of one that was there before, that is not known: the database may be one that was restored from a
 * back-up, or another one, which knows nothing of what was made since. It is left alone unless an operator says that all such
 * are to be ended.
 */
export class UnknownSandboxes {
  readonly #endsFound: boolean;
  readonly #now: () => number;
  #hosts = new Map<string, Known>();

  /** `endsFound`: whether those that were there before are ended as well; `now`: milliseconds of a clock that only goes on. */
  constructor(endsFound: boolean, now: () => number = () => performance.now()) {
    this.#endsFound = endsFound;
    this.#now = now;
  }

  /** Hosts are watched from now on, and what was seen of them before says nothing any more. */
  begin(): void {
    this.#hosts = new Map();
  }

  /**
   * Takes what a host has that it should not, as of this moment; returns which of it is to be ended now, and what was found
   * for the first time and is left alone.
   */
  judge(hostId: string, unknown: readonly string[]): { ended: string[]; found: string[] } {
    const known = this.#hosts.get(hostId);
    if (!known) {
      const found = this.#endsFound ? [] : [...unknown];
      const come = new Map(this.#endsFound ? unknown.map((id) => [id, this.#now()]) : []);
      this.#hosts.set(hostId, { found: new Set(found), come });
      return { ended: [], found };
    }
    const before = known.come;
    known.come = new Map();
    known.found = new Set(unknown.filter((id) => known.found.has(id)));
    for (const id of unknown) if (!known.found.has(id)) known.come.set(id, before.get(id) ?? this.#now());
    const ended = [...known.come].filter(([, since]) => this.#now() - since >= GRACE_MS).map(([id]) => id);
    return { ended, found: [] };
  }
}
