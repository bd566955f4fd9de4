import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { API_KEY } from "@warren/contracts/identifiers";
import { writeFileDurably } from "@warren/server/durable-file";

/** Content of credentials.json: what a client on this machine needs. */
export interface Credentials {
  url: string;
  api_key: string;
}

/** The file `credentials.json` of a data directory, readable by its owner only. */
export class CredentialsFile {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "credentials.json");
  }

  /** The API key in the file, or undefined when there is no file. */
  async readApiKey(): Promise<string | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const apiKey = parseApiKey(text);
    if (apiKey === undefined) {
      throw new WarrenError("conflict", `${this.path} holds no API key; repair the file, or remove it`);
    }
    return apiKey;
  }

  async write(credentials: Credentials): Promise<void> {
    await writeFileDurably(this.path, `${JSON.stringify(credentials, null, 2)}\n`, 0o600);
  }
}

function parseApiKey(text: string): string | undefined {
  try {
    const { api_key } = JSON.parse(text) as { api_key?: unknown };
    return typeof api_key === "string" && API_KEY.test(api_key) ? api_key : undefined;
  } catch {
    return undefined;
  }
}
