import { WarrenError } from "@warren/contracts/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App, Routes } from "../http/app-types.ts";
import type { Builds, ServedBuild } from "./builds.ts";
import type { ServedFile } from "./built-pages.ts";
import { waitingPage } from "./waiting-page.ts";

/** Addresses that the single page of the dashboard knows; all others are the API's, or nobody's. */
const PAGES = ["/", "/login", "/setup", "/reset", "/auth/:provider/callback", "/dashboard", "/dashboard/*"];
/** Addresses of files at the top of a build, each with its path there. */
const FILES = { "/test": "test.html", "/test.js": "test.js", "/test.css": "test.css", "/favicon.svg": "favicon.svg" };
/** Below it stand the files of builds, and those that never change below `immutable/` of it. */
const ASSETS = "_app/";
const IMMUTABLE = `${ASSETS}immutable/`;

/** Browsers keep what has its content's hash in its name, and ask for all else each time. */
const FOREVER = "public, max-age=31536000, immutable";
const ASK_AGAIN = "no-cache";

/** The pages of the dashboard: files of a build, without a handler for anything else. */
export function dashboardRoutes(builds: Builds): Routes {
  return async (app) => {
    for (const path of PAGES) get(app, path, (request, reply) => sendPage(builds, "index.html", request, reply));
    for (const [path, file] of Object.entries(FILES)) {
      get(app, path, (request, reply) => sendPage(builds, file, request, reply));
    }
    get(app, `/${ASSETS}*`, async (request, reply) => {
      const path = ASSETS + (request.params as { "*": string })["*"];
      // A page that is open since an earlier build loads the rest of itself from that.
      for (const { pages } of await builds.all()) {
        const file = pages.find(path, request.headers["accept-encoding"]);
        if (file) return send(request, reply, file, path.startsWith(IMMUTABLE) ? FOREVER : ASK_AGAIN);
      }
      throw new WarrenError("not_found", `there is no ${request.method} /${path}; reload the page`);
    });
  };
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

function get(app: App, path: string, handler: Handler): void {
  app.get(path, { schema: { hide: true } }, handler);
}

async function sendPage(builds: Builds, path: string, request: FastifyRequest, reply: FastifyReply) {
  const build = await builds.current();
  const file = build?.pages.find(path, request.headers["accept-encoding"]);
  if (!build || !file) return sendWaiting(builds, reply);
  setPolicy(reply, build, path);
  return send(request, reply, file, ASK_AGAIN);
}

function setPolicy(reply: FastifyReply, { policies }: ServedBuild, path: string): void {
  const policy = policies.get(path);
  if (policy !== undefined) reply.header("content-security-policy", policy);
}

/** Says that the pages are being built, or why there are none; the API works meanwhile. */
async function sendWaiting(builds: Builds, reply: FastifyReply): Promise<FastifyReply> {
  const { html, policy } = waitingPage(await builds.failure());
  return reply
    .code(503)
    .headers({ "retry-after": "2", "cache-control": "no-store", "content-security-policy": policy })
    .type("text/html; charset=utf-8")
    .send(html);
}

function send(request: FastifyRequest, reply: FastifyReply, file: ServedFile, cacheControl: string): FastifyReply {
  reply.headers({ etag: file.etag, "cache-control": cacheControl, vary: "Accept-Encoding" });
  if (isKnown(request.headers["if-none-match"], file.etag)) return reply.code(304).send();
  if (file.encoding !== undefined) reply.header("content-encoding", file.encoding);
  return reply.type(file.type).send(file.content);
}

/** Whether a client has the content already, by its If-None-Match (RFC 9110, section 13.1.2). */
function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((tag) => ["*", etag, `W/${etag}`].includes(tag.trim()));
}
