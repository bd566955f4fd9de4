/**
 * A process that builds in an image store, for tests of several at once:
 *
 *     node build-in-process.ts DIRECTORY LOG complete|stuck
 *
 * A build appends a line to LOG. A stuck one leaves half a file, starts a tool that never ends, and says `building PID`
 * with the tool's process id. At the end the process says `done PATH`.
 */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageStore } from "../store.ts";

const [directory, log, behaviour] = process.argv.slice(2) as [string, string, string];
const store = new ImageStore(directory, () => console.log("waiting"));
const folder = await store.ensure(
  {
    name: "sample",
    inputs: { recipe: "1" },
    async build(target, runTool) {
      await appendFile(log, "built\n");
      await writeFile(join(target, "half"), "half");
      if (behaviour === "stuck") {
        // The shell becomes tail: one process, whose id the test can look for.
        const onLine = (pid: string) => console.log(`building ${pid}`);
        await runTool("sh", ["-c", "echo $$; exec tail -f /dev/null"], { onLine, isolated: false });
      }
      await writeFile(join(target, "other"), await readFile(join(target, "half")));
      return { version: "1" };
    },
  },
  false,
);
await store.close();
console.log(`done ${folder.path}`);
