import type { FileLock } from "@warren/server/file-lock";
import { imagesDirOf } from "../arguments/data-dir.ts";
import type { ProgressStep } from "../terminal/progress.ts";
import { hostAgentArguments, openImagesDir } from "./host-agent-arguments.ts";
import type { JoinedHost } from "./joined-host.ts";
import { runHostAgentTask } from "./programs.ts";
import { ServerError, ServerProcess } from "./server-process.ts";

/** A control plane, as its host is told of it. */
export interface NamedControlPlane {
  url: string;
  /** File of the authority of its certificate; absent = one that Node knows. */
  caFile?: string | undefined;
}

/** How a host agent for a control plane elsewhere is started. */
export interface HostProcessOptions {
  dataDir: string;
  lock: FileLock;
  joined: JoinedHost;
  controlPlane: NamedControlPlane;
  /** Registers with it; absent: the host shows the credentials that it has. */
  token?: string | undefined;
  onProgress: (step: ProgressStep) => void;
  onLog: (line: string) => void;
}

/** Starts the host agent of a data directory for a control plane elsewhere. */
export async function startHostProcess(options: HostProcessOptions): Promise<ServerProcess> {
  const { dataDir, lock, joined, controlPlane, token, onProgress, onLog } = options;
  const imagesDir = await openImagesDir(imagesDirOf(dataDir));
  return ServerProcess.start({
    name: "host agent",
    args: [
      ...hostAgentArguments({ directory: dataDir, imagesDir, listen: joined.listen }),
      ...["--address", joined.address],
      ...words(controlPlane),
      ...(token === undefined ? [] : ["--register"]),
    ],
    env: { WARREN_HOST_TOKEN: token },
    cwd: dataDir,
    lockFd: lock.fd,
    onProgress,
    onLog,
  });
}

/** Looks whether a control plane answers: its address without what it needs not, and that of this machine which leads there. */
export async function findControlPlane(named: NamedControlPlane): Promise<{ url: string; address: string }> {
  const lines: string[] = [];
  const task = { stderr: "capture", onLine: (line: string) => lines.push(line) } as const;
  const { status, stderr } = await runHostAgentTask(["find-control-plane", ...words(named)], task);
  if (status !== 0) throw new ServerError(stderr.trim());
  return JSON.parse(lines.join("\n"));
}

function words({ url, caFile }: NamedControlPlane): string[] {
  return ["--control-plane", url, ...(caFile === undefined ? [] : ["--ca-file", caFile])];
}
