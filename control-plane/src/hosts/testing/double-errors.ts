import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { ErrorDetailSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";

/** Answers errors of the catalogue as the protocol wants them. */
export function answering<I, O, R extends unknown[]>(
  handler: (request: I, ...rest: R) => Promise<O>,
): (request: I, ...rest: R) => Promise<O> {
  return async (request, ...rest) => {
    try {
      return await handler(request, ...rest);
    } catch (error) {
      throw asRpcError(error);
    }
  };
}

/** As `answering`, for answers that are streams. */
export function streaming<I, O, R extends unknown[]>(
  handler: (request: I, ...rest: R) => AsyncIterable<O>,
): (request: I, ...rest: R) => AsyncIterable<O> {
  return async function* (request, ...rest) {
    try {
      yield* handler(request, ...rest);
    } catch (error) {
      throw asRpcError(error);
    }
  };
}

function asRpcError(error: unknown): unknown {
  return error instanceof WarrenError ? rpcError(error.code, error.message) : error;
}

/** An error as the host agent sends it: the catalogue's code is a detail. */
export function rpcError(code: ErrorCode, message: string): ConnectError {
  return new ConnectError(message, Code.Unknown, undefined, [{ desc: ErrorDetailSchema, value: { code } }]);
}
