// Adds up what the runners of .ci/test found, names what failed or was skipped and what took longest, and ends with the
// line "N passed, N failed".
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestFile, TestResults } from "./results.ts";

/** How many of the slowest suites and tests are named. */
const SLOWEST = 10;

interface Tally {
  runner: string;
  passed: number;
  /** Names of what failed. */
  failed: string[];
  /** Names of what was skipped, and why. */
  skipped: string[];
  /** Seconds that all its suites took together. */
  seconds: number;
}

interface Duration {
  name: string;
  seconds: number;
}

/** A line of `go test -json` (cmd/test2json). */
interface GoEvent {
  Action: string;
  Package?: string;
  Test?: string;
  Output?: string;
  /** Seconds. */
  Elapsed?: number;
}

/** Directory of the results, and the runs of vitest, each by the projects that were run, such as `microvm,system`. */
const [results = "", ...runs] = process.argv.slice(2);
const suites: Duration[] = [];
const tests: Duration[] = [];

function read(name: string): string {
  return readFileSync(join(results, name), "utf8");
}

function emptyTally(runner: string): Tally {
  return { runner, passed: 0, failed: [], skipped: [], seconds: 0 };
}

function checks(): Tally {
  const tally = emptyTally("checks");
  for (const line of read("checks.tsv").trim().split("\n")) {
    const [name = "", result, seconds] = line.split("\t");
    if (result === "passed") tally.passed++;
    else tally.failed.push(name);
    tally.seconds += Number(seconds);
    suites.push({ name, seconds: Number(seconds) });
  }
  return tally;
}

function go(): Tally {
  const tally = emptyTally("go test");
  const output = new Map<string, string>();
  const packagesWithFailures = new Set<string>();
  for (const line of read("go.jsonl").split("\n")) {
    if (!line.startsWith("{")) {
      if (line) console.log(line);
      continue;
    }
    const event = JSON.parse(line) as GoEvent;
    const { Package = "", Test, Elapsed: seconds = 0 } = event;
    const name = `${Package} ${Test ?? ""}`.trim();
    if (event.Action === "output" || event.Action === "build-output") {
      output.set(name, (output.get(name) ?? "") + event.Output);
    } else if (event.Action === "fail" && (Test || !packagesWithFailures.has(Package))) {
      // A package that fails without a failed test did not build, or ended before its tests did.
      packagesWithFailures.add(Package);
      tally.failed.push(name);
      console.log(output.get(name) ?? "");
    } else if (Test && event.Action === "pass") tally.passed++;
    else if (Test && event.Action === "skip") tally.skipped.push(`${name}: ${skipReason(output.get(name) ?? "")}`);
    if (event.Action !== "pass" && event.Action !== "fail") continue;
    // Tests within a test count in it.
    if (Test) !Test.includes("/") && tests.push({ name, seconds });
    else {
      tally.seconds += seconds;
      suites.push({ name, seconds });
    }
  }
  return tally;
}

/** What a test of Go said when it skipped itself, without the place in the source. */
function skipReason(output: string): string {
  const said = output.split("\n").find((line) => /^\s+\w+\.go:\d+: /.test(line));
  return said?.replace(/^\s+\w+\.go:\d+: /, "") ?? "no reason given";
}

/** Tallies of the projects of one run of vitest. */
function vitest(run: string): Tally[] {
  const projects = run.split(",");
  const tallies = new Map(projects.map((project) => [project, emptyTally(`vitest ${project}`)]));
  let found: TestResults;
  try {
    found = JSON.parse(read(`vitest-${run}.json`));
  } catch {
    for (const tally of tallies.values()) tally.failed.push("it ended without a report");
    return [...tallies.values()];
  }
  for (const file of found.files) addFile(tallies.get(file.project)!, file);
  if (found.errorsOutsideTests > 0) tallies.get(projects[0]!)!.failed.push("errors outside of tests, see above");
  return [...tallies.values()];
}

function addFile(tally: Tally, { path, milliseconds, errors, tests: cases }: TestFile): void {
  tally.seconds += milliseconds / 1000;
  suites.push({ name: path, seconds: milliseconds / 1000 });
  for (const { name, state, milliseconds: duration, note } of cases) {
    tests.push({ name: `${path}: ${name}`, seconds: duration / 1000 });
    if (state === "passed") tally.passed++;
    else if (state === "skipped") tally.skipped.push(`${path}: ${name}: ${note ?? "no reason given"}`);
    // What a failed hook kept from running is told by the error of the hook.
    else tally.failed.push(`${path}: ${name}`);
  }
  for (const error of errors) tally.failed.push(`${path}: ${error}`);
}

function printSlowest(what: string, durations: Duration[]): void {
  console.log(`slowest ${what}:`);
  for (const { name, seconds } of durations.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)) {
    console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${name}`);
  }
}

const tallies = [checks(), go(), ...runs.flatMap(vitest)];
printSlowest("suites", suites);
printSlowest("tests", tests);
for (const tally of tallies) {
  if (tally.passed + tally.failed.length === 0) tally.failed.push("it ran no test");
  const skipped = tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : "";
  const took = `${tally.seconds.toFixed(0)} s of suites`;
  console.log(`${tally.runner}: ${tally.passed} passed, ${tally.failed.length} failed${skipped} (${took})`);
  for (const name of tally.skipped) console.log(`  skipped ${name}`);
  for (const name of tally.failed) console.log(`  FAILED ${name}`);
}
const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
const failed = tallies.reduce((sum, tally) => sum + tally.failed.length, 0);
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);
