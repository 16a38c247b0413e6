import { Anchor, List, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { Command } from '../../ui/copy-button.tsx'
import { Page } from '../../ui/page.tsx'
import { Part } from '../../ui/part.tsx'
import { guideWords as words } from './messages.ts'

/** How one's own machine enters workspaces (SDS-26). */
export function SshGuide() {
  return (
    <Page title={words.title} lead={words.lead}>
      {words.steps.map(({ title, text, command, name }) => (
        <Part key={title} title={title} lead={text}>
          <Command command={command(location.origin)} name={name} />
        </Part>
      ))}
      <Part title={words.wrong} lead={words.wrongLead}>
        <List size="sm">
          {words.reasons.map((reason) => (
            <List.Item key={reason}>{reason}</List.Item>
          ))}
        </List>
      </Part>
      <Text>
        <Anchor component={Link} to="/security">
          {words.back}
        </Anchor>
      </Text>
    </Page>
  )
}
