import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecResult } from "@warren/contracts/rest/commands";
import type { Sandbox as SandboxFields } from "@warren/contracts/rest/sandboxes";
import { expect, onTestFinished, test } from "vitest";
import { CommandTimeoutError, Sandbox } from "./sandbox.ts";
import { Transport } from "./transport.ts";

test("a command whose time was up is an error of its own type, which has what was written until then", async () => {
  const answer: ExecResult = {
    sandbox_id: "sb",
    cmd: "sleep",
    stdout: "half",
    stderr: "",
    exit_code: 143,
    signal: "SIGTERM",
    timed_out: true,
    stdout_truncated: false,
    stderr_truncated: false,
    duration_ms: 1000,
    encoding: "utf-8",
  };
  const server = createServer((_request, response) => response.end(JSON.stringify(answer)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const transport = new Transport({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: "k" });
  onTestFinished(() => {
    transport.close();
    server.close();
  });
  const sandbox = new Sandbox(transport, { id: "sb" } as SandboxFields);
  const error = await sandbox.exec("sleep", ["9"], { timeoutSec: 1 }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CommandTimeoutError);
  expect(error).toMatchObject({ code: "command_timed_out", result: { stdout: "half", exitCode: 143 } });
  answer.timed_out = false;
  expect(await sandbox.exec("sleep")).toMatchObject({ exitCode: 143, signal: "SIGTERM" });
});
