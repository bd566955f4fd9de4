import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import {
  Heartbeat,
  HeartbeatAnswer,
  HOST_TOKEN_HEADER,
  HostCredentials,
  HostParams,
  RefreshHost,
  RegisterHost,
} from "@warren/contracts/rest/hosts";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { limitNetwork } from "../rate-limits/limit-network.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { HostClaims } from "./host-jwt.ts";
import { toCredentials } from "./host-view.ts";
import type { Registration } from "./registration.ts";

const tags = ["hosts"];

/** Routes under `/v1/hosts` of host agents, which show tokens of their own. */
export function agentRoutes({ registration, limiter }: { registration: Registration; limiter: RateLimiter }): Routes {
  /** Who gives a sign of life, known before its body is read. */
  const hosts = new WeakMap<FastifyRequest, HostClaims>();
  const recognize = async (request: FastifyRequest): Promise<void> => {
    const token = request.headers[HOST_TOKEN_HEADER];
    if (typeof token !== "string") {
      throw new WarrenError("unauthorized", "the request has no credential; send the host's token in X-Host-Token");
    }
    const claims = await registration.recognize(token);
    await limiter.take("heartbeat of", claims.hostId, RATES.heartbeat.host);
    hosts.set(request, claims);
  };

  return async (app) => {
    app.post(
      "/v1/hosts/register",
      {
        bodyLimit: LIMITS.hostReportBytes,
        onRequest: limitNetwork(limiter, "register a host", RATES.registerHost.network),
        schema: {
          tags,
          summary: "Take up the registration of a host, by its agent",
          security: [],
          body: RegisterHost,
          response: { 201: HostCredentials, "4xx": ErrorBody },
        },
      },
      async (request, reply) => reply.code(201).send(toCredentials(await registration.register(request.body))),
    );

    app.post(
      "/v1/hosts/auth/refresh",
      {
        bodyLimit: LIMITS.credentialBodyBytes,
        onRequest: limitNetwork(limiter, "refresh a host", RATES.refreshHost.network),
        schema: {
          tags,
          summary: "New credentials for a host, whose refresh token then works for an hour more",
          description:
            "It does so for whoever lost the answer, and no longer than until the new refresh token is used.",
          security: [],
          body: RefreshHost,
          response: { 200: HostCredentials, "4xx": ErrorBody },
        },
      },
      async (request) => toCredentials(await registration.refresh(request.body)),
    );

    app.post(
      "/v1/hosts/:id/heartbeat",
      {
        bodyLimit: LIMITS.hostReportBytes,
        onRequest: recognize,
        schema: {
          tags,
          summary: "A sign of life of a host, and what it says of itself",
          description:
            "Every 30 seconds. A host that gives none for 90 seconds is `unreachable`. One that waits or was lost is called at its " +
            "address, and online when it answers; where it does not, the answer says why.",
          security: [{ hostToken: [] }],
          params: HostParams,
          body: Heartbeat,
          response: { 200: HeartbeatAnswer, 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const id = fromWireId("host", request.params.id);
        const unreached = await registration.heartbeat(id, hosts.get(request)!, request.body);
        return unreached === undefined ? reply.code(204).send(null) : reply.code(200).send({ unreached });
      },
    );
  };
}
