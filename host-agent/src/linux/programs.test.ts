import { expect, test } from "vitest";
import { runProgram } from "./programs.ts";

test("a program's status and what it says on both outputs are told", async () => {
  const script = "cat; echo lost >&2; exit 3";
  expect(await runProgram("sh", ["-c", script], { input: "found" })).toEqual({
    status: 3,
    stdout: "found",
    stderr: "lost\n",
    late: false,
  });
});

test("a program that there is none of, and one that a signal ends, have no status", async () => {
  expect(await runProgram("warren-no-such-program", [])).toMatchObject({ status: undefined, late: false });
  expect(await runProgram("sh", ["-c", "kill -TERM $$"])).toMatchObject({ status: -1, late: false });
});

test("a program that does not end is killed with all that it has started", async () => {
  expect(await runProgram("sh", ["-c", "sleep 600 & wait"], { limitMs: 100 })).toMatchObject({
    status: -1,
    late: true,
  });
});

test("a program that ends, and leaves one of another session with its output, is waited for no longer than the limit", async () => {
  const script = "setsid sh -c 'echo $$; exec sleep 600' & sleep 0.1; exit 7";
  const outcome = await runProgram("sh", ["-c", script], { limitMs: 1000 });
  process.kill(Number(outcome.stdout), "SIGKILL");
  expect(outcome).toMatchObject({ status: 7, late: true });
});
