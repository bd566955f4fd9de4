import { Command } from "commander";
import { expect, test } from "vitest";
import { execCommand, parseAfterSandbox } from "./exec.ts";

/** What `warren exec` makes of its words. */
function parse(...words: string[]) {
  const exec = execCommand(() => undefined)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  new Command("warren").enablePositionalOptions().addCommand(exec);
  let parsed: ReturnType<typeof parseAfterSandbox> | undefined;
  exec.action((_sandbox: string, after: string[]) => {
    parsed = parseAfterSandbox(exec, after);
  });
  exec.parse(words, { from: "user" });
  return { sandbox: exec.args[0], ...parsed };
}

test.each([
  [["box", "--timeout", "2", "--", "sleep", "--timeout", "9"], ["sleep", "--timeout", "9"], { timeout: 2 }],
  [["-i", "box", "-t", "sh", "-i"], ["sh", "-i"], { interactive: true, tty: true }],
  [
    ["-it", "-e", "A=1", "box", "-e", "B=2", "-w", "/tmp", "--", "--odd"],
    ["--odd"],
    { env: { A: "1", B: "2" }, cwd: "/tmp" },
  ],
  [["--timeout", "1", "box", "--timeout", "3", "--", "true", "--"], ["true", "--"], { timeout: 3 }],
  [["box", "ls", "--", "-l"], ["ls", "--", "-l"], {}],
])("options stand on both sides of the sandbox, up to the command: %j", (words, command, options) => {
  const parsed = parse(...words);
  expect(parsed).toMatchObject({ sandbox: "box", command: command[0], args: command.slice(1), options });
});

test.each([
  [["box", "--timeout", "2"], "missing required argument 'command'"],
  [["box", "--no-such", "--", "true"], "unknown option '--no-such'"],
  [["box", "--timeout", "x", "--", "true"], "whole number"],
])("refuses %j", (words, message) => {
  expect(() => parse(...words)).toThrow(message);
});
