/** Where a request comes from, as far as it can be trusted. */
export interface Origin {
  /** Client address, after trusted proxies; IPv4-mapped IPv6 written as IPv4. Absent for the operator's own commands. */
  readonly address?: string
  /** What the client says it is: its User-Agent, printable ASCII, at most 200 characters. */
  readonly client?: string
  /** Names the request in log, audit record and error body. */
  readonly traceId: string
}
