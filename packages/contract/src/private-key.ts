/**
 * Says whether a text holds a private key: PEM of every kind, OpenSSH, PuTTY, ssh.com, also without its first and last
 * line. For telling somebody who pasted the wrong file; not for looking for leaks.
 */
export function looksLikePrivateKey(text: string): boolean {
  return FORMS.some((form) => form.test(text)) || text.split('\n').some(startsPrivateDer)
}

const FORMS = [
  /BEGIN [A-Z0-9 ]*PRIVATE KEY|SSH PRIVATE KEY FILE FORMAT/i,
  /PuTTY-User-Key-File|Private-Lines:/i,
  // The start of an OpenSSH key in base64 ("openssh-key-v1"), and of one of ssh.com.
  /b3BlbnNzaC1rZXktdj/,
  /P2\/56wAA/,
]

/** PKCS #8 and the older forms for RSA and EC: a sequence that begins with its version, 0 or 1. */
function startsPrivateDer(line: string): boolean {
  const start = /^\s*(M[A-Za-z0-9+/]{11})/.exec(line)?.[1]
  // Twelve characters of base64 are nine bytes.
  return (
    start !== undefined && /^0(?:[^\x80-\xff]|\x81[\s\S]|\x82[\s\S]{2})\x02\x01[\x00\x01]/.test(atob(start))
  )
}
