/**
 * Asks once more when a question got no answer: browsers end what is under way when an interface of the network comes or goes
 * (net::ERR_NETWORK_CHANGED), though the server is there. Questions only: of anything else nobody knows whether it was done.
 */
export async function askAgain(
  request: Request,
  ask: (request: Request) => Promise<Response> = (asked) => fetch(asked),
): Promise<Response> {
  try {
    return await ask(request);
  } catch (error) {
    if (request.method !== "GET" || request.signal.aborted) throw error;
    return ask(request);
  }
}
