import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";

/** A checkout of Warren whose programs are measured: this one, or an older one beside it. */
export class Checkout {
  readonly root: string;
  readonly #flags: readonly string[];

  private constructor(root: string, flags: readonly string[]) {
    this.root = root;
    this.#flags = flags;
  }

  /** Puts its programs into one file each, as its launcher does. */
  static async open(root: string): Promise<Checkout> {
    const flags: Record<string, readonly string[] | undefined> = await import(join(root, "server/src/node-flags.ts"));
    const { NODE_FLAGS = [], LASTING_SERVER_FLAGS = [] } = flags;
    const checkout = new Checkout(root, [...NODE_FLAGS, ...LASTING_SERVER_FLAGS]);
    execFileSync(checkout.node, [join(root, "cli/src/bundle.ts")], { stdio: ["ignore", "inherit", "inherit"] });
    return checkout;
  }

  /** That of this bench. */
  static own(): Promise<Checkout> {
    return Checkout.open(resolve(import.meta.dirname, "../../.."));
  }

  /** The Node that it brings along. */
  get node(): string {
    return join(this.root, "node_modules/.bin/node");
  }

  /** Its `warren` command. */
  get launcher(): string {
    return join(this.root, "warren");
  }

  /** Arguments with which its Node runs a server that stays. */
  server(name: "control-plane" | "host-agent"): string[] {
    return [...this.#flags, join(this.root, ".warren/bundle", `${name}.js`)];
  }

  /** Where its launcher has Node keep what it compiled. */
  get compileCache(): string {
    return join(this.root, ".warren/compiled");
  }
}
