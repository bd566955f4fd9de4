import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { ROOT } from "@warren/cli/bundle-programs";
import { openApiDocument } from "@warren/control-plane/wiring/openapi-document";
import { beforeAll, describe, expect, it } from "vitest";
import { GOLDEN, PROTOCOLS, REST_API } from "./golden.ts";
import { type ApiDocument, breaksOfApi } from "./rest-api.ts";

const run = promisify(execFile);
const BUF = join(ROOT, "node_modules/.bin/buf");

describe.each(readdirSync(GOLDEN))("what clients and servers of %s say to each other", (name) => {
  let former: ApiDocument;
  let present: ApiDocument;
  beforeAll(async () => {
    former = JSON.parse(gunzipSync(await readFile(join(GOLDEN, name, REST_API))).toString());
    present = (await openApiDocument()) as ApiDocument;
  });

  it("is understood by hosts and guest agents, and what these say is", async () => {
    await run(BUF, ["breaking", "--against", join(GOLDEN, name, PROTOCOLS)], { cwd: ROOT });
  });

  it("is understood by the REST API, and its answers are by them", () => {
    expect(breaksOfApi(former, present)).toEqual([]);
  });

  it("would not be, were a field or a route gone, or a field demanded", () => {
    const changed = structuredClone(former);
    const { get, post } = changed.paths["/v1/sandboxes"]!;
    const created = post!.requestBody!.content!["application/json"]!.schema!;
    delete created.properties!.name;
    created.properties!.vcpus!.maximum = 4;
    created.required = ["template"];
    get!.parameters = get!.parameters!.filter((parameter) => parameter.name !== "q");
    const answer = post!.responses!["201"]!.content!["application/json"]!.schema!;
    delete answer.properties!.id;
    answer.properties!.vcpus!.type = "string";
    delete changed.paths["/v1/family"];
    expect(breaksOfApi(former, changed).sort()).toEqual([
      "GET /v1/family is gone",
      "GET /v1/sandboxes: query/q is gone",
      "POST /v1/sandboxes, 201/id is gone",
      "POST /v1/sandboxes, 201/vcpus has another type",
      "POST /v1/sandboxes, body/name is gone",
      "POST /v1/sandboxes, body/template must be there",
      "POST /v1/sandboxes, body/vcpus: maximum is less",
    ]);
  });
});
