import type { Command } from '../command.ts'

/** A command that is loaded when it is needed: starting up must not load the others. */
export interface Entry {
  readonly summary: string
  /** Every command's option table differs, and only its own `run` sees it. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly load: () => Promise<{ readonly command: Command<any> }>
}

export interface Noun {
  readonly summary: string
  readonly verbs: { readonly [verb: string]: Entry }
}

/** Every command of `keyhold`, in the order of the help. */
export const commands: { readonly [name: string]: Entry | Noun } = {
  run: {
    summary: 'run a command with the secrets of a project, and take them out of its output',
    load: () => import('./run.ts'),
  },
  project: {
    summary: 'groups of secrets, in environments',
    verbs: {
      list: { summary: 'list the projects you are a member of', load: () => import('./project/list.ts') },
      create: { summary: 'create a project', load: () => import('./project/create.ts') },
      show: { summary: 'show a project', load: () => import('./project/show.ts') },
      update: {
        summary: 'change the name or description of a project',
        load: () => import('./project/update.ts'),
      },
      delete: { summary: 'delete a project with its secrets', load: () => import('./project/delete.ts') },
    },
  },
  environment: {
    summary: 'named sets of values in a project',
    verbs: {
      list: { summary: 'list the environments of a project', load: () => import('./environment/list.ts') },
      create: { summary: 'create an environment', load: () => import('./environment/create.ts') },
      compare: {
        summary: 'see what differs between two environments',
        load: () => import('./environment/compare.ts'),
      },
      update: { summary: 'change an environment', load: () => import('./environment/update.ts') },
      restore: {
        summary: 'take the secrets of an environment back to an earlier time',
        load: () => import('./environment/restore.ts'),
      },
      delete: {
        summary: 'delete an environment with its secrets',
        load: () => import('./environment/delete.ts'),
      },
    },
  },
  member: {
    summary: 'who may do what in a project',
    verbs: {
      list: { summary: 'list the members of a project', load: () => import('./member/list.ts') },
      add: { summary: 'add a person to a project', load: () => import('./member/add.ts') },
      update: { summary: 'change the role of a member', load: () => import('./member/update.ts') },
      remove: { summary: 'remove a person from a project', load: () => import('./member/remove.ts') },
    },
  },
  secret: {
    summary: 'the secrets of a project, and your own',
    verbs: {
      list: { summary: 'list secrets, never values', load: () => import('./secret/list.ts') },
      set: { summary: 'create a secret, or give it a new value', load: () => import('./secret/set.ts') },
      edit: {
        summary: 'change what a secret is and where it goes, not its value',
        load: () => import('./secret/edit.ts'),
      },
      get: { summary: 'print the value of one secret', load: () => import('./secret/get.ts') },
      history: { summary: 'list the versions of a secret', load: () => import('./secret/history.ts') },
      restore: { summary: 'take an earlier value again', load: () => import('./secret/restore.ts') },
      import: {
        summary: 'store all secrets of a .env, JSON or YAML file',
        load: () => import('./secret/import.ts'),
      },
      unset: { summary: 'delete a secret', load: () => import('./secret/unset.ts') },
    },
  },
  'secret-override': {
    summary: 'your own values for secrets of a project, which only you get',
    verbs: {
      set: {
        summary: 'set a value of your own for a secret',
        load: () => import('./secret-override/set.ts'),
      },
      unset: {
        summary: 'remove your own value for a secret',
        load: () => import('./secret-override/unset.ts'),
      },
    },
  },
  workspace: {
    summary: 'development environments, which get secrets',
    verbs: {
      list: {
        summary: 'list your workspaces, and those that are shared with you',
        load: () => import('./workspace/list.ts'),
      },
      create: { summary: 'create a workspace', load: () => import('./workspace/create.ts') },
      show: { summary: 'show a workspace', load: () => import('./workspace/show.ts') },
      update: {
        summary: 'change a workspace, or which projects it gets secrets of',
        load: () => import('./workspace/update.ts'),
      },
      enroll: {
        summary: 'make the token with which an agent joins a workspace',
        load: () => import('./workspace/enroll.ts'),
      },
      connect: {
        summary: 'see how a workspace is entered with ssh',
        load: () => import('./workspace/connect.ts'),
      },
      sessions: { summary: 'see who is in by SSH', load: () => import('./workspace/sessions.ts') },
      'end-session': {
        summary: 'end an SSH session in a workspace',
        load: () => import('./workspace/end-session.ts'),
      },
      disconnect: {
        summary: 'cut off the agent of a workspace',
        load: () => import('./workspace/disconnect.ts'),
      },
      variables: {
        summary: 'list the variables and files that a workspace gets, and where they come from',
        load: () => import('./workspace/variables.ts'),
      },
      delete: { summary: 'delete a workspace with its secrets', load: () => import('./workspace/delete.ts') },
    },
  },
  agent: {
    summary: 'make this machine a workspace',
    load: () => import('./agent.ts'),
  },
  'git-credential': {
    summary: 'in a workspace, give git the token of a connected code host; git calls it',
    load: () => import('./git-credential.ts'),
  },
  'git-gpg': {
    summary: 'in a workspace, sign commits with the GPG key of its owner; git calls it in place of gpg',
    load: () => import('./git-gpg.ts'),
  },
  'workspace-secret': {
    summary: 'secrets of one workspace',
    verbs: {
      list: {
        summary: 'list the secrets of a workspace, never values',
        load: () => import('./workspace-secret/list.ts'),
      },
      set: {
        summary: 'create a secret of a workspace, or give it a new value',
        load: () => import('./workspace-secret/set.ts'),
      },
      edit: {
        summary: 'change what a secret is and where it goes, not its value',
        load: () => import('./workspace-secret/edit.ts'),
      },
      get: { summary: 'print the value of one secret', load: () => import('./workspace-secret/get.ts') },
      history: {
        summary: 'list the versions of a secret',
        load: () => import('./workspace-secret/history.ts'),
      },
      unset: { summary: 'delete a secret of a workspace', load: () => import('./workspace-secret/unset.ts') },
      presets: {
        summary: 'list secrets that many workspaces need',
        load: () => import('./workspace-secret/presets.ts'),
      },
    },
  },
  share: {
    summary: 'who may do what in a workspace',
    verbs: {
      list: { summary: 'see with whom a workspace is shared', load: () => import('./share/list.ts') },
      add: { summary: 'share a workspace with a person', load: () => import('./share/add.ts') },
      update: { summary: 'change what a person may do in it', load: () => import('./share/update.ts') },
      remove: { summary: 'end a share, or leave a workspace', load: () => import('./share/remove.ts') },
    },
  },
  'access-key': {
    summary: 'how machines use a project',
    verbs: {
      list: { summary: "list a project's access keys", load: () => import('./access-key/list.ts') },
      create: { summary: 'create an access key', load: () => import('./access-key/create.ts') },
      edit: {
        summary: 'change the permission or IP restriction of a key',
        load: () => import('./access-key/edit.ts'),
      },
      deactivate: { summary: 'stop an access key', load: () => import('./access-key/deactivate.ts') },
      activate: {
        summary: 'let an inactive access key work again',
        load: () => import('./access-key/activate.ts'),
      },
      regenerate: {
        summary: 'give an access key ID a new access key',
        load: () => import('./access-key/regenerate.ts'),
      },
      delete: { summary: 'delete an access key', load: () => import('./access-key/delete.ts') },
    },
  },
  'workload-identity': {
    summary: 'how CI jobs and pods use a project without a stored secret',
    verbs: {
      list: {
        summary: "list a project's workload identities",
        load: () => import('./workload-identity/list.ts'),
      },
      create: {
        summary: 'let a repository or a service account use a project',
        load: () => import('./workload-identity/create.ts'),
      },
      deactivate: {
        summary: 'stop a workload identity',
        load: () => import('./workload-identity/deactivate.ts'),
      },
      activate: {
        summary: 'let a stopped workload identity work again',
        load: () => import('./workload-identity/activate.ts'),
      },
      test: { summary: 'see why a token is refused', load: () => import('./workload-identity/test.ts') },
      delete: { summary: 'delete a workload identity', load: () => import('./workload-identity/delete.ts') },
    },
  },
  'api-key': {
    summary: 'your keys for outside services, which go to their hosts only',
    verbs: {
      list: { summary: 'list your API keys, never values', load: () => import('./api-key/list.ts') },
      create: {
        summary: 'keep a key that an outside service gave you',
        load: () => import('./api-key/create.ts'),
      },
      edit: {
        summary: 'replace a key, or change where it may go',
        load: () => import('./api-key/edit.ts'),
      },
      delete: { summary: 'delete an API key', load: () => import('./api-key/delete.ts') },
      presets: { summary: 'list services that are known', load: () => import('./api-key/presets.ts') },
    },
  },
  token: {
    summary: 'your access tokens for the API of Keyhold',
    verbs: {
      list: { summary: 'list your access tokens', load: () => import('./token/list.ts') },
      create: { summary: 'create an access token', load: () => import('./token/create.ts') },
      delete: { summary: 'delete an access token', load: () => import('./token/delete.ts') },
    },
  },
  'second-factor': {
    summary: 'a code besides the password when you sign in',
    verbs: {
      show: { summary: 'show what protects your account', load: () => import('./second-factor/show.ts') },
      enable: { summary: 'set up an authenticator', load: () => import('./second-factor/enable.ts') },
      'recovery-codes': {
        summary: 'make new recovery codes',
        load: () => import('./second-factor/recovery-codes.ts'),
      },
      disable: { summary: 'turn it off', load: () => import('./second-factor/disable.ts') },
    },
  },
  passkey: {
    summary: 'what signs you in without a password; added in a browser',
    verbs: {
      list: { summary: 'list your passkeys', load: () => import('./passkey/list.ts') },
      rename: { summary: 'give a passkey another name', load: () => import('./passkey/rename.ts') },
      delete: { summary: 'delete a passkey', load: () => import('./passkey/delete.ts') },
    },
  },
  session: {
    summary: 'where you are signed in with a browser',
    verbs: {
      list: { summary: 'list your browser sessions', load: () => import('./session/list.ts') },
      end: { summary: 'end a session, or all of them', load: () => import('./session/end.ts') },
    },
  },
  inventory: {
    summary: 'everything that Keyhold keeps for you, soonest expiry first',
    load: () => import('./inventory.ts'),
  },
  'reminder-webhook': {
    summary: 'where your reminders of expiry and rotation go, besides e-mail',
    verbs: {
      show: { summary: 'show where they go', load: () => import('./reminder-webhook/show.ts') },
      set: { summary: 'have them posted to an address', load: () => import('./reminder-webhook/set.ts') },
      test: { summary: 'post a test message', load: () => import('./reminder-webhook/test.ts') },
      remove: { summary: 'stop posting them', load: () => import('./reminder-webhook/remove.ts') },
    },
  },
  identity: {
    summary: 'the SSH key pair by which your workspaces are known outside',
    verbs: {
      show: { summary: 'print the public key', load: () => import('./identity/show.ts') },
      generate: { summary: 'make the key pair, or replace it', load: () => import('./identity/generate.ts') },
      destinations: {
        summary: 'set the only hosts that it logs in to',
        load: () => import('./identity/destinations.ts'),
      },
      delete: { summary: 'delete the key pair', load: () => import('./identity/delete.ts') },
    },
  },
  'gpg-key': {
    summary: 'the GPG keys that sign your commits',
    verbs: {
      list: { summary: 'list your GPG keys', load: () => import('./gpg-key/list.ts') },
      create: { summary: 'generate a GPG key', load: () => import('./gpg-key/create.ts') },
      import: { summary: 'import a private GPG key', load: () => import('./gpg-key/import.ts') },
      show: { summary: 'print a public GPG key', load: () => import('./gpg-key/show.ts') },
      publish: {
        summary: 'deploy a GPG key to your code hosts',
        load: () => import('./gpg-key/publish.ts'),
      },
      revocation: {
        summary: 'print a revocation certificate',
        load: () => import('./gpg-key/revocation.ts'),
      },
      delete: { summary: 'delete a GPG key', load: () => import('./gpg-key/delete.ts') },
    },
  },
  ssh: {
    summary: 'the way into workspaces with ssh',
    verbs: {
      setup: { summary: 'let ssh know the way, without questions', load: () => import('./ssh/setup.ts') },
    },
  },
  'ssh-key': {
    summary: 'the SSH keys that may enter your workspaces',
    verbs: {
      list: { summary: 'list your SSH keys', load: () => import('./ssh-key/list.ts') },
      add: { summary: 'add an SSH key', load: () => import('./ssh-key/add.ts') },
      remove: { summary: 'remove an SSH key', load: () => import('./ssh-key/remove.ts') },
    },
  },
  repository: {
    summary: 'your connections to GitHub, GitLab and Bitbucket',
    verbs: {
      list: { summary: 'list your connections', load: () => import('./repository/list.ts') },
      connect: {
        summary: 'connect a code repository host',
        load: () => import('./repository/connect.ts'),
      },
      confirm: {
        summary: 'finish connecting with the code that the browser shows',
        load: () => import('./repository/confirm.ts'),
      },
      switch: {
        summary: 'choose between OAuth and your SSH key',
        load: () => import('./repository/switch.ts'),
      },
      disconnect: {
        summary: 'end a connection, here and at the provider',
        load: () => import('./repository/disconnect.ts'),
      },
    },
  },
  'repository-provider': {
    summary: 'which code repository hosts people can connect',
    verbs: {
      list: {
        summary: 'list the hosts that can be connected',
        load: () => import('./repository-provider/list.ts'),
      },
      add: {
        summary: 'register a host (administrators)',
        load: () => import('./repository-provider/add.ts'),
      },
      edit: {
        summary: 'change OAuth application, scopes or CA of a host (administrators)',
        load: () => import('./repository-provider/edit.ts'),
      },
      remove: {
        summary: 'remove a host with its connections (administrators)',
        load: () => import('./repository-provider/remove.ts'),
      },
    },
  },
  template: {
    summary: 'what new workspaces start from: which secrets they need',
    verbs: {
      list: { summary: 'list templates', load: () => import('./template/list.ts') },
      show: { summary: 'show which secrets a template needs', load: () => import('./template/show.ts') },
      create: { summary: 'create a template', load: () => import('./template/create.ts') },
      update: { summary: 'change a template', load: () => import('./template/update.ts') },
      export: {
        summary: 'print a template as a devcontainer.json',
        load: () => import('./template/export.ts'),
      },
      delete: { summary: 'delete a template', load: () => import('./template/delete.ts') },
    },
  },
  store: {
    summary: 'outside stores, of which workspaces take values when they start',
    verbs: {
      list: { summary: 'list outside stores, and what may be taken', load: () => import('./store/list.ts') },
      sources: { summary: 'list what a workspace takes', load: () => import('./store/sources.ts') },
      connect: { summary: 'let a workspace take something', load: () => import('./store/connect.ts') },
      disconnect: {
        summary: 'let a workspace take something no longer',
        load: () => import('./store/disconnect.ts'),
      },
      check: { summary: 'find out what is wrong (administrators)', load: () => import('./store/check.ts') },
      add: { summary: 'register an outside store (administrators)', load: () => import('./store/add.ts') },
      edit: {
        summary: 'change credential, paths, name or CA of a store (administrators)',
        load: () => import('./store/edit.ts'),
      },
      remove: {
        summary: 'remove an outside store (administrators)',
        load: () => import('./store/remove.ts'),
      },
    },
  },
  'identity-provider': {
    summary: 'where people sign in besides here, by OpenID Connect (administrators)',
    verbs: {
      list: { summary: 'list identity providers', load: () => import('./identity-provider/list.ts') },
      add: { summary: 'register an identity provider', load: () => import('./identity-provider/add.ts') },
      edit: {
        summary: 'change whom an identity provider lets in, or its client',
        load: () => import('./identity-provider/edit.ts'),
      },
      test: {
        summary: 'find out whether an identity provider answers as it should',
        load: () => import('./identity-provider/test.ts'),
      },
      remove: { summary: 'remove an identity provider', load: () => import('./identity-provider/remove.ts') },
    },
  },
  account: {
    summary: 'your own password, and the accounts of the instance',
    verbs: {
      password: { summary: 'change your own password', load: () => import('./account/password.ts') },
      list: { summary: 'list accounts', load: () => import('./account/list.ts') },
      create: { summary: 'create an account', load: () => import('./account/create.ts') },
      disable: { summary: 'shut an account out', load: () => import('./account/disable.ts') },
      'end-sessions': {
        summary: 'end all browser sessions of somebody',
        load: () => import('./account/end-sessions.ts'),
      },
      'reset-second-factor': {
        summary: 'turn off the second factor of somebody who lost theirs',
        load: () => import('./account/reset-second-factor.ts'),
      },
      enable: { summary: 'let a disabled account in again', load: () => import('./account/enable.ts') },
    },
  },
  invitation: {
    summary: 'links by which people make their own accounts',
    verbs: {
      list: { summary: 'list who is invited', load: () => import('./invitation/list.ts') },
      create: { summary: 'invite somebody', load: () => import('./invitation/create.ts') },
      resend: { summary: 'send an invitation again', load: () => import('./invitation/resend.ts') },
      revoke: { summary: 'take an invitation back', load: () => import('./invitation/revoke.ts') },
    },
  },
  audit: {
    summary: 'who did what, when and from where',
    verbs: {
      list: { summary: 'read the audit log', load: () => import('./audit/list.ts') },
      export: { summary: 'write the whole audit log', load: () => import('./audit/export.ts') },
      checkpoint: {
        summary: 'print the signed head of the audit log',
        load: () => import('./audit/checkpoint.ts'),
      },
      prove: {
        summary: 'write a proof that a record is in the audit log',
        load: () => import('./audit/prove.ts'),
      },
      check: {
        summary: 'check that nothing was changed since the last check',
        load: () => import('./audit/check.ts'),
      },
      verify: { summary: 'verify an exported audit log offline', load: () => import('./audit/verify.ts') },
    },
  },
  'audit-destination': {
    summary: 'where the audit log is sent: files, webhooks, syslog',
    verbs: {
      list: {
        summary: 'see where the audit log is sent, and how far',
        load: () => import('./audit-destination/list.ts'),
      },
      add: {
        summary: 'have the audit log sent somewhere else',
        load: () => import('./audit-destination/add.ts'),
      },
      remove: {
        summary: 'stop sending the audit log there',
        load: () => import('./audit-destination/remove.ts'),
      },
    },
  },
  instance: {
    summary: 'how the instance is: health, keys, servers, backup (administrators)',
    load: () => import('./instance.ts'),
  },
  settings: {
    summary: 'what holds for the whole instance',
    verbs: {
      show: { summary: 'show the settings of the instance', load: () => import('./settings/show.ts') },
      set: { summary: 'change settings of the instance', load: () => import('./settings/set.ts') },
    },
  },
  setup: {
    summary: 'make the first administrator of a new instance',
    load: () => import('./setup.ts'),
  },
  'accept-invitation': {
    summary: 'make your account with the link that you were sent',
    load: () => import('./accept-invitation.ts'),
  },
  login: {
    summary: 'sign in on this machine',
    load: () => import('./login.ts'),
  },
  'approve-login': {
    summary: 'let another machine sign in as you',
    load: () => import('./approve-login.ts'),
  },
  logout: {
    summary: 'sign out on this machine',
    load: () => import('./logout.ts'),
  },
  whoami: {
    summary: 'say as whom the commands act, and where the credential is kept',
    load: () => import('./whoami.ts'),
  },
  doctor: {
    summary: 'find out what keeps Keyhold from working here',
    load: () => import('./doctor.ts'),
  },
  server: {
    summary: 'start the server',
    load: () => import('./server.ts'),
  },
  admin: {
    summary: 'set up and look after the server on this machine',
    load: () => import('./admin.ts'),
  },
  completion: {
    summary: 'print a completion script for bash, zsh or fish',
    load: () => import('./completion.ts'),
  },
  help: {
    summary: 'explain a command',
    load: () => import('./help.ts'),
  },
}

export function isNoun(entry: Entry | Noun): entry is Noun {
  return 'verbs' in entry
}
