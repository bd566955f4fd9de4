import autocannon from "autocannon";

/** Sends the load that the first argument describes, and prints the result as JSON. */
const { url, paths, headers, connections, seconds } = JSON.parse(process.argv[2] ?? "{}") as {
  url: string;
  paths: string[];
  headers: Record<string, string>;
  connections: number;
  seconds: number;
};
const requests = paths.map((path) => ({ path, headers }));
const result = await autocannon({ url, connections, duration: seconds, requests });
process.stdout.write(JSON.stringify(result));
