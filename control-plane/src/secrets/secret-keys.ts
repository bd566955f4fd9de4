import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { writeFileDurably } from "@warren/server/durable-file";

/** Bytes of a key of AES-256. */
const KEY_BYTES = 32;
/** Bytes of a nonce and of a tag of GCM. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Begins every sealed text; plain ones of version 0.1.0 have no colon. */
const MARK = "sealed:1:";

/** Keys that seal texts (AES-256-GCM). The first seals, all open. A sealed text names its key by a hash. */
export class SecretKeys {
  readonly #keys: ReadonlyMap<string, Buffer>;
  /** Name of the key that seals. */
  readonly current: string;

  constructor(keys: readonly Buffer[]) {
    this.#keys = new Map(keys.map((key) => [nameOf(key), key]));
    const [first] = this.#keys.keys();
    if (first === undefined) throw new Error("there is no key");
    this.current = first;
  }

  static generate(): SecretKeys {
    return new SecretKeys([randomBytes(KEY_BYTES)]);
  }

  /** Reads keys, one on each line or separated by commas, each 32 bytes in base64 or hex; `#` begins a comment. */
  static parse(text: string): SecretKeys {
    const words = text
      .split("\n")
      .flatMap((line) => line.split("#", 1)[0]!.split(","))
      .map((word) => word.trim())
      .filter(Boolean);
    if (words.length === 0) throw new Error("there is no key; make one with openssl rand -base64 32");
    return new SecretKeys(words.map(parseKey));
  }

  /** Reads a file of keys; undefined when there is none. */
  static async read(path: string): Promise<SecretKeys | undefined> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return undefined;
      throw new WarrenError("invalid_request", `the file of the secret key, ${path}, cannot be read (${code})`);
    }
    try {
      return SecretKeys.parse(text);
    } catch (error) {
      throw new WarrenError("invalid_request", `the file of the secret key, ${path}: ${(error as Error).message}`);
    }
  }

  /** Writes them to a file for this user alone. */
  async write(path: string): Promise<void> {
    const lines = [...this.#keys.values()].map((key) => `${key.toString("base64")}\n`);
    await writeFileDurably(path, lines.join(""), 0o600);
  }

  has(name: string): boolean {
    return this.#keys.has(name);
  }

  /** Seals a text for one place, such as a column of a row: it opens nowhere else. */
  seal(text: string, place: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#keys.get(this.current)!, nonce).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `${MARK}${this.current}:${sealed.toString("base64url")}`;
  }

  /** Opens a sealed text; throws when its key is missing, or when it was changed or moved. */
  open(sealed: string, place: string): string {
    const name = keyOfSealed(sealed);
    const key = name === undefined ? undefined : this.#keys.get(name);
    if (!key) throw new WarrenError("internal_error", `the secret ${place} is not sealed with a key of this server`);
    const bytes = Buffer.from(sealed.slice(sealed.lastIndexOf(":") + 1), "base64url");
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString();
    } catch (error) {
      throw new WarrenError("internal_error", `the secret ${place} in the database was changed from outside`, {
        cause: error,
      });
    }
  }
}

/** Name of the key of a sealed text; undefined for a plain one. */
export function keyOfSealed(text: string): string | undefined {
  return text.startsWith(MARK) ? text.slice(MARK.length, text.indexOf(":", MARK.length)) : undefined;
}

function parseKey(word: string): Buffer {
  const key = /^[0-9a-f]{64}$/i.test(word) ? Buffer.from(word, "hex") : Buffer.from(word, "base64");
  if (key.length !== KEY_BYTES)
    throw new Error("a key must be 32 bytes in base64; make one with openssl rand -base64 32");
  return key;
}

function nameOf(key: Buffer): string {
  return createHash("sha256").update("warren secret key\0").update(key).digest("hex").slice(0, 16);
}
