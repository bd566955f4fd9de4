// Adds up what the runners of .ci/test found, names what failed, and ends with the line "N passed, N failed".
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Tally {
  runner: string;
  passed: number;
  /** Names of what failed. */
  failed: string[];
  skipped: number;
}

/** A line of `go test -json` (cmd/test2json). */
interface GoEvent {
  Action: string;
  Package?: string;
  Test?: string;
  Output?: string;
}

/** The parts of Vitest's JSON report that count. */
interface VitestReport {
  success: boolean;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string }[];
  }[];
}

/** Directory of the results, and the projects of vitest that were run. */
const [results = "", ...projects] = process.argv.slice(2);

function read(name: string): string {
  return readFileSync(join(results, name), "utf8");
}

function checks(): Tally {
  const lines = read("checks.tsv").trim().split("\n");
  const entries = lines.map((line) => line.split("\t"));
  return {
    runner: "checks",
    passed: entries.filter(([, result]) => result === "passed").length,
    failed: entries.filter(([, result]) => result !== "passed").map(([name]) => name!),
    skipped: 0,
  };
}

function go(): Tally {
  const tally: Tally = { runner: "go test", passed: 0, failed: [], skipped: 0 };
  const output = new Map<string, string>();
  const packagesWithFailures = new Set<string>();
  for (const line of read("go.jsonl").split("\n")) {
    if (!line.startsWith("{")) {
      if (line) console.log(line);
      continue;
    }
    const event = JSON.parse(line) as GoEvent;
    const name = `${event.Package ?? ""} ${event.Test ?? ""}`.trim();
    if (event.Action === "output" || event.Action === "build-output") {
      output.set(name, (output.get(name) ?? "") + event.Output);
    } else if (event.Action === "fail" && (event.Test || !packagesWithFailures.has(event.Package ?? ""))) {
      // A package that fails without a failed test did not build, or ended before its tests did.
      packagesWithFailures.add(event.Package ?? "");
      tally.failed.push(name);
      console.log(output.get(name) ?? "");
    } else if (event.Test && event.Action === "pass") tally.passed++;
    else if (event.Test && event.Action === "skip") tally.skipped++;
  }
  return tally;
}

function vitest(project: string): Tally {
  const tally: Tally = { runner: `vitest ${project}`, passed: 0, failed: [], skipped: 0 };
  let report: VitestReport;
  try {
    report = JSON.parse(read(`vitest-${project}.json`));
  } catch {
    return { ...tally, failed: ["it ended without a report"] };
  }
  for (const file of report.testResults) {
    for (const { fullName, status } of file.assertionResults) {
      if (status === "passed") tally.passed++;
      else if (status === "failed") tally.failed.push(fullName);
      else tally.skipped++;
    }
    const failures = file.assertionResults.some(({ status }) => status === "failed");
    // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
    if (file.status === "failed" && !failures) tally.failed.push(`${file.name}: ${file.message}`);
  }
  if (!report.success && tally.failed.length === 0) tally.failed.push("errors outside of tests, see above");
  return tally;
}

const tallies = [checks(), go(), ...projects.map(vitest)];
for (const tally of tallies) {
  if (tally.passed + tally.failed.length === 0) tally.failed.push("it ran no test");
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  console.log(`${tally.runner}: ${tally.passed} passed, ${tally.failed.length} failed${skipped}`);
  for (const name of tally.failed) console.log(`  FAILED ${name}`);
}
const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
const failed = tallies.reduce((sum, tally) => sum + tally.failed.length, 0);
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);
