import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { AuthResponse, LogIn, SignUp, SwitchTeam } from "@warren/contracts/rest/accounts";
import { ErrorBody } from "@warren/contracts/rest/error";
import { SessionParams, UserSession } from "@warren/contracts/rest/sessions";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { handOver } from "./hand-over.ts";
import { sessionClientOf } from "./session-client.ts";
import type { SessionCookie } from "./session-cookie.ts";
import type { SessionStore } from "./session-store.ts";
import { toUserSession } from "./session-view.ts";
import type { SignIn } from "./sign-in.ts";
import type { SignOut } from "./sign-out.ts";

const tags = ["accounts"];
const bodyLimit = LIMITS.credentialBodyBytes;

/** What the routes need. */
export interface SessionRouteParts {
  signIn: SignIn;
  sessions: SessionStore;
  cookie: SessionCookie;
  limiter: RateLimiter;
  signOut: SignOut;
}

/** Routes under `/v1/auth` that open a session: anybody may call them. */
export function signInRoutes({ signIn, cookie, limiter }: SessionRouteParts): Routes {
  return async (app) => {
    app.post(
      "/v1/auth/signup",
      {
        bodyLimit,
        onRequest: limitNetwork(limiter, "sign up", RATES.signUp.network),
        schema: {
          tags,
          summary: "Make an account with a team of its own, and sign in",
          security: [],
          body: SignUp,
          response: { 201: AuthResponse, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const session = await signIn.signUp(request.body, sessionClientOf(request));
        return reply.code(201).send(handOver(reply, cookie, session, request.body.cookie ?? false));
      },
    );

    app.post(
      "/v1/auth/login",
      {
        bodyLimit,
        onRequest: limitNetwork(limiter, "log in", RATES.logIn.network),
        schema: {
          tags,
          summary: "Sign in with a password",
          description: "Signs in to the default team if it is live, else to the live team that the user joined first.",
          security: [],
          body: LogIn,
          response: { 200: AuthResponse, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const session = await signIn.logIn(request.body, sessionClientOf(request));
        return handOver(reply, cookie, session, request.body.cookie ?? false);
      },
    );
  };
}

/** Routes under `/v1/auth` of a signed-in user. */
export function sessionRoutes({ signIn, signOut, sessions, cookie }: SessionRouteParts): Routes {
  return async (app) => {
    app.post(
      "/v1/auth/switch-team",
      {
        bodyLimit,
        schema: {
          tags,
          summary: "Continue the session in another team",
          description:
            "Reads membership, role and name anew. With the team of the session itself it renews the session, up to 7 days after signing in.",
          body: SwitchTeam,
          response: { 200: AuthResponse, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const session = await signIn.switchTeam(userOf(request), fromWireId("team", request.body.team_id));
        return handOver(reply, cookie, session, cookie.isUsedBy(request));
      },
    );

    app.post(
      "/v1/auth/logout",
      { schema: { tags, summary: "End this session", response: { 204: Type.Null(), "4xx": ErrorBody } } },
      async (request, reply) => {
        const user = userOf(request);
        await signOut.end(user, user.sessionId);
        cookie.clearIfUsed(request, reply);
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/me/sessions",
      {
        schema: {
          tags,
          summary: "List one's own sessions, the last used first",
          description: `Shows ${LIMITS.listedSessions} at most.`,
          response: { 200: Type.Array(UserSession), "4xx": ErrorBody },
        },
      },
      async (request) => {
        const { userId, sessionId } = userOf(request);
        return (await sessions.list(userId)).map((row) => toUserSession(row, sessionId));
      },
    );

    app.delete(
      "/v1/me/sessions/:id",
      {
        schema: {
          tags,
          summary: "End one of one's own sessions",
          params: SessionParams,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const user = userOf(request);
        const sessionId = fromWireId("ses", request.params.id);
        if (!(await signOut.end(user, sessionId))) {
          throw new WarrenError("not_found", "you have no such session; it may have ended already");
        }
        if (sessionId === user.sessionId) cookie.clearIfUsed(request, reply);
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/auth/logout-everywhere",
      { schema: { tags, summary: "End all sessions of the user", response: { 204: Type.Null(), "4xx": ErrorBody } } },
      async (request, reply) => {
        await signOut.endAll(userOf(request));
        cookie.clearIfUsed(request, reply);
        return reply.code(204).send(null);
      },
    );
  };
}
