import { takeGolden } from "./golden.ts";

const [name] = process.argv.slice(2);
if (!name || !/^[\w.-]+$/.test(name)) throw new Error("say what to call it: npm run golden -- 2026-11-29");
await takeGolden(name);
