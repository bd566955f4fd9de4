import { readVersion } from "@warren/server/version";
import { pino } from "pino";
import { parseConfig } from "../config.ts";
import { createServer } from "./server.ts";

/** Stands for any part of the server: whatever is read of it or called is such a part again. */
const anyPart: unknown = new Proxy(() => undefined, {
  get: (_target, key) => (key === "then" || typeof key === "symbol" ? undefined : anyPart),
  apply: () => anyPart,
});

/** A part of which some things are known. */
function partWith<T extends object>(known: T): never {
  return new Proxy(known, { get: (part, key) => (key in part ? part[key as keyof T] : anyPart) }) as never;
}

/** The OpenAPI document that a server has, made without database or hosts: the routes are described, and not called. */
export async function openApiDocument(): Promise<object> {
  const config = parseConfig({});
  const foundation = partWith({ config, log: pino({ level: "silent" }), onClose: () => undefined });
  const app = await createServer(foundation, partWith({ version: readVersion() }));
  await app.ready();
  return app.swagger();
}
