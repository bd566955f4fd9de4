import type { WarrenError } from "@warren/contracts/errors";
import type { ErrorBody } from "@warren/contracts/rest/error";

/** The body that tells a client of an error. */
export function errorBody(error: WarrenError): ErrorBody {
  return { error: { code: error.code, message: error.message } };
}
