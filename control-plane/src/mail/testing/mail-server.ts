import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";

/** A mail server on loopback that keeps what it takes. */
export class MailServer {
  readonly #server: SMTPServer;
  readonly #mails = new Map<string, string>();
  readonly #arrivals = new EventEmitter();
  refuses = false;
  /** What is waited for before a mail is taken. */
  holdBack: Promise<void> = Promise.resolve();
  /** Mails that came. */
  count = 0;

  private constructor() {
    this.#server = new SMTPServer({
      authOptional: true,
      hideSTARTTLS: true,
      onData: async (stream, session, done) => {
        const mail = await text(stream);
        this.count++;
        this.#arrivals.emit("mail");
        await this.holdBack;
        if (this.refuses) return done(new Error("mailbox full"));
        for (const { address } of session.envelope.rcptTo) {
          this.#mails.set(address, mail);
          this.#arrivals.emit(address);
        }
        done();
      },
    });
  }

  static async start(): Promise<MailServer> {
    const server = new MailServer();
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server.server, "listening");
    return server;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  /** Whether a mail to an address is there that was not taken away. */
  has(address: string): boolean {
    return this.#mails.has(address);
  }

  /** Resolves when the next mail comes. */
  async nextMail(): Promise<void> {
    await once(this.#arrivals, "mail");
  }

  /** The newest mail to an address, which is waited for and taken away, without the line breaks of its encoding. */
  async mailTo(address: string): Promise<string> {
    if (!this.#mails.has(address)) await once(this.#arrivals, address);
    const mail = this.#mails.get(address)!.replaceAll("=\r\n", "").replaceAll("=3D", "=");
    this.#mails.delete(address);
    return mail;
  }

  /** The link of the newest mail to an address. */
  async linkTo(address: string): Promise<URL> {
    const mail = await this.mailTo(address);
    return new URL(/https?:\S+/.exec(mail.slice(mail.indexOf("open this link")))![0]);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
