import type { RequestListener } from "node:http";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";

const ID = `sb${"a".repeat(20)}`;

/** Answers as a server does whose sandbox has a directory `full`, which is not empty, and no directory `no`. */
const answer: RequestListener = async (request, response) => {
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
};
let server: StandInServer;
beforeAll(async () => {
  server = await StandInServer.start(answer);
});
afterAll(() => server?.close());

test.each([
  [["rm", `${ID}:full`], "directory not empty; -r removes a directory with all that is in it (conflict)"],
  [["rm", "-r", `${ID}:full`], ""],
  [["rm", `${ID}:missing`], "path 'missing' does not exist (file_not_found)"],
  [["mkdir", `${ID}:no/such`], "make it first; -p makes missing directories too (file_not_found)"],
  [["mkdir", `${ID}:full`], "file exists; with -p a directory that is there is taken for made (already_exists)"],
  [["mkdir", "-p", `${ID}:no/such`], ""],
])("files %j speaks of its own options: %s", async (words, expected) => {
  const { stderr } = await server.run("files", ...words);
  if (expected === "") expect(stderr).toBe("");
  else expect(stderr).toContain(expected);
});
