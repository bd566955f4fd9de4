/*
 * A process that stands in for a VMM: maps a file privately and writes to it as told. Arguments: file, length. Answers
 * each line of standard input with one line: first its address, then "done".
 *   write PAGE BYTE     fills a page
 *   read PAGE           reads a page without writing to it
 *   pageout             asks the kernel to write the memory to swap space
 */
import { createInterface } from "node:readline";
import { FileMapping } from "./file-mapping.ts";

const [path, length] = process.argv.slice(2);
if (path === undefined || length === undefined) throw new Error("usage: mapping-process FILE LENGTH");
const mapping = new FileMapping(path, Number(length));
let seen = 0;
process.stdout.write(`${mapping.mapping.address}\n`);
for await (const line of createInterface(process.stdin)) {
  const [command, page, byte] = line.split(" ");
  if (command === "write") mapping.page(Number(page)).fill(Number(byte));
  else if (command === "read") seen += mapping.page(Number(page))[0] ?? 0;
  else if (command === "pageout") mapping.pageOut();
  else throw new Error(`unknown command ${line}, ${seen}`);
  process.stdout.write("done\n");
}
