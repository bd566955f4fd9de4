import { readFileSync } from "node:fs";

const id = Number(process.argv[2]);
process.setgroups!([]);
process.setgid!(id);
process.setuid!(id);
process.on("message", (path: string) => {
  try {
    process.send!(readFileSync(path, "utf8"));
  } catch (error) {
    process.send!((error as NodeJS.ErrnoException).code);
  }
});
