/** What an agent says of itself. No values. */
export interface AgentStatus {
  readonly workspaceId: string
  /** Address of Keyhold. */
  readonly url: string
  /** When the connection began, by the clock of this machine; null: there is none. */
  readonly connectedAt: string | null
  /** Counts the agents that the workspace has had; null until the server has said so. */
  readonly epoch: number | null
  /** By how much the clock of this machine is ahead of the server's; null until the server has said so. */
  readonly clockAheadSeconds: number | null
  readonly secrets: SecretsStatus
  readonly ssh: SshStatus
}

export interface SecretsStatus {
  /** Whether the server has heard of what is in effect, and it is what there is. */
  readonly isCurrent: boolean
  readonly inEffect: readonly { readonly name: string | null; readonly file?: string }[]
  /** What programs do not get, and why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[]
}

export interface SshStatus {
  readonly hasServer: boolean
  readonly canOpenTerminals: boolean
  /** null: there is no certificate yet. */
  readonly certificateUntil: string | null
}
