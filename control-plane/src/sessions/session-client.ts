import type { FastifyRequest } from "fastify";
import { networkOf } from "../rate-limits/network.ts";

/** Characters that are kept of what a client says. */
const USER_AGENT_CHARACTERS = 256;
const ADDRESS_CHARACTERS = 64;

/** Who opens a session, as far as the request shows it. */
export interface SessionClient {
  /** For rate limits. */
  network: string;
  /** For people, without control and formatting characters; a proxy may name anything. */
  address: string;
  userAgent: string | null;
}

export function sessionClientOf({ ip, headers }: FastifyRequest): SessionClient {
  const userAgent = printable(headers["user-agent"] ?? "", USER_AGENT_CHARACTERS);
  return {
    network: networkOf(ip),
    address: printable(ip, ADDRESS_CHARACTERS),
    userAgent: userAgent === "" ? null : userAgent,
  };
}

/** A text that shows as what it is, wherever it is shown as text. */
function printable(text: string, characters: number): string {
  const cleared = text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return [...cleared].slice(0, characters).join("");
}
