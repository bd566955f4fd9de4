import { request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { OPERATOR_SOCKET } from "@warren/contracts/rest/admin";
import type { TestStack } from "./test-stack.ts";

/** Calls the operator's socket of a stack, as `warren admin` does. */
export function operate(stack: TestStack, method: string, path: string, body?: object) {
  return new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const call = request({
      socketPath: join(stack.config.dataDir, OPERATOR_SOCKET),
      method,
      path,
      headers: body ? { "content-type": "application/json" } : {},
    });
    call.once("error", reject);
    call.once("response", async (response) => {
      const empty = response.statusCode === 204;
      resolve({ status: response.statusCode!, body: empty ? undefined : await json(response) });
    });
    call.end(body && JSON.stringify(body));
  });
}
