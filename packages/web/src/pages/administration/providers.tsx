import { Page } from '../../ui/page.tsx'
import { IdentityProviders } from './identity-providers.tsx'
import { providerWords as words } from './messages.ts'
import { RepositoryProviders } from './repository-providers.tsx'

/** Administration → Providers. */
export function Providers() {
  return (
    <Page title={words.title} lead={words.lead}>
      <RepositoryProviders />
      <IdentityProviders />
    </Page>
  )
}
