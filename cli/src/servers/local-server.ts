import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A server that runs on this machine, as `warren up` announces it in its data directory. */
export interface LocalServer {
  url: string;
  pid: number;
  /** Whoever asked it to stop ends its sandboxes too. */
  goingDown?: true;
}

/** Announces a running server, so that other commands of this machine find it. */
export async function announce(dataDir: string, server: LocalServer): Promise<void> {
  const file = join(dataDir, "server.json");
  await writeFile(`${file}.new`, `${JSON.stringify(server)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Takes the announcement back. */
export async function withdraw(dataDir: string): Promise<void> {
  await rm(join(dataDir, "server.json"), { force: true });
}

/** The announced server; undefined when there is none, none that this user may know of, or one that was killed. */
export async function findLocalServer(dataDir: string): Promise<LocalServer | undefined> {
  try {
    const server: LocalServer = JSON.parse(await readFile(join(dataDir, "server.json"), "utf8"));
    return exists(server.pid) ? server : undefined;
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** API key of the server of a data directory, made at its first start; undefined where its database came from elsewhere. */
export async function findApiKey(dataDir: string): Promise<string | undefined> {
  try {
    return await readApiKey(dataDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The same; throws where there is none. */
export async function readApiKey(dataDir: string): Promise<string> {
  const file = join(dataDir, "credentials.json");
  const { api_key } = JSON.parse(await readFile(file, "utf8"));
  if (typeof api_key !== "string") throw new Error(`${file} holds no api_key.`);
  return api_key;
}
