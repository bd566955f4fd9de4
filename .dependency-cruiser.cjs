/** Layer rules: data flows client → control plane → host agent → guest agent, and parts meet in contracts/ only. What several of the programs need is in server/. */
const parts = ["server", "control-plane", "host-agent", "sdk", "cli", "dashboard", "bench", "tests"];
const may = {
  server: [],
  "control-plane": ["server"],
  "host-agent": ["server"],
  sdk: [],
  cli: ["sdk", "server"],
  dashboard: ["sdk"],
  bench: ["sdk", "server", "host-agent", "cli"],
  tests: ["sdk", "cli", "server", "host-agent", "control-plane"],
};

/** Tests, and what only tests use. */
const TESTS = "\\.test\\.ts$|/testing/|^host-agent/src/vmm/fake/";

/** Folders and files of `control-plane/src` by floors, the highest first: each may import from the floors below its own. */
const controlPlane = [
  ["testing"],
  ["main.ts"],
  ["control-plane.ts", "tasks.ts"],
  ["wiring", "backup"],
  ["config.ts"],
  ["admin", "bootstrap", "monitoring"],
  ["webhooks"],
  ["events"],
  ["oauth", "commands", "files", "dashboard", "sandbox-metrics", "family", "host-registry"],
  ["sessions", "sandboxes"],
  ["accounts", "email-verification", "quotas", "api-keys", "templates", "stats", "usage"],
  ["teams", "hosts", "signing-keys", "host-certificates"],
  ["users", "auth", "secrets", "mail"],
  ["audit"],
  ["http"],
  ["rate-limits"],
  ["database", "callers"],
  ["logging.ts", "process", "identifiers", "addresses", "date-time.ts", "detached-operations.ts"],
];

/** The same of `host-agent/src`. */
const hostAgent = [
  ["testing"],
  ["main.ts"],
  ["program.ts"],
  ["host.ts"],
  ["link"],
  ["rpc", "monitoring"],
  ["sandboxes"],
  ["templates"],
  ["snapshots", "doctor", "platform.ts", "settings.ts"],
  ["vmm"],
  ["network", "images"],
  ["disk"],
  ["memory"],
  ["cgroup", "guest", "memory-pressure"],
  ["linux", "logging.ts"],
];

/** The same of `host-agent/src/sandboxes`. */
const sandboxes = [
  ["testing"],
  ["service.ts"],
  ["usage.ts"],
  ["assembly.ts"],
  ["recovery.ts"],
  ["watch", "calls", "metrics"],
  ["snapshot"],
  ["start"],
  ["end"],
  ["microvms"],
  ["state"],
  ["record", "capacity"],
];

/** Rules that nothing in a source folder imports what stands on its own floor or a higher one, or on none. */
function floorRules(source, floors) {
  const pathOf = (names) => `^${source}/(${names.map((name) => name.replace(/\.ts$/, "\\.ts$")).join("|")})(/|$)`;
  const rules = floors.flatMap((floor, index) =>
    floor.map((name) => ({
      name: `floors-of-${source}`,
      comment: `${name} imports from its own floor, or from one above; the floors are in .dependency-cruiser.cjs`,
      severity: "error",
      from: { path: pathOf([name]), pathNot: "\\.test\\.ts$" },
      to: { path: pathOf(floors.slice(0, index + 1).flat()), pathNot: pathOf([name]) },
    })),
  );
  return [
    ...rules,
    {
      name: `every-room-of-${source}-has-a-floor`,
      severity: "error",
      from: { path: `^${source}/`, pathNot: ["\\.test\\.ts$", pathOf(floors.flat())] },
      to: {},
    },
  ];
}

module.exports = {
  forbidden: [
    ...floorRules("control-plane/src", controlPlane),
    ...floorRules("host-agent/src", hostAgent),
    ...floorRules("host-agent/src/sandboxes", sandboxes),
    {
      name: "no-circle-of-types-either",
      severity: "error",
      from: { path: "^(control-plane|host-agent)/src/" },
      to: { circular: true },
    },
    {
      name: "tests-are-for-tests",
      comment: "what stands in testing/ is imported by tests alone, as the fake VMM is",
      severity: "error",
      from: { path: "/src/", pathNot: TESTS },
      to: { path: "/testing/|^host-agent/src/vmm/fake/" },
    },
    {
      name: "no-circular",
      severity: "error",
      from: {},
      // A cycle that some edge of which exists for the type checker alone is none when the program runs.
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "contracts-import-nothing",
      severity: "error",
      from: { path: "^contracts/" },
      to: { path: `^(${parts.join("|")})/` },
    },
    ...parts.map((part) => ({
      name: `${part}-meets-others-in-contracts`,
      severity: "error",
      from: { path: `^${part}/` },
      to: { path: `^(${parts.filter((other) => other !== part && !may[part].includes(other)).join("|")})/` },
    })),
    {
      name: "vmm-knows-no-sandboxes",
      severity: "error",
      from: { path: "^host-agent/src/(vmm|disk|network|memory|images|guest|linux)/" },
      to: { path: "^host-agent/src/(sandboxes|rpc|link)/" },
    },
    {
      name: "not-to-unresolvable",
      severity: "error",
      from: {},
      // What SvelteKit makes up for the pages.
      to: { couldNotResolve: true, pathNot: "^\\$app/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { conditionNames: ["import", "types", "node", "default"], exportsFields: ["exports"] },
    exclude: { path: "contracts/src/gen|/\\.svelte-kit/" },
  },
};
