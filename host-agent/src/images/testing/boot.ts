import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { GuestClient } from "../../guest/client.ts";

/** What a microVM of a test boots. */
export interface Boot {
  kernel: string;
  initramfs: string;
  /** Root file system, which is not written to: changes are thrown away at the end. */
  disk: string;
}

/** Result of a command in a guest. */
export interface CommandResult {
  exitCode: number;
  output: string;
}

/** A microVM under software emulation, which has one way in, from this host, and no way out. */
export interface TestGuest {
  /** Lines of the console. */
  console: string[];
  run(script: string, user: string): Promise<CommandResult>;
}

/** Boots until the guest agent is ready; the test's end ends the microVM. */
export async function bootGuest({ kernel, initramfs, disk }: Boot): Promise<TestGuest> {
  const port = await freePort();
  const network = `user,id=n0,restrict=on,net=169.254.0.16/29,host=169.254.0.22,dns=169.254.0.17,dhcpstart=169.254.0.18,hostfwd=tcp:127.0.0.1:${port}-169.254.0.21:49983`;
  const qemu = spawn(
    "setpriv",
    [
      ...[
        "--pdeathsig",
        "KILL",
        "--",
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-nographic",
        "-no-reboot",
      ],
      ...["-machine", "microvm,accel=tcg,pit=on,pic=on,rtc=on,acpi=on", "-cpu", "max", "-m", "512", "-serial", "stdio"],
      ...["-drive", `if=none,id=d0,file=${disk},format=raw,snapshot=on`, "-device", "virtio-blk-device,drive=d0"],
      ...["-netdev", network, "-device", "virtio-net-device,netdev=n0"],
      ...["-kernel", kernel, "-initrd", initramfs, "-append"],
      "console=ttyS0 reboot=t panic=-1 quiet net.ifnames=0 tsc_early_khz=2000000 tsc=reliable warren.address=169.254.0.21/29 warren.gateway=169.254.0.22",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void qemu.kill("SIGKILL"));
  const lines: string[] = [];
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  createInterface({ input: qemu.stdout }).on("line", (line) => {
    lines.push(line);
    if (line.includes("warren-guest-agent: ready")) resolve();
  });
  qemu.on("close", () => reject(new Error(`the microVM ended:\n${lines.slice(-20).join("\n")}`)));
  await ready;
  const client = new GuestClient("127.0.0.1", port, "");
  onTestFinished(() => client.close());
  return { console: lines, run: (script, user) => run(client, script, user) };
}

async function run(client: GuestClient, script: string, user: string): Promise<CommandResult> {
  const result = { exitCode: -1, output: "" };
  const command = { cmd: "/bin/bash", args: ["-l", "-c", script], env: {}, user, timeoutMs: 0, stdin: false };
  for await (const event of client.commands.run(command)) {
    if (event.type === "stdout" || event.type === "stderr") result.output += Buffer.from(event.data).toString();
    if (event.type === "ended") result.exitCode = event.exitCode;
  }
  return result;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
