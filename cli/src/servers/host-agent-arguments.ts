import { mkdir, realpath } from "node:fs/promises";
import { LASTING_SERVER_FLAGS, SHORT_LIVED_SERVER_FLAGS } from "@warren/server/node-flags";
import { HOST_AGENT } from "./programs.ts";

/** Where a host agent has its things, and where it listens. */
interface HostAgentPlaces {
  directory: string;
  imagesDir: string;
  /** `unix:PATH` or HOST:PORT. */
  listen: string;
  /** Its sandboxes end with it. */
  ephemeral?: boolean;
}

/** The words with which this Node starts a host agent that reports to the process that starts it (docs/processes.md). */
export function hostAgentArguments({ directory, imagesDir, listen, ephemeral = false }: HostAgentPlaces): string[] {
  return [
    ...(ephemeral ? SHORT_LIVED_SERVER_FLAGS : LASTING_SERVER_FLAGS),
    HOST_AGENT,
    "serve",
    ...["--data-dir", directory, "--images-dir", imagesDir, "--listen", listen],
    ...(ephemeral ? ["--ephemeral"] : []),
    ...["--ready-fd", "3", "--exit-with-parent"],
  ];
}

/** Makes the directory of images unless it is there. Snapshots in it name their files by this path, whichever link led here. */
export async function openImagesDir(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return realpath(path);
}
