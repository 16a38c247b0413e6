/** What a hook has told of a name, or `keyhold run` itself of a program without one. */
export interface UseEvent {
  readonly kind: 'read' | 'inherited' | 'program'
  readonly name: string
  readonly program: string
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly via?: string
  readonly isMapped?: boolean
}
