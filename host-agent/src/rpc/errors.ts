import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { ErrorDetailSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { Logger } from "pino";

const RPC_CODE_OF_STATUS: Record<number, Code> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  409: Code.FailedPrecondition,
  413: Code.OutOfRange,
  429: Code.ResourceExhausted,
  502: Code.Internal,
  503: Code.Unavailable,
  504: Code.DeadlineExceeded,
  507: Code.ResourceExhausted,
};

/** The Connect error of a catalogue error; its detail carries the code. */
export function rpcError(error: WarrenError): ConnectError {
  const code = RPC_CODE_OF_STATUS[error.status] ?? Code.Internal;
  const detail: { code: ErrorCode } = { code: error.code };
  return new ConnectError(error.message, code, undefined, [{ desc: ErrorDetailSchema, value: detail }], error);
}

/** The catalogue's error for one that a call ended with; what is none of it is logged, and goes out without its text. */
export function catalogueError(error: unknown, call: string, log: Logger): WarrenError {
  if (error instanceof WarrenError) return error;
  log.error({ err: error, call }, "call failed");
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new WarrenError("host_disk_full", "the host's disk is full; free some and try again");
  }
  return new WarrenError("internal_error", "the host agent failed; its log says why");
}

/** Gives every failed call an error of the catalogue. */
export function errorInterceptor(log: Logger): Interceptor {
  const translate = (error: unknown, method: string): ConnectError => {
    if (error instanceof ConnectError) return error;
    return rpcError(catalogueError(error, method, log));
  };
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const { message } = response;
      return {
        ...response,
        message: (async function* () {
          try {
            yield* message;
          } catch (error) {
            throw translate(error, request.method.name);
          }
        })(),
      };
    } catch (error) {
      throw translate(error, request.method.name);
    }
  };
}
