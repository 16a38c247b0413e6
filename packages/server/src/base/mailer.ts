import type { Transporter } from 'nodemailer'

/** An outgoing mail server that stops answering must not hold what waits for it. */
const CONNECT_MS = 10_000
const SILENCE_MS = 20_000

/** Where mail goes out. */
export interface MailServer {
  /** `smtp://` (STARTTLS is insisted on, but on this machine) or `smtps://`, with user and password. */
  readonly url: string
  /** Sender of every message. */
  readonly from: string
}

export interface Message {
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** Sends mail by SMTP. */
export class Mailer {
  readonly #server: MailServer | undefined
  #transport: Promise<Transporter> | undefined

  /** @param server undefined where none is configured. */
  constructor(server: MailServer | undefined) {
    this.#server = server
  }

  get isConfigured(): boolean {
    return this.#server !== undefined
  }

  /** @throws Error with a code and the server's status, without what was sent. */
  async send(message: Message): Promise<void> {
    const server = this.#server
    if (!server) throw new Error('no mail server is configured')
    this.#transport ??= openTransport(server)
    try {
      const transport = await this.#transport
      await transport.sendMail({ ...message, from: server.from })
    } catch (error) {
      // The library's text quotes the server's answer, which may quote what was sent, and its command the password.
      const { code, responseCode } = error as { code?: string; responseCode?: number } // `as`: what is missing is undefined.
      throw new Error(`mail was not taken (${[code, responseCode].filter(Boolean).join(' ') || 'no answer'})`)
    }
  }
}

async function openTransport({ url }: MailServer): Promise<Transporter> {
  // Loaded only where mail is sent: memory and start-up count.
  const { createTransport } = await import('nodemailer')
  const { protocol, hostname, port, username, password } = new URL(url)
  const isTls = protocol === 'smtps:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const isThisMachine = host === 'localhost' || host === '::1' || host.startsWith('127.')
  return createTransport({
    host,
    port: port === '' ? (isTls ? 465 : 587) : Number(port),
    secure: isTls,
    // A relay on this machine has no network to be listened to on; anywhere else the password is not sent in clear.
    requireTLS: !isTls && !isThisMachine,
    ignoreTLS: !isTls && isThisMachine,
    ...(username !== '' && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
}
