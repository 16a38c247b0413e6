// biome-ignore-all lint/style/useNodejsImportProtocol: the program's Node may be years older than keyhold's
// biome-ignore-all lint/complexity/useOptionalChain: likewise
'use strict'

// Tells `keyhold run` where a Node program reads its secrets. Loaded before the program (NODE_OPTIONS=--require), in every
// worker and child of it too. It knows names and places, never looks at a value, prints nothing, and leaves the program
// alone whatever goes wrong here.
//
// What tells a read from looking through all variables: a listing of the keys comes first then, and values are asked for
// in its order, or each right after its descriptor, as spreading, Object.assign and for…in do it.

function watch() {
  const fs = require('fs')
  const path = require('path')
  const Module = require('module')
  const { fileURLToPath } = require('url')

  const directory = process.env.KEYHOLD_USES
  // keyhold itself is no program to be watched.
  if (!directory || String(process.argv[1]).startsWith(path.dirname(__dirname) + path.sep)) return

  /** Events that wait for the reader; more are dropped. */
  const CHANNEL_BYTES_MAX = 1024 * 1024
  /** Reads of a name whose whole stack is looked at, those whose first line is, and of later ones one in so many. */
  const STACKS_MAX = 64
  const LINES_MAX = 20000
  const LATER_ONE_IN = 1024
  /** After so long all of that begins anew. */
  const REST_MS = 10000
  /** More names than this at one place, after the keys were listed, are no reads of each. */
  const NAMES_PER_PLACE = 3
  const FRAMES = 24

  const channel = path.join(directory, 'events')
  const program = path.basename(process.execPath)
  const real = process.env
  const get = Reflect.get
  const getOwnPropertyDescriptor = Reflect.getOwnPropertyDescriptor
  const ownKeys = Reflect.ownKeys
  const captureStackTrace = Error.captureStackTrace
  const later = setImmediate

  /** How often each watched variable was read. */
  const watched = new Map()
  for (const name of fs.readFileSync(path.join(directory, 'names'), 'utf8').split('\n')) {
    if (name !== '' && real[name] !== undefined) watched.set(name, 0)
  }

  /** Appends whole lines: the kernel keeps those of different processes apart. Never waits, never fails. */
  function send(lines) {
    let fd
    try {
      fd = fs.openSync(channel, fs.constants.O_WRONLY | fs.constants.O_APPEND)
      if (fs.fstatSync(fd).size < CHANNEL_BYTES_MAX) fs.writeSync(fd, lines.join(''))
    } catch (_error) {
      // The run is over, or somebody has removed its directory.
    }
    try {
      if (fd !== undefined) fs.closeSync(fd)
    } catch (_error) {
      // Nothing was lost.
    }
  }

  const field = (value) => (value === undefined ? '' : String(value).replace(/[\t\n\r]/g, ' '))

  send([`hello\t\t${field(program)}\t\t\t\t\t${process.pid}\n`])
  if (watched.size === 0) return

  /** Places that were told, or are about to be. */
  const told = new Set()
  let waiting = []
  /** Names by place, of this turn of the event loop, once the keys were listed in it. */
  let loops
  const isLoop = new Set()

  /** Call sites below a trap, the innermost first. */
  function stack(trap, frames) {
    const limit = Error.stackTraceLimit
    const hadPrepare = 'prepareStackTrace' in Error
    const prepare = Error.prepareStackTrace
    const holder = {}
    try {
      Error.stackTraceLimit = frames
      Error.prepareStackTrace = callSites
      captureStackTrace(holder, trap)
      return holder.stack
    } finally {
      Error.stackTraceLimit = limit
      if (hadPrepare) Error.prepareStackTrace = prepare
      else delete Error.prepareStackTrace
    }
  }
  const callSites = (_error, sites) => sites

  /** The line that asks for the value, and the package that does it for the line. */
  function findPlace(sites) {
    let via
    let isSpawn = false
    for (const site of sites) {
      if (site.getFunctionName() === 'normalizeSpawnArguments') isSpawn = true
      const place = placeOf(site)
      if (place === undefined) continue
      const folder = /^.*[/\\]node_modules[/\\](@[^/\\]+[/\\][^/\\]+|[^/\\]+)/.exec(place.file)
      if (folder === null) return { ...place, via, isSpawn }
      if (via === undefined) via = folder[1].replace('\\', '/')
    }
    return { via, isSpawn }
  }

  /** @returns undefined for what is Node's own. */
  function placeOf(site) {
    const file = site.getFileName()
    if (file && /^(?:[/[]|[A-Za-z]:[/\\]|file:|webpack)/.test(file))
      return { file, line: site.getLineNumber(), column: site.getColumnNumber() }
    // Code that was put together: the place that runs it.
    const origin = !file && site.isEval() && /\((.+):(\d+):(\d+)\)$/.exec(String(site.getEvalOrigin()))
    return origin ? { file: origin[1], line: Number(origin[2]), column: Number(origin[3]) } : undefined
  }

  const toPath = (file) => (String(file).startsWith('file:') ? fileURLToPath(file) : file)

  /** Where the line was written, if what runs was made from something else. */
  function original(place) {
    try {
      const map = place.file && Module.findSourceMap && Module.findSourceMap(place.file)
      const entry = map && map.findEntry(place.line - 1, place.column - 1)
      if (entry && entry.originalSource)
        return {
          file: entry.originalSource,
          line: entry.originalLine + 1,
          column: entry.originalColumn + 1,
          isMapped: true,
        }
    } catch (_error) {
      // Then the line that runs.
    }
    return place
  }

  function flush() {
    const events = waiting
    waiting = []
    loops = undefined
    const lines = events
      .filter((event) => !isLoop.has(event.key))
      .map(({ kind, name, place }) => {
        const { file, line, column, isMapped } = original(place)
        const fields = [kind, name, program, toPath(file), line, column, place.via, isMapped ? 'mapped' : '']
        return `${fields.map(field).join('\t')}\n`
      })
    // One write is whole up to some size; a long batch is several.
    for (let i = 0; i < lines.length; i += 32) send(lines.slice(i, i + 32))
  }

  function tell(kind, name, place) {
    const key = [place.file, place.line, place.column, place.via].join('\t')
    if (kind === 'read' && loops !== undefined) {
      const names = loops.get(key) || new Set()
      loops.set(key, names.add(name))
      if (names.size > NAMES_PER_PLACE) isLoop.add(key)
    }
    if (isLoop.has(key)) return
    const id = `${kind}\t${name}\t${key}`
    if (told.has(id)) return
    told.add(id)
    // Later, because of loops; `exit` sends what waits when the program ends before that.
    if (waiting.length === 0) later(flush)
    waiting.push({ kind, name, place, key })
  }

  /** First lines of stacks that were looked at. */
  const seen = new Set()
  let restedAt = Date.now()

  function noteRead(name, trap) {
    let count = watched.get(name) + 1
    try {
      if (count > LINES_MAX && count % LATER_ONE_IN === 0) {
        const now = Date.now()
        if (now - restedAt > REST_MS) {
          restedAt = now
          for (const one of watched.keys()) watched.set(one, 0)
          count = 1
        }
      }
      watched.set(name, count)
      if (count > LINES_MAX && count % LATER_ONE_IN !== 0) return
      if (count > STACKS_MAX) {
        const [site] = stack(trap, 1)
        if (site === undefined || seen.has(`${name} ${site.getFileName()}:${site.getPosition()}`)) return
      }
      const sites = stack(trap, FRAMES)
      if (!Array.isArray(sites) || sites.length === 0) return
      seen.add(`${name} ${sites[0].getFileName()}:${sites[0].getPosition()}`)
      const place = findPlace(sites)
      if (place.file || place.via) tell('read', name, place)
    } catch (_error) {
      // Somebody has frozen Error, or replaced what this is made of.
    }
  }

  let listings = 0
  function noteListing(trap) {
    listings += 1
    if (loops === undefined) {
      loops = new Map()
      if (waiting.length === 0) later(flush)
    }
    if (listings > STACKS_MAX && listings % LATER_ONE_IN !== 0) return
    try {
      const place = findPlace(stack(trap, FRAMES))
      if (place.isSpawn) for (const name of watched.keys()) tell('inherited', name, place)
    } catch (_error) {
      // As above.
    }
  }

  /** Keys as they were listed last, and which of them are asked for next if somebody goes through them. */
  let listed
  let nextDescribed = 0
  let nextRead = 0
  /** Key whose descriptor was asked for a moment ago, in the order of the listing. */
  let described

  const handler = {
    get(target, key) {
      const isCopied = described !== undefined && described === key
      described = undefined
      if (listed !== undefined) {
        if (key === listed[nextRead]) {
          nextRead += 1
          if (nextRead >= listed.length) listed = undefined
          return get(target, key)
        }
        if (isCopied) return get(target, key)
        // Somebody listed the keys and went on to something else.
        listed = undefined
      }
      if (typeof key === 'string' && watched.has(key)) noteRead(key, handler.get)
      return get(target, key)
    },
    getOwnPropertyDescriptor(target, key) {
      described = undefined
      if (listed !== undefined && key === listed[nextDescribed]) {
        nextDescribed += 1
        described = key
      }
      return getOwnPropertyDescriptor(target, key)
    },
    ownKeys(target) {
      noteListing(handler.ownKeys)
      const keys = ownKeys(target)
      listed = keys.length > 0 ? keys : undefined
      nextDescribed = 0
      nextRead = 0
      described = undefined
      return keys
    },
    // With the real object as the receiver: it does not take what the standard would define on a proxy.
    set(target, key, value) {
      // What the program put there itself is no secret of the run.
      if (watched.has(key)) watched.delete(key)
      return Reflect.set(target, key, value)
    },
    deleteProperty(target, key) {
      watched.delete(key)
      return Reflect.deleteProperty(target, key)
    },
    defineProperty(target, key, descriptor) {
      watched.delete(key)
      return Reflect.defineProperty(target, key, descriptor)
    },
  }
  process.env = new Proxy(real, handler)
  // For `import { env } from 'node:process'`.
  if (Module.syncBuiltinESMExports) Module.syncBuiltinESMExports()
  process.on('exit', flush)
}

try {
  watch()
} catch (_error) {
  // Without this the program runs as it would have.
}
