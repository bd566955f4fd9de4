import { writeFileSync } from "node:fs";
import type { Reporter, SerializedError, TestModule } from "vitest/node";
import type { TestFile, TestResults } from "./results.ts";

/** Writes what a run of vitest found to a file, for .ci/summarise.ts. */
export class ResultsReporter implements Reporter {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const results: TestResults = {
      files: modules.map(describeFile),
      errorsOutsideTests: unhandledErrors.length,
    };
    writeFileSync(this.#file, JSON.stringify(results));
  }
}

function describeFile(module: TestModule): TestFile {
  return {
    path: module.relativeModuleId,
    project: module.project.name,
    milliseconds: module.diagnostic().duration,
    errors: [...module.errors(), ...[...module.children.allSuites()].flatMap((suite) => suite.errors())].map(
      ({ message }) => message,
    ),
    tests: [...module.children.allTests()].map((test) => {
      const result = test.result();
      return {
        name: test.fullName,
        state: result.state,
        milliseconds: test.diagnostic()?.duration ?? 0,
        ...(result.state === "skipped" && result.note ? { note: result.note } : {}),
      };
    }),
  };
}
