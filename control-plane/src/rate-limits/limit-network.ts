import type { FastifyRequest } from "fastify";
import { networkOf } from "./network.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { Rate } from "./rates.ts";

/** A hook `onRequest` that counts requests of the client's network, before the body is read. */
export function limitNetwork(limiter: RateLimiter, action: string, rate: Rate) {
  return async (request: FastifyRequest): Promise<void> => {
    await limiter.take(`${action} from`, networkOf(request.ip), rate);
  };
}
