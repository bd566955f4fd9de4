import adapter from "@sveltejs/adapter-static";
import { sveltekit } from "@sveltejs/kit/vite";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";
import { withoutStyleAttributes, xtermWithoutStyleElements } from "./policy-plugins.ts";

/** Where the pages are put; the launcher and tests name directories of their own. */
const OUTPUT = process.env.WARREN_DASHBOARD_OUTPUT ?? "build";
/** What the pages are built of, by its hash: a page that is open finds out by it that there is a newer one. */
const VERSION = process.env.WARREN_DASHBOARD_VERSION ?? "development";
/** Server that the development server passes the API on to. */
const SERVER = process.env.WARREN_URL ?? "http://127.0.0.1:3000";
/** What the control plane answers itself. */
const API = ["/v1", "/docs", "/openapi.json", "/openapi.yaml", "/health"];

export default defineConfig({
  plugins: [
    withoutStyleAttributes,
    xtermWithoutStyleElements,
    tailwindcss(),
    sveltekit({
      adapter: adapter({ pages: OUTPUT, fallback: "index.html", precompress: true }),
      // Names of assets are their content; the page names them.
      paths: { relative: false },
      version: { name: VERSION },
      compilerOptions: { runes: ({ filename }) => (filename.includes("node_modules") ? undefined : true) },
    }),
  ],
  build: { target: "es2023", chunkSizeWarningLimit: 700 },
  server: {
    // The browser's origin is that of this server, which the API would take for a foreign one.
    proxy: Object.fromEntries(
      API.map((path) => [path, { target: SERVER, ws: true, changeOrigin: true, headers: { origin: SERVER } }]),
    ),
  },
});
