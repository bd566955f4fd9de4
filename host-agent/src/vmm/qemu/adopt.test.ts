import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Cgroup } from "../../cgroup/cgroup.ts";
import { HeldProcess, startTicks } from "../../linux/process-identity.ts";
import { temporaryFolder } from "../../linux/testing/temporary-folder.ts";
import { mkfifo } from "../../linux/unix-sockets.ts";
import type { Machine } from "../vmm.ts";
import { QemuVm } from "./qemu-vm.ts";

/** The sockets of a QEMU in a directory, which refuses all but the negotiation; gives the connections that it has taken. */
async function refusingQemu(directory: string): Promise<Set<Socket>> {
  const connections = new Set<Socket>();
  const listen = async (name: string, onConnect: (socket: Socket) => void) => {
    const server = createServer((socket) => {
      connections.add(socket);
      socket.on("error", () => undefined).on("close", () => connections.delete(socket));
      onConnect(socket);
    });
    server.listen(join(directory, name));
    await once(server, "listening");
    onTestFinished(() => void server.close());
  };
  await listen("qmp.sock", (socket) => {
    socket.write(`${JSON.stringify({ QMP: {} })}\n`);
    socket.on("data", (line) => {
      const { execute, id } = JSON.parse(String(line)) as { execute: string; id: number };
      const refusal = { error: { class: "GenericError", desc: "not now" } };
      socket.write(`${JSON.stringify({ ...(execute === "qmp_capabilities" ? { return: {} } : refusal), id })}\n`);
    });
  });
  await listen("console.sock", (socket) => socket.resume());
  mkfifo(join(directory, "stderr"), 0o600);
  return connections;
}

test("a microVM that cannot be adopted goes on, and nothing to it is left open", async () => {
  const directory = temporaryFolder();
  const connections = await refusingQemu(directory);
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const identity = { pid: child.pid!, startTicks: (await startTicks(child.pid!))! };
  const held = (await HeldProcess.take(identity))!;
  const machine = { id: "sb", jail: { directory, uid: 0, cgroup: "none" } } as Machine;
  const cgroup = { usage: async () => ({}), remove: async () => undefined } as unknown as Cgroup;
  const adopted = QemuVm.adopt({ machine, held, cgroup, warn: () => undefined });
  await expect(adopted).rejects.toThrow("QEMU refused query-status: not now");
  await expect.poll(() => connections.size).toBe(0);
  const open = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return [];
    }
  });
  expect(open).not.toContain(join(directory, "stderr"));
  expect(child.exitCode ?? child.signalCode).toBeNull();
});
