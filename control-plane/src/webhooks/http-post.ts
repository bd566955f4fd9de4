import { Resolver } from "node:dns/promises";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { LIMITS } from "@warren/contracts/limits";
import type { AddressPolicy } from "../addresses/address-policy.ts";

/** Milliseconds for all of an attempt, from the look-up of the name to the answer's headers. */
const ATTEMPT_MS = 15_000;
/** Bytes of an answer that are read, and milliseconds that it has for them after its headers. */
const ANSWER_BYTES = 4096;
const ANSWER_MS = 2000;
/** Milliseconds that a server of names has to answer, and how often it is asked. */
const RESOLVER = { timeout: 3000, tries: 2 };
/** Addresses of a name that are tried. */
const MOST_ADDRESSES = 8;
/** Characters of a problem that are kept. */
const PROBLEM_CHARACTERS = 300;

/** What a receiver answered. */
export interface PostAnswer {
  status: number;
  /** How its body begins, without control characters. */
  text: string;
}

/** Addresses of a name. */
export type Resolve = (name: string) => Promise<string[]>;

/** Why there was no answer, in words for people that have no address with a token in them. */
export class PostFailed extends Error {}

/**
 * Sends a body by POST to where it may go, and follows no redirect. Each address is judged when the connection to it is made,
 * so that a name that changes its mind gains nothing. Throws `PostFailed`.
 */
export class HttpPost {
  readonly #policy: AddressPolicy;
  readonly #resolve: Resolve;
  readonly #attemptMs: number;

  constructor(policy: AddressPolicy, { resolve = resolveName, attemptMs = ATTEMPT_MS } = {}) {
    this.#policy = policy;
    this.#resolve = resolve;
    this.#attemptMs = attemptMs;
  }

  /** Says what is wrong with an address as far as that can be said without a look-up of its name. */
  problemOf(address: string): string | undefined {
    const url = URL.parse(address);
    if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return "must be an http or https address";
    if (url.username || url.password) return "must have no user or password";
    const host = hostOf(url);
    if (isIP(host) !== 0 && !this.#policy.allows(host)) return notAllowed(host);
    return undefined;
  }

  async send(address: string, body: string, headers: Record<string, string>, stop: AbortSignal): Promise<PostAnswer> {
    const problem = this.problemOf(address);
    if (problem !== undefined) throw new PostFailed(`the address ${problem}`);
    const url = new URL(address);
    const late = AbortSignal.timeout(this.#attemptMs);
    try {
      return await this.#exchange(url, body, headers, AbortSignal.any([stop, late]));
    } catch (error) {
      if (stop.aborted) throw stop.reason;
      if (late.aborted) throw new PostFailed(`no answer within ${this.#attemptMs / 1000} seconds`);
      if (error instanceof PostFailed) throw error;
      throw new PostFailed(describe(error as NodeJS.ErrnoException));
    }
  }

  #exchange(url: URL, body: string, headers: Record<string, string>, signal: AbortSignal): Promise<PostAnswer> {
    const bytes = Buffer.from(body);
    const options: RequestOptions = {
      method: "POST",
      // A connection for each, which ends with the answer.
      agent: false,
      lookup: this.#lookup,
      signal,
      headers: { "user-agent": "Warren-Webhooks", ...headers, "content-length": bytes.length },
    };
    return new Promise((resolve, reject) => {
      const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options);
      request.on("error", reject);
      request.once("response", (response) => {
        readStart(response).then((text) => {
          resolve({ status: response.statusCode!, text });
          request.destroy();
        }, reject);
      });
      request.end(bytes);
    });
  }

  /** Looks a name up, and leaves those of its addresses that may be reached. */
  readonly #lookup: LookupFunction = (name, { all }, callback) => {
    this.#allowedOf(name).then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: isIP(address) }));
        if (all) callback(null, found);
        else callback(null, found[0]!.address, found[0]!.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ""),
    );
  };

  async #allowedOf(name: string): Promise<string[]> {
    const addresses = await this.#resolve(name);
    const [first] = addresses;
    if (first === undefined) throw new PostFailed(`the name ${name} has no address`);
    const allowed = addresses.filter((address) => this.#policy.allows(address));
    if (allowed.length === 0) throw new PostFailed(`the address ${notAllowed(first)}`);
    return allowed.slice(0, MOST_ADDRESSES);
  }
}

/**
 * Asks servers of names, by the event loop: getaddrinfo() would hold one of the few threads that the whole server has, for as
 * long as a server of a stranger's choice likes.
 */
async function resolveName(name: string): Promise<string[]> {
  if (/(?:^|\.)localhost\.?$/i.test(name)) return ["127.0.0.1", "::1"];
  const resolver = new Resolver(RESOLVER);
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

/** Reads how an answer begins, as much of it as comes in time. */
async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    response.on("data", (chunk: Buffer) => {
      const rest = chunk.subarray(0, ANSWER_BYTES - bytes);
      chunks.push(rest);
      bytes += rest.length;
      if (bytes >= ANSWER_BYTES) {
        response.pause();
        done();
      }
    });
    // One that breaks off has a status all the same.
    response.once("end", done).once("error", done).once("close", done);
  });
  return printable(Buffer.concat(chunks).toString()).slice(0, LIMITS.webhookAnswerCharacters).toWellFormed();
}

function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "\ufffd");
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function notAllowed(host: string): string {
  return `${host} is not a public one, and this server's settings do not allow it (WARREN_WEBHOOK_ALLOW_PRIVATE)`;
}

function describe(error: NodeJS.ErrnoException): string {
  const cause = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  const words = cause.message || cause.code || "the connection failed";
  return printable(words).slice(0, PROBLEM_CHARACTERS);
}
