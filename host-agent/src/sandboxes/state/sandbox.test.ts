import { WarrenError } from "@warren/contracts/errors";
import { expect, it } from "vitest";
import type { SandboxRecord } from "../record/journal.ts";
import { reasonOf } from "../record/reason.ts";
import type { LiveMicrovm } from "./microvm.ts";
import { Sandbox } from "./sandbox.ts";

it("a call that its microVM takes along says how the sandbox ended, before all is cleared away", async () => {
  const sandbox = new Sandbox({ id: "sb", status: "running", lastActiveAt: 0 } as SandboxRecord);
  sandbox.attach({} as unknown as LiveMicrovm);
  const call = sandbox.useOnce(async () => {
    sandbox.lose(reasonOf("microvm_lost", "its microVM was killed or failed"));
    throw new WarrenError("guest_unreachable", "the sandbox does not answer");
  });
  const ended = { code: "invalid_state", message: "sandbox sb has ended: its microVM was killed or failed" };
  await expect(call).rejects.toMatchObject(ended);
  await expect(sandbox.useOnce(async () => "never")).rejects.toMatchObject(ended);
});

it("moves its state and its record together, or neither", () => {
  const record = { id: "sb", status: "running", lastActiveAt: 0, token: "t" } as SandboxRecord;
  const sandbox = new Sandbox(record);
  sandbox.moveTo("pausing", { token: "u" });
  expect(sandbox.status).toBe("pausing");
  expect(record).toMatchObject({ status: "pausing", token: "u" });
  expect(() => sandbox.moveTo("stopped", { token: "v" })).toThrow("cannot go from pausing to stopped");
  expect(record).toMatchObject({ status: "pausing", token: "u" });
});
