/*
 * What the three vendors call things, and where they are. A Default is called at the vendor's cloud and nowhere else, an
 * Internal at its base URL and nowhere else: all addresses come from `endpointsOf`.
 *
 *            Default                                Internal (GitHub Enterprise Server, GitLab, Bitbucket Data Center)
 * github     github.com, api.github.com             <base>, <base>/api/v3
 * gitlab     gitlab.com                             <base>, <base>/api/v4
 * bitbucket  bitbucket.org, api.bitbucket.org       <base>/rest/oauth2/latest, <base>/rest/…
 */

export type VendorType = 'github' | 'gitlab' | 'bitbucket'
export type ProviderKind = 'default' | 'internal'

/** A vendor's product; Bitbucket's two share no more than the name. */
export type Product = 'github' | 'gitlab' | 'bitbucket-cloud' | 'bitbucket-data-center'

export interface Endpoints {
  readonly product: Product
  readonly authorize: string
  readonly token: string
  readonly api: string
  /** Where a person registers a public SSH key. */
  readonly sshKeys: string
  /** Where a person ends an application's access by hand. */
  readonly applications: string
}

/** Facts of a product that are no addresses. */
export interface Vendor {
  readonly name: string
  /** What git sends as user name, with the token as password. */
  readonly gitUser: string
  /** PKCE (S256) is documented. GitHub Enterprise Server before it ignores the parameters (RFC 6749 §3.1). */
  readonly hasPkce: boolean
  /** Scopes are asked for; where not, they are a setting of the OAuth application. */
  readonly asksScopes: boolean
  /** What git needs, and the least beyond it. */
  readonly scopes: readonly string[]
  /** Any of these lets a GPG key be published; the first one is what a person is told. */
  readonly gpgScopes: readonly string[]
}

export const vendors: Record<Product, Vendor> = {
  github: {
    name: 'GitHub',
    gitUser: 'x-access-token',
    hasPkce: true,
    asksScopes: true,
    scopes: ['repo', 'write:gpg_key'],
    gpgScopes: ['write:gpg_key', 'admin:gpg_key'],
  },
  gitlab: {
    name: 'GitLab',
    gitUser: 'oauth2',
    hasPkce: true,
    asksScopes: true,
    // GPG keys take `api`, which is everything: an administrator may add it, it is not asked for unasked.
    scopes: ['read_user', 'read_repository', 'write_repository'],
    gpgScopes: ['api'],
  },
  'bitbucket-cloud': {
    name: 'Bitbucket',
    gitUser: 'x-token-auth',
    hasPkce: false,
    asksScopes: false,
    scopes: [],
    gpgScopes: ['account:write'],
  },
  'bitbucket-data-center': {
    name: 'Bitbucket Data Center',
    gitUser: 'x-token-auth',
    hasPkce: true,
    asksScopes: true,
    scopes: ['REPO_WRITE'],
    gpgScopes: ['ACCOUNT_WRITE'],
  },
}

/** The base URL of each vendor's cloud. */
export const cloudUrls: Record<VendorType, string> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  bitbucket: 'https://bitbucket.org',
}

/** Hosts of the clouds: an Internal cannot be one of these. */
export const cloudHosts: ReadonlySet<string> = new Set([
  'github.com',
  'www.github.com',
  'api.github.com',
  'gitlab.com',
  'www.gitlab.com',
  'bitbucket.org',
  'www.bitbucket.org',
  'api.bitbucket.org',
])

export function productOf({ type, kind }: { type: VendorType; kind: ProviderKind }): Product {
  if (type !== 'bitbucket') return type
  return kind === 'default' ? 'bitbucket-cloud' : 'bitbucket-data-center'
}

/** Every address that is called for a provider. @param baseUrl without a slash at its end. */
export function endpointsOf(provider: { type: VendorType; kind: ProviderKind; baseUrl: string }): Endpoints {
  const { kind, baseUrl: base } = provider
  const product = productOf(provider)
  switch (product) {
    case 'github':
      return {
        product,
        authorize: `${base}/login/oauth/authorize`,
        token: `${base}/login/oauth/access_token`,
        api: kind === 'default' ? 'https://api.github.com' : `${base}/api/v3`,
        sshKeys: `${base}/settings/keys`,
        applications: `${base}/settings/applications`,
      }
    case 'gitlab':
      return {
        product,
        authorize: `${base}/oauth/authorize`,
        token: `${base}/oauth/token`,
        api: `${base}/api/v4`,
        sshKeys: `${base}/-/user_settings/ssh_keys`,
        applications: `${base}/-/user_settings/applications`,
      }
    case 'bitbucket-cloud':
      return {
        product,
        authorize: `${base}/site/oauth2/authorize`,
        token: `${base}/site/oauth2/access_token`,
        api: 'https://api.bitbucket.org/2.0',
        sshKeys: `${base}/account/settings/ssh-keys/`,
        applications: `${base}/account/settings/app-authorizations/`,
      }
    case 'bitbucket-data-center':
      return {
        product,
        authorize: `${base}/rest/oauth2/latest/authorize`,
        token: `${base}/rest/oauth2/latest/token`,
        api: `${base}/rest`,
        sshKeys: `${base}/plugins/servlet/ssh/account/keys`,
        applications: `${base}/plugins/servlet/oauth/users/access-tokens`,
      }
  }
}
