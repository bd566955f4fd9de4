import { Command } from "commander";
import { dataDirOption, imagesDirOf } from "../arguments/data-dir.ts";
import { runHostAgentTask } from "../servers/programs.ts";

/** One line of `doctor --json` of the host agent (docs/processes.md). */
export interface Finding {
  check: string;
  status: "ok" | "warn" | "fail";
  found: string;
  consequence?: string;
}

/** `warren doctor`: what this machine has and lacks. */
export function doctorCommand(finish: (status: number) => void): Command {
  return new Command("doctor")
    .summary("say what this machine has and lacks")
    .description(
      "Looks at everything that sandboxes need from this machine and says what follows from each lack. Installs and " +
        "changes nothing. The exit status is 1 when no sandbox can run here.",
    )
    .addOption(dataDirOption())
    .option("--json", "print one JSON object per line")
    .action(async ({ dataDir, json }: { dataDir: string; json?: boolean }) => {
      const show = (finding: Finding) =>
        process.stdout.write(`${json ? JSON.stringify(finding) : presentFinding(finding)}\n`);
      finish((await examineHost(dataDir, show)) ? 0 : 1);
    });
}

/** Looks at the machine, and tells each finding as it comes; whether sandboxes can run here. */
export async function examineHost(dataDir: string, onFinding: (finding: Finding) => void): Promise<boolean> {
  const args = ["doctor", "--data-dir", dataDir, "--images-dir", imagesDirOf(dataDir), "--json"];
  const onLine = (line: string) => onFinding(JSON.parse(line));
  return (await runHostAgentTask(args, { onLine, stderr: "inherit" })).status === 0;
}

/** A finding as people read it. */
export function presentFinding({ check, status, found, consequence }: Finding): string {
  const line = `${status.padEnd(5)} ${check.padEnd(18)} ${found}`;
  return consequence ? `${line}\n${" ".repeat(25)}→ ${consequence}` : line;
}
