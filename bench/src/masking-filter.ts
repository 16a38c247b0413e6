/*
 * The measured process of masking.ts: `node masking-filter.ts <how> <file> <times>` sends the file, as `cat` writes it, to
 * standard output, and the seconds that took to standard error.
 */
import { spawn } from 'node:child_process'
import { sampleSecrets } from '@keyhold/masking/bench/stream.ts'
import { pumpPipe } from '../../packages/cli/src/run/pipe-pump.ts'
import { makePipes } from '../../packages/cli/src/run/pipes.ts'
import { Masker } from '../../packages/masking/src/masking.ts'

const [how = '', file = '', times = ''] = process.argv.slice(2)
const files = new Array<string>(Number(times)).fill(file)
const masker = how === 'node' ? undefined : new Masker(sampleSecrets(Number(how)))
let startedAt: number
if (masker === undefined) {
  // What a Node program does that only passes output on.
  startedAt = performance.now()
  const child = spawn('cat', files, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.pipe(process.stdout)
  await new Promise((resolve) => child.stdout.once('end', resolve))
} else {
  // What `keyhold run` does.
  const pipes = await makePipes(process.env)
  if (pipes === undefined) throw new Error('no pipes can be made')
  startedAt = performance.now()
  spawn('cat', files, { stdio: ['ignore', pipes[0].writer, 'inherit'] })
  const pump = pumpPipe(pipes[0].reader, () => masker, 1)
  for (const pipe of pipes) pipe.closeWriter()
  await pump.done
}
process.stderr.write(String((performance.now() - startedAt) / 1000))
process.exit()
