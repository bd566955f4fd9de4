import { Readable } from "node:stream";
import type { App } from "./app-types.ts";

/**
 * Has requests that bring no body and name a type for it be read as ones with an empty body. Node's HTTP leaves out the end of
 * a body that does not come (`optimizeEmptyRequests`), for which a reader would wait for ever.
 */
export function endMissingBodies(app: App): void {
  app.addHook("preParsing", ({ headers }, _reply, _payload, done) => {
    const comes = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
    if (comes || headers["content-type"] === undefined) done();
    else done(null, Readable.from([]));
  });
}
