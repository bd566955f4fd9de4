import { mkdir } from "node:fs/promises";
import { makePrivateDirectory } from "@warren/server/private-directory";
import { Command } from "commander";
import { dataDirOption, imagesDirOf } from "../arguments/data-dir.ts";
import { runHostAgentTask } from "../servers/programs.ts";
import { Interruption } from "../terminal/interruption.ts";
import { ProgressDisplay } from "../terminal/progress.ts";

/** `warren build-images`: what the first start would build. */
export function buildImagesCommand(finish: (status: number) => void): Command {
  return new Command("build-images")
    .summary("build kernel, initramfs and base image now")
    .description("Builds what sandboxes boot from and is not there yet, as the first start of a server does.")
    .addOption(dataDirOption())
    .action(async ({ dataDir }: { dataDir: string }) => {
      const interruption = new Interruption();
      const progress = new ProgressDisplay();
      await makePrivateDirectory(dataDir);
      await mkdir(imagesDirOf(dataDir), { recursive: true, mode: 0o700 });
      const { status } = await runHostAgentTask(["build-images", "--images-dir", imagesDirOf(dataDir), "--json"], {
        onLine: (line) => progress.show(JSON.parse(line)),
        stderr: "inherit",
        signal: interruption.signal,
      });
      progress.done();
      finish(status);
    });
}
