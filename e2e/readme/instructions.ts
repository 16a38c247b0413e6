/** A fenced block of the README: commands for a terminal, and what they are said to print. */
export interface Step {
  /** `terminal-1` and so on, from the info string of the block. */
  readonly terminal: string
  readonly commands: readonly string[]
  /** Lines of the `text` block that comes before the next commands, if there is one. */
  readonly promised: readonly string[]
}

const BLOCK = /^```(\w+)(?: (terminal-\d))?\n(.*?)^```$/gms

/** Finds what a reader of the README is told to type, in order. Blocks that name no terminal are not part of it. */
export function readSteps(readme: string): Step[] {
  const steps: { terminal: string; commands: string[]; promised: string[] }[] = []
  for (const [, kind, terminal, text = ''] of readme.matchAll(BLOCK)) {
    const lines = text.trimEnd().split('\n')
    if (terminal !== undefined) steps.push({ terminal, commands: lines, promised: [] })
    else if (kind === 'text') steps.at(-1)?.promised.push(...lines.filter((line) => line !== ''))
  }
  return steps
}

/** Whether `output` has all the promised lines, each as a whole line, in this order. @returns the first that it lacks. */
export function missingLine(promised: readonly string[], output: string): string | undefined {
  const lines = output.split('\n')
  let from = 0
  return promised.find((line) => {
    const pattern = linePattern(line)
    const index = lines.findIndex((candidate, at) => at >= from && pattern.test(candidate))
    from = index + 1
    return index === -1
  })
}

/** In a promised line `…` is anything, a time is any time, and a log has more checkpoints on a slow machine. */
function linePattern(line: string): RegExp {
  const escaped = line
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('…', '.*')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d')
  const counted = /^(verified|keyhold: line)\b/.test(line)
    ? escaped.replaceAll(/\d+/g, '\\d+').replace('checkpoint,', 'checkpoints?,')
    : escaped
  return new RegExp(`^${counted}$`)
}
