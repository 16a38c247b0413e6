/** Where the clock of this machine and the time that it has run are read; both in milliseconds. */
export interface Clocks {
  wall(): number
  /** Never set, but stands still while a machine sleeps. */
  monotonic(): number
}

const clocks: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() }

/**
 * The time of the server, which this machine's clock need not agree with. Made before the server is asked, so that it is not
 * behind, but for what a clock says that was set back while the machine slept.
 */
export class ServerTime {
  readonly #clocks: Clocks
  readonly #wall: number
  readonly #monotonic: number
  #server = 0

  constructor(from: Clocks = clocks) {
    this.#clocks = from
    this.#wall = from.wall()
    this.#monotonic = from.monotonic()
  }

  /** @param server what it said, in milliseconds since 1970. */
  start(server: number): void {
    this.#server = server
  }

  /** Milliseconds since 1970. */
  now(): number {
    const passed = Math.max(this.#clocks.wall() - this.#wall, this.#clocks.monotonic() - this.#monotonic)
    return this.#server + passed
  }
}
