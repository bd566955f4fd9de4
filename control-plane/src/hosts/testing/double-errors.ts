import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode } from "@warren/contracts/errors";
import { ErrorDetailSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";

/** An error as the host agent sends it: the catalogue's code is a detail. */
export function rpcError(code: ErrorCode, message: string): ConnectError {
  return new ConnectError(message, Code.Unknown, undefined, [{ desc: ErrorDetailSchema, value: { code } }]);
}
