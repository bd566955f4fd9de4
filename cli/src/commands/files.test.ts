import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, beforeAll, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../main.ts");
const ID = `sb${"a".repeat(20)}`;

/** Answers as a server does whose sandbox has a directory `full`, which is not empty, and no directory `no`. */
const server = createServer(async (request, response) => {
  if (request.method === "GET") return response.end(JSON.stringify({ id: ID, status: "running" }));
  const { path, recursive, parents } = (await json(request)) as {
    path: string;
    recursive?: boolean;
    parents?: boolean;
  };
  const refuse = (status: number, code: string, message: string) =>
    response.writeHead(status).end(JSON.stringify({ error: { code, message } }));
  const entry = {
    name: "a",
    path,
    type: "directory",
    size: 0,
    mode: "0755",
    owner: "u",
    group: "u",
    modified_at: "2026",
  };
  if (request.url?.endsWith("/remove")) {
    if (recursive) return response.writeHead(204).end();
    if (path === "missing") return refuse(404, "file_not_found", "path 'missing' does not exist");
    return refuse(409, "conflict", "path 'full': directory not empty");
  }
  if (parents) return response.end(JSON.stringify(entry));
  if (path === "full") return refuse(409, "already_exists", "path 'full': file exists");
  return refuse(404, "file_not_found", "there is no directory 'no' for 'no/such': make it first");
});
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** What `warren files` says on standard error. */
async function said(...words: string[]): Promise<string> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
  return text(spawn(process.execPath, [...NODE_FLAGS, MAIN, "files", ...words], { env }).stderr);
}

test.each([
  [["rm", `${ID}:full`], "directory not empty; -r removes a directory with all that is in it (conflict)"],
  [["rm", "-r", `${ID}:full`], ""],
  [["rm", `${ID}:missing`], "path 'missing' does not exist (file_not_found)"],
  [["mkdir", `${ID}:no/such`], "make it first; -p makes missing directories too (file_not_found)"],
  [["mkdir", `${ID}:full`], "file exists; with -p a directory that is there is taken for made (already_exists)"],
  [["mkdir", "-p", `${ID}:no/such`], ""],
])("files %j speaks of its own options: %s", async (words, expected) => {
  const error = await said(...words);
  if (expected === "") expect(error).toBe("");
  else expect(error).toContain(expected);
});
