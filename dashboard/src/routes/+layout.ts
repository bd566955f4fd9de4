/** The pages are made in the browser alone: the server serves files. */
export const ssr = false;
export const prerender = false;
