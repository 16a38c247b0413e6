import { openStorage } from '../src/storage/storage.ts'

/* Opens a database, as a process of its own that tests kill: node open-storage.ts <directory or postgres://…> */

const [where = ''] = process.argv.slice(2)
process.stdout.write('opening\n')
const storage = await openStorage(where.startsWith('postgres') ? { databaseUrl: where } : { dataDir: where })
process.stdout.write('open\n')
await storage.close()
