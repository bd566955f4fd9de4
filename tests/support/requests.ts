import type { Sandbox } from "@warren/sdk";
import { expect } from "vitest";
import type { Stack } from "./stack.ts";

/** Makes something through the API, which must work; gives the answer. */
export async function post(stack: Stack, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${stack.url}/v1/${path}`, {
    method: "POST",
    headers: { "x-api-key": stack.apiKey, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(201);
  return response.json();
}

/** Runs a script as root in a sandbox, which may be slow. */
export function runScript(sandbox: Sandbox, script: string) {
  return sandbox.exec("sh", ["-c", script], { user: "root", timeoutSec: 300 });
}

/** What such a script prints, without the blanks around it. */
export async function outputOf(sandbox: Sandbox, script: string): Promise<string> {
  return (await runScript(sandbox, script)).stdout.trim();
}
