import { buildDashboard } from "./build-dashboard.ts";

/**
 * Has the pages built beside whatever else goes on: nothing waits for them. What there is to tell is said in one line each,
 * and a build that fails costs no more than the pages. Returns what gives it up.
 */
export function preparePages(say: (text: string) => void): () => void {
  const givenUp = new AbortController();
  void build(say, givenUp.signal);
  return () => givenUp.abort();
}

async function build(say: (text: string) => void, signal: AbortSignal): Promise<void> {
  let begun = false;
  const onBegin = () => {
    begun = true;
    say("building the pages of the dashboard; the API does not wait for them");
  };
  try {
    await buildDashboard({ signal, onBegin });
    if (begun) say("the pages of the dashboard are built");
  } catch (error) {
    if (!signal.aborted) say(`the API works without the pages of the dashboard: ${(error as Error).message}`);
  }
}
