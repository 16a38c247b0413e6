import { composeCore } from '../src/compose/core.ts'
import { readConfig } from '../src/config/config.ts'

/* Removes audit records that are older than they are kept, as a process of its own that tests kill. */

const core = await composeCore(readConfig({ ...process.env }))
await core.auditRetention.run(new AbortController().signal)
await core.close()
