import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { getBuiltinModule } from "node:process";
import { pathToFileURL } from "node:url";
import { type Plugin, rolldown } from "rolldown";

/** The repository. */
export const ROOT = join(import.meta.dirname, "../..");

/**
 * Packages that read files beside their own code, those that others use only where they are installed, and those that few
 * servers load at all.
 */
const EXTERNAL = [/^@node-rs\/argon2/, "pg-native", "bufferutil", "utf-8-validate", "prom-client"];

/** A module that asks where it is gets the place of its source, not that of the bundle. */
const sourceLocations = (programs: readonly string[]): Plugin => ({
  name: "source-locations",
  transform(code, id) {
    const [path] = id.split("?");
    if (!path?.startsWith("/") || !/import\.meta\.|__dirname|__filename/.test(code)) return;
    const isProgram = programs.some((program) => path === join(ROOT, program));
    return code
      .replace(/\bimport\.meta\.dirname\b|\b__dirname\b/g, () => JSON.stringify(dirname(path)))
      .replace(/\bimport\.meta\.filename\b|\b__filename\b/g, () => JSON.stringify(path))
      .replace(/\bimport\.meta\.url\b/g, () => JSON.stringify(pathToFileURL(path).href))
      .replace(/\bimport\.meta\.main\b/g, () => String(isProgram));
  },
});

/** Prefix of the ids of modules that stand for built-in ones. */
const BUILTIN = "\0builtin:";
/** Prefix of the ids of the bundler's own functions. */
const RUNTIME = "\0rolldown/";

/**
 * An import of a built-in module takes what it names and no more. Node's own import reads every export, and with one of
 * node:http loads all of undici.
 */
const sparingBuiltins: Plugin = {
  name: "sparing-builtins",
  resolveId(source, importer, { kind }) {
    // What wraps modules that are imported later cannot be such a module.
    if (importer?.startsWith(RUNTIME)) return undefined;
    return kind === "import-statement" && isBuiltin(source) ? BUILTIN + source : undefined;
  },
  load(id) {
    if (!id.startsWith(BUILTIN)) return;
    const name = id.slice(BUILTIN.length);
    const exported = Object.keys(getBuiltinModule(name) ?? {}).filter(
      (key) => key !== "default" && IDENTIFIER.test(key),
    );
    const lines = exported.map((key) => `export const ${key} = /* @__PURE__ */ (() => builtin.${key})();`);
    return `const builtin = process.getBuiltinModule(${JSON.stringify(name)});\nexport default builtin;\n${lines.join("\n")}`;
  },
};

/** What makes objects of header fields for the RPC of both servers. */
const RPC = /\/node_modules\/@connectrpc\/|\/host-agent\/src\/guest\/transport\.ts$/;

/** RPC keeps header fields in an object that is not Node's own: `HeaderFields` says why. */
const ownHeaderFields: Plugin = {
  name: "own-header-fields",
  transform(code, id) {
    if (!RPC.test(id) || !code.includes("new Headers(")) return;
    const file = JSON.stringify(join(ROOT, "server/src/header-fields.ts"));
    return `import { HeaderFields } from ${file};\n${code.replaceAll("new Headers(", "new HeaderFields(")}`;
  },
};

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * Puts programs of this repository, by the names of their files in it, each into one file of a directory, whose loading
 * takes a third of the time of its thousand modules. The file `stamp` appears last; its time is that of the beginning, so
 * that every source that changes from then on is newer, and its content is the path of the repository, which the bundles
 * name.
 */
export async function bundlePrograms(programs: Record<string, string>, directory: string): Promise<void> {
  const suffix = `.${process.pid}.tmp`;
  const stamp = join(directory, `stamp${suffix}`);
  await mkdir(directory, { recursive: true });
  await writeFile(stamp, ROOT);
  try {
    for (const [name, program] of Object.entries(programs)) {
      await using bundle = await rolldown({
        input: join(ROOT, program),
        platform: "node",
        external: EXTERNAL,
        plugins: [sourceLocations(Object.values(programs)), sparingBuiltins, ownHeaderFields],
        logLevel: "silent",
      });
      await bundle.write({
        file: join(directory, name + suffix),
        format: "esm",
        codeSplitting: false,
        charset: "ascii",
        comments: false,
      });
    }
    for (const name of Object.keys(programs)) await rename(join(directory, name + suffix), join(directory, name));
    await rename(stamp, join(directory, "stamp"));
  } finally {
    for (const name of [...Object.keys(programs), "stamp"]) await rm(join(directory, name + suffix), { force: true });
  }
}
