import type { Secret } from '@keyhold/contract/secret'
import type { Logger } from 'pino'
import type { Machine, Person } from '../access/caller.ts'
import type { Config } from '../config/config.ts'
import { Http } from '../http/http.ts'
import { sealedRoutes } from '../http/operations.ts'
import { listenForPassphrase } from '../upkeep/unseal-socket.ts'
import { deriveRootKey, readRootKeyFiles } from '../vault/root-key.ts'
import { cannotListen } from './unusable.ts'

/** A server whose root key nobody has opened yet. */
export interface SealedServer {
  /** Where it says so to everybody. */
  readonly address: string
  /** Resolves with what opens the root key. */
  readonly passphrase: Promise<Secret<string>>
  close(): Promise<void>
}

/** Listens, touches no database, and waits for the passphrase. @throws ConfigError */
export async function composeSealedServer(config: Config, logger: Logger): Promise<SealedServer> {
  const http = new Http<Person, Machine>({
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
    tls: config.tls,
    logger,
    authenticate: async () => undefined,
    isStillAdmitted: async () => false,
    admit: async () => {},
    used: () => undefined,
  })
  sealedRoutes(http.fastify)
  const open = async (passphrase: Secret<string>) => {
    const { files } = await readRootKeyFiles(config.dataDir, false, passphrase).catch((error: unknown) => {
      logger.warn({ err: error }, 'the root key was not opened')
      throw error
    })
    return deriveRootKey(files[0]!.key).fingerprint // `!`: without any, reading them throws.
  }
  const { passphrase, close } = await listenForPassphrase(config.dataDir, open)
  const address = await http.fastify
    .listen({ host: config.http.host || '::', port: config.http.port })
    .catch((error: unknown) => {
      throw cannotListen('KEYHOLD_HTTP_ADDR', config.http, error)
    })
  return {
    address,
    passphrase,
    close: async () => {
      close()
      const closing = http.fastify.close()
      // Answers are short. Who keeps a connection comes again.
      http.fastify.server.closeAllConnections()
      await closing
    },
  }
}
