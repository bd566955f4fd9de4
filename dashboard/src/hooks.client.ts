import type { HandleClientError } from "@sveltejs/kit/hooks";
import { ApiError } from "#lib/api/api-error.ts";

/** What the error page says of an error that a page did not handle. */
export const handleError: HandleClientError = ({ error }) => {
  if (!(error instanceof ApiError)) {
    console.error(error);
    return undefined;
  }
  const { code, message, requestId } = error;
  return { message, code, ...(requestId === undefined ? {} : { requestId }) };
};
