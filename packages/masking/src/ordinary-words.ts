/**
 * Values that look like settings, not secrets. Blanking them would punch holes into every log, so they are
 * left alone and reported by name (`Masker.unmasked`).
 */
const ORDINARY_WORDS = new Set(
  `true false yes no on off none null nil undefined empty enabled disabled enable disable default auto
  automatic manual always never required optional unset unknown example changeme
  production prod development develop devel dev staging stage testing test tests local localhost preview
  sandbox demo release master main trunk latest stable beta alpha canary nightly
  debug info notice warn warning error fatal critical trace verbose silent quiet
  json text plain pretty yaml html http https tcp udp unix file redis postgres postgresql mysql mariadb
  mongodb sqlite sqlite3 memory public private internal external primary secondary replica
  root admin administrator user guest nobody anonymous system service account service_account
  password passwd secret token username email name host port node npm bash docker linux windows darwin
  utf8 utf-8 ascii latin1 base64 bearer basic digest standard premium free basic
  us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-central-1 europe-west1 us-central1
  disable-ssl verify-full verify-ca prefer allow require
  1000 3000 3001 3306 4000 4200 5000 5173 5432 6379 8000 8080 8081 8443 8888 9000 9090 9200 27017 10000
  0000 1234 12345 123456 0.0.0.0 127.0.0.1`.split(/\s+/),
)

const LOCAL_ADDRESS = /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d{1,5})?\/?$/

/** Says whether masking this text would blank ordinary words. Case does not matter. */
export function isOrdinaryWord(text: string): boolean {
  const lower = text.toLowerCase()
  return ORDINARY_WORDS.has(lower) || LOCAL_ADDRESS.test(lower)
}
