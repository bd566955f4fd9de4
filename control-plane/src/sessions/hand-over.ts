import type { AuthResponse } from "@warren/contracts/rest/accounts";
import type { FastifyReply } from "fastify";
import type { SessionCookie } from "./session-cookie.ts";
import { toAuthResponse } from "./session-view.ts";
import type { Session } from "./sign-in.ts";

/** Gives a session to the client: in the cookie, or in the answer. */
export function handOver(
  reply: FastifyReply,
  cookie: SessionCookie,
  session: Session,
  intoCookie: boolean,
): AuthResponse {
  if (intoCookie) cookie.write(reply, session.token, session.expiresAt);
  return toAuthResponse(session, { withToken: !intoCookie });
}
