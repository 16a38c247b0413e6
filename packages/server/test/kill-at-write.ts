import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread } from 'node:worker_threads'

/*
 * Loaded with `--import` into a process of the server: kills it, as kill -9 would, right before its KILL_AT-th write to
 * files or database. Writes count from the first one that matches KILL_FROM, so that a sweep from 1 on tries each moment.
 */

const at = Number(process.env.KILL_AT)
const from = new RegExp(process.env.KILL_FROM ?? '')
let count = 0

function write(what: string): void {
  if (count === 0 && !from.test(what)) return
  count += 1
  if (count === at) process.kill(process.pid, 'SIGKILL')
}

// biome-ignore lint/suspicious/noExplicitAny: functions of every shape are wrapped alike.
function watch(target: any, name: string, describe: (self: any, args: any[]) => string | undefined): void {
  const original = target[name]
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  target[name] = function (this: any, ...args: any[]) {
    const what = describe(this, args)
    if (what !== undefined) write(what)
    return original.apply(this, args)
  }
}

if (isMainThread) {
  for (const name of ['writeSync', 'fsyncSync', 'linkSync', 'renameSync', 'rmSync', 'unlinkSync'])
    watch(fs, name, (_self, args) => `${name} ${args.join(' ')}`)
  watch(fs, 'openSync', (_self, [path, flags]) => (/w/.test(String(flags)) ? `open ${path}` : undefined))
  syncBuiltinESMExports()
  watch(DatabaseSync.prototype, 'exec', (_self, [sql]) => String(sql))
  for (const name of ['all', 'run'])
    watch(StatementSync.prototype, name, (self) =>
      /^\s*select/i.test(self.sourceSQL) ? undefined : self.sourceSQL,
    )
  watch(Socket.prototype, 'write', (self, [data]) =>
    self.remotePort === undefined ? undefined : Buffer.from(data).toString('latin1'),
  )
}
