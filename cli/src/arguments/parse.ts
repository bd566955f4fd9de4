import { InvalidArgumentError } from "commander";

/** A file to copy between this machine and a sandbox. */
export interface FilePair {
  local: string;
  guest: string;
}

/**
 * Parses LOCAL:GUEST and adds it to the earlier ones; the path of the guest holds no colon, and is the user's home when it
 * is empty.
 */
export function upload(text: string, earlier: FilePair[] = []): FilePair[] {
  const colon = text.lastIndexOf(":");
  const [local, guest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  if (local === "") throw malformed("LOCAL:GUEST", "data.csv:/tmp/data.csv");
  return [...earlier, { local, guest }];
}

/** Parses GUEST:LOCAL and adds it to the earlier ones; the path of the guest holds no colon. */
export function download(text: string, earlier: FilePair[] = []): FilePair[] {
  const colon = text.indexOf(":");
  const [guest, local] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  if (guest === "" || local === "") throw malformed("GUEST:LOCAL", "/tmp/chart.svg:chart.svg");
  return [...earlier, { local, guest }];
}

function malformed(form: string, example: string): InvalidArgumentError {
  return new InvalidArgumentError(`It must be ${form}, such as ${example}`);
}

/** Parses KEY=VALUE, or KEY for the value that the variable has here, and adds it to the earlier ones. */
export function variable(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("It must be KEY=VALUE, or KEY to pass a variable on.");
  const known = value ?? process.env[name];
  if (known === undefined) throw new InvalidArgumentError(`${name} is not set here, so it must be ${name}=VALUE.`);
  return { ...earlier, [name]: known };
}

/** Parses KEY=VALUE and adds it to the earlier ones. */
export function pairs(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("It must be KEY=VALUE.");
  return { ...earlier, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** Parses A,B and adds it to the earlier ones. */
export function list(text: string, earlier: string[] = []): string[] {
  return [...earlier, ...text.split(",")];
}

/** A parser of whole numbers from `min` to `max`. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** Parses HOST:PORT, with an IPv6 address in brackets. */
export function listenAddress(text: string): string {
  const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(text)?.[1] ?? Number.NaN);
  if (!(port <= 65_535)) throw new InvalidArgumentError("It must be HOST:PORT, such as 127.0.0.1:3000 or [::1]:3000.");
  return text;
}
