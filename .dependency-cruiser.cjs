/** Layer rules: data flows client → control plane → host agent → guest agent, and parts meet in contracts/ only. What several of the programs need is in server/. */
const parts = ["server", "control-plane", "host-agent", "sdk", "cli", "dashboard", "bench", "tests"];
const may = {
  server: [],
  "control-plane": ["server"],
  "host-agent": ["server"],
  sdk: [],
  cli: ["sdk", "server"],
  dashboard: ["sdk"],
  bench: ["sdk", "server", "host-agent"],
  tests: ["sdk", "cli", "server", "host-agent", "control-plane"],
};

module.exports = {
  forbidden: [
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
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { conditionNames: ["import", "types", "node", "default"], exportsFields: ["exports"] },
    exclude: { path: "contracts/src/gen" },
  },
};
