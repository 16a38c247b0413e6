import { Anchor, Button, List, Menu, Modal, Stack, Text, Title } from '@mantine/core'
import { TerminalIcon, TriangleDownIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { Command } from '../../ui/copy-button.tsx'
import { Facts } from '../../ui/facts.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import { useReturnFocus } from '../../ui/use-return-focus.ts'
import { runsCode, stateOf, type Workspace } from '../../workspaces.ts'
import { openWords as words } from './messages.ts'

const sshQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'ssh'],
    queryFn: () => call('ssh.workspace', { params: { workspaceId } }),
  })

/** The editor drop-down of a workspace. What cannot be chosen says why. */
export function OpenMenu({ workspace }: { workspace: Workspace }) {
  const [isConnecting, setConnecting] = useState(false)
  const reason = !runsCode(workspace.level)
    ? words.notAllowed
    : workspace.agent === null
      ? words.noAgent
      : undefined
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button rightSection={<TriangleDownIcon />}>{words.open}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<TerminalIcon />}
            disabled={reason !== undefined}
            onClick={() => setConnecting(true)}
          >
            {words.connect}
          </Menu.Item>
          {reason !== undefined && (
            <Menu.Item disabled c="var(--mantine-color-dimmed)">
              {reason}
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      {isConnecting && <ConnectDialog workspace={workspace} onClose={() => setConnecting(false)} />}
    </>
  )
}

function ConnectDialog({ workspace, onClose }: { workspace: Workspace; onClose: () => void }) {
  useReturnFocus()
  const ssh = useQuery(sshQuery(workspace.id))
  return (
    <Modal opened onClose={onClose} title={words.title} size="xl">
      <QueryView query={ssh}>{(answer) => <Connection workspace={workspace} ssh={answer} />}</QueryView>
    </Modal>
  )
}

function Connection({ workspace, ssh }: { workspace: Workspace; ssh: CallAnswer<'ssh.workspace'> }) {
  return (
    <Stack>
      {stateOf(workspace) === 'stopped' && <Text fw={600}>{words.stopped}</Text>}
      <Text size="sm">
        {words.text}{' '}
        <TextLink to="/security" underline="always">
          {words.keys}
        </TextLink>
      </Text>
      <Command command={ssh.command} name={words.command} />
      <Text size="sm">{words.fingerprints}</Text>
      <Facts
        facts={[
          { label: words.gateway, fact: <code>{ssh.gatewayFingerprint}</code> },
          {
            label: words.workspace,
            fact:
              ssh.workspaceFingerprint === null ? words.notKnown : <code>{ssh.workspaceFingerprint}</code>,
          },
        ]}
      />
      <Title order={3} size="h5">
        {words.configuration}
      </Title>
      <Text size="sm">{words.configurationText}</Text>
      <Command command={ssh.configuration.trimEnd()} name={words.configurationName} />
      <Text size="sm" c="dimmed">
        {words.setUp}
      </Text>
      <Title order={3} size="h5">
        {words.editors}
      </Title>
      {workspace.level === 'edit' ? (
        <Text size="sm">{words.editorsNot}</Text>
      ) : (
        <>
          <Text size="sm">{words.editorsText}</Text>
          <List size="sm">
            {editorLinks(workspace, ssh.user).map(({ label, href }) => (
              <List.Item key={label}>
                <Anchor href={href} size="sm">
                  {label}
                </Anchor>
              </List.Item>
            ))}
          </List>
        </>
      )}
    </Stack>
  )
}

/**
 * Addresses that start an editor on this machine. VS Code wants a folder, or does not connect
 * (https://github.com/microsoft/vscode/issues/171140): the home directory of the account that the agent runs as.
 */
function editorLinks({ id, agent }: Workspace, user: string): { label: string; href: string }[] {
  const name = agent?.loginName ?? user
  const home = name === 'root' ? '/root' : `/home/${name}`
  return [
    { label: words.vsCode, href: `vscode://vscode-remote/ssh-remote+${id}${home}` },
    {
      label: words.jetBrains,
      href: `jetbrains-gateway://connect#type=ssh&host=${id}&port=22&user=${user}&deploy=true`,
    },
  ]
}
