import { answer, api, onSignedOut, onTeamLost, type Schemas } from "#lib/api/client.ts";
import { goto } from "$app/navigation";
import { leaveGuards } from "./leave-guards.ts";

type Me = Schemas["Me"];
type Team = NonNullable<Me["team"]>;

/** Name of the channel by which the tabs of one browser tell each other that the session is another one. */
const CHANNEL = "warren-session";

/** Who is signed in, and the team that the session acts for. All tabs of a browser share one session. */
class Session {
  /** Undefined until it was asked for, null when nobody is signed in. */
  me = $state<Me | null>();
  /** All live teams of the person. */
  teams = $state<Schemas["Team"][]>([]);
  /** Another number after each log-in, log-out and change of team: pages are made anew for it. */
  epoch = $state(0);

  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #resets = new Set<() => void>();
  #asked: Promise<Me | null> | undefined;
  /** Whether somebody was asked what becomes of the page, since the session has ended or lost its team. */
  #wasAsked = false;

  constructor() {
    onSignedOut(() => void this.#expire());
    onTeamLost(() => void this.#loseTeam());
    this.#channel.onmessage = () => this.#reload();
  }

  /** The team that the session acts for; undefined for somebody without a live team. */
  get team(): Team | undefined {
    return this.me?.team;
  }

  get role(): Team["role"] | undefined {
    return this.team?.role;
  }

  /** Whether the person may rename the team, and add and remove members. */
  get managesTeam(): boolean {
    return this.role === "owner" || this.role === "admin";
  }

  get ownsTeam(): boolean {
    return this.role === "owner";
  }

  /** Whether the team runs its sandboxes on hosts of its own. */
  get bringsHosts(): boolean {
    return this.teams.some(({ id, is_byoc }) => is_byoc && id === this.team?.team_id);
  }

  get isAdmin(): boolean {
    return this.me?.is_admin ?? false;
  }

  /** Has what a store keeps of one session forgotten when another begins. Returns what takes that back. */
  onReset(forget: () => void): () => void {
    this.#resets.add(forget);
    return () => this.#resets.delete(forget);
  }

  /** The person who is signed in, asked of the server once per session. */
  async load(): Promise<Me | null> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  async logIn(email: string, password: string): Promise<void> {
    await answer(api.POST("/v1/auth/login", { body: { email, password, cookie: true } }));
    await this.begin();
  }

  async signUp(name: string, email: string, password: string): Promise<void> {
    await answer(api.POST("/v1/auth/signup", { body: { name, email, password, cookie: true } }));
    await this.begin();
  }

  /** Starts over with the session that the cookie holds now, in all tabs. */
  async begin(): Promise<void> {
    this.#channel.postMessage("changed");
    this.#forget();
    await this.load();
  }

  /** Continues in another team; false when somebody stays, for what they would lose on the page. */
  async switchTeam(teamId: string): Promise<boolean> {
    return leaveGuards.leaveBy(() => this.#switchTo(teamId));
  }

  /** Makes a team and continues in it; false, and none is made, when somebody stays for what they would lose on the page. */
  async createTeam(name: string): Promise<boolean> {
    return leaveGuards.leaveBy(async () => {
      const team = await answer(api.POST("/v1/teams", { body: { name } }));
      await this.#switchTo(team.id);
    });
  }

  /** Ends the session on the server, here and in all tabs, unless somebody stays for what they would lose on the page. */
  async logOut(): Promise<void> {
    await leaveGuards.leaveBy(async () => {
      await api.POST("/v1/auth/logout");
      this.#channel.postMessage("changed");
      this.#forget();
      this.me = null;
      this.#asked = Promise.resolve(null);
      await goto("/login");
    });
  }

  /** Reads the person and the teams anew after a change of them. */
  async refresh(): Promise<void> {
    const asked = this.#ask();
    this.#asked = asked;
    await asked;
  }

  async #switchTo(teamId: string): Promise<void> {
    await answer(api.POST("/v1/auth/switch-team", { body: { team_id: teamId } }));
    await this.begin();
  }

  async #ask(): Promise<Me | null> {
    try {
      const me = await answer(api.GET("/v1/me"));
      this.teams = await answer(api.GET("/v1/teams"));
      this.me = me;
    } catch (error) {
      if ((error as { status?: number }).status !== 401) {
        this.#asked = undefined;
        throw error;
      }
      this.me = null;
    }
    return this.me;
  }

  #forget(): void {
    for (const forget of this.#resets) forget();
    this.me = undefined;
    this.teams = [];
    this.#asked = undefined;
    this.epoch += 1;
  }

  /** Another tab has changed the session: this one shows nothing of the former any more. */
  #reload(): void {
    this.#wasAsked = false;
    location.reload();
  }

  /** Whether somebody was asked and stays, for what they would lose on the page. */
  get #hasStayed(): boolean {
    return this.#wasAsked && leaveGuards.hold;
  }

  /**
   * The team is no longer theirs: what is on the pages goes, in all tabs. Who stays, for what they would lose on the page, can copy
   * that, and is asked again by the next page.
   */
  async #loseTeam(): Promise<void> {
    if (!this.team || this.#hasStayed) return;
    this.#wasAsked = true;
    await leaveGuards.leaveBy(async () => {
      this.#wasAsked = false;
      await this.begin();
    });
  }

  /**
   * The server no longer knows the session: one signs in and comes back. Who stays, for what they would lose on the page, can sign in
   * in another tab and go on in this one.
   */
  async #expire(): Promise<void> {
    if (this.me === null || this.me === undefined || this.#hasStayed) return;
    this.#wasAsked = true;
    await leaveGuards.leaveBy(async () => {
      this.#wasAsked = false;
      this.#forget();
      this.me = null;
      this.#asked = Promise.resolve(null);
      await goto(logInPath(location.pathname + location.search));
    });
  }
}

/** The one session of this tab. */
export const session = new Session();

/** Address of the log-in page that leads back to a page. */
export function logInPath(to: string): string {
  return to === "/" || to === "/dashboard" ? "/login" : `/login?to=${encodeURIComponent(to)}`;
}
