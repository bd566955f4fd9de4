import { WarrenError } from "@warren/contracts/errors";
import type { Heartbeat } from "@warren/contracts/rest/hosts";
import type { Logger } from "pino";
import type { HostIdentity } from "../rpc/secure-server.ts";
import { type Asked, askForCertificate, isHalfOver } from "./certification.ts";
import {
  type Beat,
  type Called,
  type GivenCredentials,
  heartbeat,
  parseControlPlaneUrl,
  refresh,
  register,
} from "./control-plane.ts";
import type { ControlPlaneLoss } from "./control-plane-loss.ts";
import type { CredentialStore, Credentials } from "./credentials.ts";

/** Milliseconds between two signs of life. */
const INTERVAL_MS = 30_000;

/** What the link needs. */
export interface LinkParts {
  credentials: CredentialStore;
  /** Where the control plane reaches this host agent. */
  address: string;
  /** By whom the certificate of the control plane must be signed, PEM; absent = by those whom Node believes. */
  authority?: string | undefined;
  /** What the host says of itself. */
  report: () => Promise<Required<Heartbeat>>;
  /** Has the host become what its control plane says that it is; absent for a host that is reached by a socket. */
  become?: (identity: HostIdentity | undefined) => void;
  /** Told what becomes of signs of life. */
  loss: Pick<ControlPlaneLoss, "over" | "missed" | "close">;
  log: Logger;
  /** Milliseconds between two signs of life; 30 s when absent. */
  intervalMs?: number;
}

/** Where a host belongs, and as which one. */
export interface JoinRequest {
  controlPlaneUrl: string;
  hostId: string;
  /** A registration token; empty = the host shows the credentials that it has. */
  token: string;
}

/**
 * What became of a sign of life: `refused`: the credentials are worth nothing; `gone`: the host was deleted; `failed`: no
 * answer, or one that says nothing of the host.
 */
type Outcome = "taken" | "refused" | "gone" | "failed";

/** The host's tie to its control plane: registration, signs of life, and credentials that are renewed. */
export class Link {
  readonly #parts: LinkParts;
  #credentials: Credentials | undefined;
  /** Whether the credentials are where the next host agent finds them. */
  #isKept = true;
  #timer: NodeJS.Timeout | undefined;
  /** One thing at a time: credentials that are being renewed are not used. */
  #last: Promise<unknown> = Promise.resolve();
  #outcome: Outcome = "taken";
  #unreached: string | undefined;
  readonly #gone = Promise.withResolvers<void>();
  readonly #end = new AbortController();

