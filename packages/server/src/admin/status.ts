import { type AdminCommand, assertInstance, withCore } from './command.ts'
import { print, say } from './output.ts'

export const instanceStatus: AdminCommand = {
  usage: 'status [--json]',
  summary: 'what this instance is, and what it needs',
  options: { json: { type: 'boolean' } },
  async run(given) {
    const config = assertInstance()
    const status = await withCore(async (core) => {
      const { rootKeys, servers } = await core.rootKeys.status()
      const current = rootKeys.find(({ state }) => state === 'current')! // `!`: an instance has one.
      const needs = [
        ...(current.kitProvenAt
          ? []
          : [
              `the root key ${current.fingerprint} has no proven recovery kit: keyhold admin recovery-kit create`,
            ]),
        ...rootKeys
          .filter(({ state }) => state === 'previous')
          .map(
            ({ fingerprint }) =>
              `the previous root key is to be retired: keyhold admin root-key retire ${fingerprint}`,
          ),
        ...servers
          .filter((server) => server.rootFingerprint !== current.fingerprint)
          .map(
            ({ host }) =>
              `the server on ${host} was started with another root key than the current one: restart it`,
          ),
      ]
      return {
        url: config.publicUrl,
        database: core.storage.dialect,
        rootKey: current.fingerprint,
        recoveryKit: current.kitProvenAt ? 'proven' : current.kitMadeAt ? 'made' : 'missing',
        servers,
        needs,
      }
    })
    if (given.json) return print(`${JSON.stringify(status, null, 2)}\n`)
    print(`instance      ${status.url}\ndatabase      ${status.database}\nroot key      ${status.rootKey}\n`)
    print(`recovery kit  ${status.recoveryKit}\nservers       ${status.servers.length}\n`)
    for (const need of status.needs) say(`needed: ${need}\n`)
  },
}
