import { NodeFS } from "@electric-sql/pglite/nodefs";

/** What the runtime changes of a file. */
interface Attributes {
  mode?: number;
}

/** The part of the runtime's file system that sets modes (Emscripten's NODEFS). */
interface HostModes {
  node_ops: { setattr(node: unknown, attributes: Attributes): void };
}

/**
 * Files of the host that only their owner may use. The runtime has a umask of its own (022), and gives each new file the
 * mode that follows from it by chmod(2), past the umask of the process.
 */
export class PrivateNodeFs extends NodeFS {
  override async init(...parameters: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...parameters);
    const preRun = [emscriptenOpts.preRun ?? []].flat();
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRun, (runtime: object) => closeToOthers(runtime)] } };
  }
}

function closeToOthers(runtime: object): void {
  const { node_ops } = (runtime as { NODEFS: HostModes }).NODEFS;
  const { setattr } = node_ops;
  node_ops.setattr = (node, attributes) => {
    setattr(node, attributes.mode === undefined ? attributes : { ...attributes, mode: attributes.mode & ~0o077 });
  };
}
