/**
 * Stands in for `Headers` in the RPC of both servers, with what that uses of it. The first use of Node's own loads all of
 * undici, which takes tens of milliseconds of processor time in each process that makes no other use of it.
 */
export class HeaderFields {
  readonly #values = new Map<string, string>();

  constructor(init: Iterable<readonly [string, string]> | Record<string, string> = []) {
    const fields = Symbol.iterator in init ? init : Object.entries(init);
    for (const [name, value] of fields as Iterable<readonly [string, string]>) this.append(name, value);
  }

  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  set(name: string, value: string): void {
    this.#values.set(name.toLowerCase(), trim(value));
  }

  append(name: string, value: string): void {
    const former = this.get(name);
    this.set(name, former === null ? value : `${former}, ${trim(value)}`);
  }

  delete(name: string): void {
    this.#values.delete(name.toLowerCase());
  }

  forEach(visit: (value: string, name: string, fields: HeaderFields) => void): void {
    for (const [name, value] of this.#values) visit(value, name, this);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#values[Symbol.iterator]();
  }
}

const WHITE_SPACE = "\t\n\r ";

/** Without the white space around it, in time that grows with its length alone: the other side may have chosen it. */
function trim(value: string): string {
  const text = String(value);
  let [start, end] = [0, text.length];
  while (start < end && WHITE_SPACE.includes(text[start]!)) start++;
  while (end > start && WHITE_SPACE.includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}