  private constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** Takes up the credentials that there are, and gives a first sign of life at once where there are any. */
  static async open(parts: LinkParts): Promise<Link> {
    const link = new Link(parts);
    try {
      link.#credentials = await parts.credentials.read();
    } catch (error) {
      parts.log.error({ err: error }, "the credentials of this host cannot be read");
    }
    if (link.#credentials) {
      parts.become?.(link.#credentials.identity);
      void link.#inTurn(() => link.#tick());
    }
    return link;
  }

  /** Why the control plane cannot call this host, as it said last; undefined where it can, as far as is known. */
  get unreached(): string | undefined {
    return this.#unreached;
  }

  /** Resolves once the host was deleted. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Ties the host to a control plane; whether it is now. Throws when that cannot be said. */
  async join(request: JoinRequest): Promise<boolean> {
    const controlPlaneUrl = parseControlPlaneUrl(request.controlPlaneUrl);
    return this.#inTurn(async () => {
      if (request.token === "") return this.#show({ ...request, controlPlaneUrl });
      await this.#register(controlPlaneUrl, request.token);
      return true;
    });
  }

  /**
   * Registers with a token, or shows the credentials that the host has where its control plane is now. `anew`: registers though it
   * has some, which stay as they are when that is refused.
   */
  async registerOnce(url: string, token: string | undefined, { anew = false } = {}): Promise<void> {
    const controlPlaneUrl = parseControlPlaneUrl(url);
    await this.#inTurn(async () => {
      if (this.#credentials && !anew) {
        if (this.#credentials.controlPlaneUrl === controlPlaneUrl) return;
        await this.#keep({ ...this.#credentials, controlPlaneUrl });
        void this.#inTurn(() => this.#tick());
      } else if (token) await this.#register(controlPlaneUrl, token);
      else {
        const message = "this host has no credentials, and WARREN_HOST_TOKEN has no registration token";
        throw new WarrenError("invalid_request", message);
      }
    });
  }

  /** Gives no more signs of life. */
  async close(): Promise<void> {
    this.#parts.loss.close();
    this.#end.abort();
    clearTimeout(this.#timer);
    await this.#last;
  }

  async #register(controlPlaneUrl: string, token: string): Promise<void> {
    const { address, report, log } = this.#parts;
    const asked = await this.#ask();
    const request = { token, address, ...(asked && { csr_pem: asked.request }), ...(await report()) };
    const given = await register(this.#called(controlPlaneUrl), request);
    await this.#keep({ controlPlaneUrl, ...taken(given, asked) });
    this.#outcome = "taken";
    this.#parts.loss.over();
    log.info({ host: given.hostId, control_plane: controlPlaneUrl }, "this host has registered");
    // A host at a port is online once it was called there, which its first sign of life asks for.
    if (asked) await this.#tick();
    else this.#schedule();
  }

  /** Shows the credentials of a host to a control plane, if there are any of it. */
  async #show({ controlPlaneUrl, hostId }: JoinRequest): Promise<boolean> {
    if (this.#credentials?.hostId !== hostId) return false;
    if (this.#credentials.controlPlaneUrl !== controlPlaneUrl)
      await this.#keep({ ...this.#credentials, controlPlaneUrl });
    const outcome = await this.#tick();
    if (outcome === "failed") throw new WarrenError("server_unreachable", "the control plane takes no signs of life");
    return outcome === "taken";
  }

  /** Gives a sign of life, and sees to the next. */
  async #tick(): Promise<Outcome> {
    const { log } = this.#parts;
    const began = performance.now();
    if (!this.#credentials) return "gone";
    if (!this.#isKept) await this.#keepAgain(this.#credentials);
    let outcome: Outcome;
    let reason: unknown;
    try {
      outcome = await this.#beat();
    } catch (error) {
      outcome = "failed";
      reason = error;
    }
    if (outcome !== this.#outcome) {
      const host = this.#credentials?.hostId;
      if (outcome === "taken") log.info({ host }, "the control plane takes signs of life again");
      else if (outcome === "gone") log.warn("this host was deleted; it has no control plane any more");
      else log.warn({ host, outcome, err: reason }, "the control plane takes no signs of life");
    }
    this.#outcome = outcome;
    // A host that was deleted has no control plane that it could miss.
    if (outcome === "taken" || outcome === "gone") this.#parts.loss.over();
    else this.#parts.loss.missed(outcome);
    this.#schedule(performance.now() - began);
    return outcome;
  }

  async #beat(): Promise<Outcome> {
    await this.#renewIdentity();
    const beat = await this.#send();
    if (beat.status !== 401 && beat.status !== 403) return this.#settle(beat);
    return (await this.#renew()) ? this.#settle(await this.#send()) : "refused";
  }

  /** Gets new credentials, and a certificate where the host needs one; false when they are refused. */
  async #renew(): Promise<boolean> {
    const current = this.#credentials!;
    const asked = await this.#ask();
    const csr = asked && { csr_pem: asked.request };
    const renewed = await refresh(this.#called(current.controlPlaneUrl), {
      refresh_token: current.refreshToken,
      ...csr,
    });
    if (!renewed) return false;
    await this.#keep({ ...current, ...taken(renewed, asked) });
    this.#parts.log.info({ host: renewed.hostId }, "this host has new credentials");
    return true;
  }

  /** Renews the certificate in time, or gets the first one. A failure holds no sign of life up; the next one tries again. */
  async #renewIdentity(): Promise<void> {
    const { become, log } = this.#parts;
    const { identity } = this.#credentials!;
    if (!become || (identity && !isHalfOver(identity))) return;
    try {
      if (await this.#renew()) return;
      log.warn("the certificate of this host is not renewed: its credentials are refused");
    } catch (error) {
      log.warn({ err: error }, "the certificate of this host is not renewed");
    }
  }

  async #ask(): Promise<Asked | undefined> {
    return this.#parts.become && askForCertificate();
  }

  #called(url: string): Called {
    return { url, authority: this.#parts.authority };
  }

  async #send(): Promise<Beat> {
    const { controlPlaneUrl, hostId, token } = this.#credentials!;
    const called = { ...this.#called(controlPlaneUrl), hostId, token };
    return heartbeat(called, await this.#parts.report(), this.#end.signal);
  }

  async #settle({ status, unreached, isUnknown }: Beat): Promise<Outcome> {
    if (status === 401 || status === 403) return "refused";
    if (isUnknown) {
      this.#credentials = undefined;
      this.#parts.become?.(undefined);
      await this.#parts.credentials.remove();
      this.#gone.resolve();
      return "gone";
    }
    if (status < 200 || status >= 300)
      throw new WarrenError("server_unreachable", `the control plane answers with status ${status}`);
    if (unreached !== this.#unreached) this.#noteReach(unreached);
    return "taken";
  }

  #noteReach(unreached: string | undefined): void {
    const { address, log } = this.#parts;
    this.#unreached = unreached;
    if (unreached === undefined) log.info({ address }, "the control plane reaches this host");
    else log.warn({ address, reason: unreached }, "the control plane cannot reach this host, which takes no sandboxes");
  }

  /** Takes up credentials; throws when they cannot be written down, which the next sign of life tries again. */
  async #keep(credentials: Credentials): Promise<void> {
    this.#credentials = credentials;
    this.#parts.become?.(credentials.identity);
    this.#isKept = false;
    await this.#parts.credentials.write(credentials);
    this.#isKept = true;
  }

  async #keepAgain(credentials: Credentials): Promise<void> {
    try {
      await this.#keep(credentials);
    } catch (error) {
      this.#parts.log.error(
        { err: error },
        "the credentials of this host cannot be written down; a restart would lose them",
      );
    }
  }

  /** Sees to the next sign of life. `tookMs`: milliseconds since the last one began; waiting for an answer puts off none. */
  #schedule(tookMs = 0): void {
    clearTimeout(this.#timer);
    if (this.#end.signal.aborted || !this.#credentials) return;
    const { intervalMs = INTERVAL_MS } = this.#parts;
    const delay = Math.max(intervalMs - tookMs, intervalMs / 3);
    this.#timer = setTimeout(() => void this.#inTurn(() => this.#tick()), delay);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** What a host has of an answer to it. */
function taken({ issued, ...given }: GivenCredentials, asked: Asked | undefined): Omit<Credentials, "controlPlaneUrl"> {
  return { ...given, ...(asked && { identity: asked.answered(issued) }) };
}
