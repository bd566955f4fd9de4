import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { LIMITS } from "@warren/contracts/limits";
import { Interrupted } from "./interruption.ts";

/** Asks for a new password twice without showing it; reads one line when standard input is not a terminal. */
export async function readNewPassword(): Promise<string> {
  const password = await (process.stdin.isTTY ? askTwice() : readLine());
  checkLength(password);
  return password;
}

function checkLength(password: string): void {
  const { minCharacters, maxBytes } = LIMITS.password;
  const [characters, bytes] = [[...password].length, Buffer.byteLength(password)];
  if (characters < minCharacters) {
    throw new Error(`The password has ${characters} characters: it needs ${minCharacters} at least.`);
  }
  if (bytes > maxBytes) throw new Error(`The password has ${bytes} bytes: it may have ${maxBytes} at most.`);
}

async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  throw new Error("Standard input has no password: give it as one line.");
}

/** Both answers are read by one interface, so that lines that were pasted together are not lost. */
function askTwice(): Promise<string> {
  // What is typed is echoed to an output that shows nothing.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  const answers: string[] = [];
  process.stderr.write("Password: ");
  return new Promise<string>((resolve, reject) => {
    terminal.on("line", (answer) => {
      answers.push(answer);
      process.stderr.write(answers.length === 1 ? "\nPassword again: " : "\n");
      if (answers.length < 2) return;
      if (answers[0] === answers[1]) resolve(answer);
      else reject(new Error("The passwords differ."));
    });
    terminal.once("SIGINT", () => reject(new Interrupted("SIGINT")));
    terminal.once("close", () => reject(new Error("No password was given.")));
  }).finally(() => terminal.close());
}
