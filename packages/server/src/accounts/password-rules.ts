import { limits } from '@keyhold/contract/limits'

/*
 * What NIST SP 800-63B-4 §3.1.1.2 asks of new passwords: a length, and that they are not among those that are guessed first.
 * No rule on kinds of characters, and none on age.
 */

/** Guessed first, as lists of leaked passwords have them; also what is typed to reach a length. In lower case. */
const COMMON: ReadonlySet<string> = new Set(
  `password passwort passw0rd p@ssw0rd p@ssword pa$$word motdepasse contrasena password! password1 password12 password123
password1234 password12345 password123456 password1! passwordpassword passwort123 passwordispassword thisismypassword
thisisapassword mypassword mypassword1 newpassword newpassword1 changeme changeme1 changeme123 changemechangeme letmein1
letmeinplease letmein123 welcome1 welcome12 welcome123 welcome2024 welcome2025 welcome2026 iloveyou iloveyou1 iloveyou2
iloveyouforever princess princess1 sunshine sunshine1 football football1 baseball baseball1 basketball superman superman1
starwars starwars1 computer computer1 internet whatever trustno1 michelle jennifer jessica1 charlie1 dragon123 monkey123
shadow123 master123 killer123 abc12345 abcd1234 abcdefgh abcdefghijklmno a1b2c3d4 aa123456 admin123 admin1234
administrator adminadmin administrator1 root1234 rootroot toor1234 secret123 topsecret supersecret supersecretpassword
supersecurepassword correcthorsebatterystaple correct horse battery staple qwertyui qwertyuiop qwertyuiop123
qwertyuiopasdfgh qwertyuiopasdfghjkl qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertz123 qwertzuiop
azertyuiop asdfghjkl asdfasdf asdfghjkl123 zxcvbnm1 zxcvbnm123 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc
1qaz2wsx3edc4rfv 1qazxsw2 zaq12wsx zaq1zaq1 q1w2e3r4 q1w2e3r4t5 qazwsxedc qazwsxedcrfv testtest test1234 testing123
temporary temporary1 temppassword default1 default123 guest1234 user1234 login123 access123 freedom1 hello123 helloworld
nintendo pokemon1 liverpool chelsea1 arsenal1 manchester barcelona mercedes samsung1 google123 facebook`
    .split(/\s+/)
    .concat('correct horse battery staple', 'i love you forever', 'let me in please', 'this is my password'),
)

/** Characters next to each other on keyboards and in alphabets: a run of them is no choice. */
const RUNS = ['abcdefghijklmnopqrstuvwxyz', '0123456789', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm']

/** Letters and digits that have to be left of a password when words that anybody expects are taken out of it. */
const REST_MIN = 4

/** Who wants a password, and how long it has to be. */
export interface PasswordOwner {
  readonly email: string
  readonly name: string
  /** Then signing in takes more than the password, and a shorter one will do. */
  readonly hasSecondFactor: boolean
}

/** Whether a password is good only together with a second factor. */
export const isShort = (password: string): boolean => [...password].length < limits.passwordLengthMin

/** What is wrong with a new password, as text for people that quotes nothing; undefined when it will do. */
export function passwordProblem(password: string, owner: PasswordOwner): string | undefined {
  const min = owner.hasSecondFactor ? limits.passwordLengthMinWithFactor : limits.passwordLengthMin
  if ([...password].length < min) return `has fewer than ${min} characters`
  const plain = password.normalize('NFKC').toLowerCase()
  if (COMMON.has(plain)) return 'is one of the passwords that are guessed first'
  if (isRun(plain)) return 'is a repetition or a run of neighbours'
  let rest = plain
  for (const word of expectedWords(owner)) rest = rest.replaceAll(word, '')
  const letters = [...rest.replaceAll(/[^\p{L}\p{N}]/gu, '')]
  if (letters.length < REST_MIN && rest !== plain)
    return 'is little more than your name, your address or the name of this service'
  return undefined
}

function expectedWords({ email, name }: PasswordOwner): string[] {
  return [...email.split(/[@.+_-]/), ...name.split(/[\s'’-]/), 'keyhold', 'password']
    .map((word) => word.normalize('NFKC').toLowerCase())
    .filter((word) => [...word].length >= 3)
    .sort((a, b) => b.length - a.length)
}

/** `aaaaaaaa`, `abcabcabc`, `12345678`, `hgfedcba`. */
function isRun(text: string): boolean {
  for (let length = 1; length <= 4; length++)
    if (
      text ===
      text
        .slice(0, length)
        .repeat(Math.ceil(text.length / length))
        .slice(0, text.length)
    )
      return true
  // Twice over, so that 890123 and 7654321 are runs as well.
  return RUNS.some((run) => {
    const forth = run.repeat(Math.ceil(text.length / run.length) + 1)
    return forth.includes(text) || [...forth].reverse().join('').includes(text)
  })
}
