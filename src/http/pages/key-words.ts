// What a service key may do, in words, and the form that asks for a new one: from fields to what the verb takes, with
// refusals in sentences. Touches no database.

import type { NewServiceKey } from '../../auth/service-keys.ts'
import { AppError } from '../../errors.ts'
import { newKeyBody } from '../routes/api-keys.ts'

export const permissionWords: Readonly<Record<NewServiceKey['permissions'][number], string>> = {
  'tokens:vend': 'Get a live access token for a mailbox',
  'mail_accounts:read': 'List mailboxes and their state',
  'emails:read': 'Read synced messages, threads and attachments',
  'emails:sync': 'Start a sync and see how far it is',
  'emails:send': 'Send mail and see what became of it',
  'metrics:read': 'Read the metrics of this service',
}

/** What was typed, as it was typed: shown again beside what is wrong with it. */
export interface KeyFields {
  readonly name: string
  readonly permissions: readonly string[]
  readonly userId: string
  readonly mailAccountIds: string
  readonly expiresOn: string
}

export type KeyField = keyof KeyFields
export type KeyProblems = Partial<Record<KeyField, string>>

export const emptyFields: KeyFields = {
  name: '',
  permissions: ['tokens:vend', 'mail_accounts:read'],
  userId: '',
  mailAccountIds: '',
  expiresOn: '',
}

export function readKeyFields(form: URLSearchParams): KeyFields {
  return {
    name: form.get('name') ?? '',
    permissions: form.getAll('permissions'),
    userId: form.get('user_id') ?? '',
    mailAccountIds: form.get('mail_account_ids') ?? '',
    expiresOn: form.get('expires_on') ?? '',
  }
}

const fieldOfPath: Readonly<Record<string, KeyField>> = {
  name: 'name',
  permissions: 'permissions',
  user_id: 'userId',
  mail_account_ids: 'mailAccountIds',
  expires_at: 'expiresOn',
}

const schemaSentences: Readonly<Record<KeyField, string>> = {
  name: 'Give the key a name of 1 to 100 characters.',
  permissions: 'Tick at least one permission.',
  userId: 'This is no user id. Leave it empty for every user.',
  mailAccountIds: 'Give up to 100 mailbox ids, one a line, or leave this empty.',
  expiresOn: 'This is no date. Leave it empty for a key that does not expire.',
}

/** The verb's input, or what is wrong, a sentence a field. An expiry lasts to the end of its day, UTC. */
export function parseKeyFields(fields: KeyFields, now: Date): { wanted: NewServiceKey } | { problems: KeyProblems } {
  const ids = fields.mailAccountIds.split(/[\s,;]+/).filter((id) => id !== '')
  const parsed = newKeyBody.safeParse({
    name: fields.name,
    permissions: [...new Set(fields.permissions)],
    user_id: fields.userId.trim() || null,
    mail_account_ids: ids.length === 0 ? null : ids,
    expires_at: fields.expiresOn === '' ? null : `${fields.expiresOn}T23:59:59Z`,
  })
  const problems: KeyProblems = {}
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const field = fieldOfPath[String(issue.path[0])]
      if (field !== undefined) problems[field] = schemaSentences[field]
    }
    return { problems }
  }
  const { name, permissions, user_id, mail_account_ids, expires_at } = parsed.data
  const expiresAt = expires_at == null ? null : new Date(expires_at)
  if (expiresAt !== null && expiresAt <= now) problems.expiresOn = 'This day has passed. Choose today or a later one.'
  if (mail_account_ids != null && user_id == null) problems.userId = 'Say whose mailboxes these are.'
  if (Object.keys(problems).length > 0) return { problems }
  const scope = { userId: user_id ?? null, mailAccountIds: mail_account_ids ?? null }
  return { wanted: { name, permissions, ...scope, expiresAt } }
}

/** What the verb refused, by field; null where it is no refusal of input. */
export function problemsOf(thrown: unknown): KeyProblems | null {
  if (!(thrown instanceof AppError) || thrown.code !== 'invalid_input') return null
  const isMailbox = thrown.errors.some(({ path }) => path === 'mail_account_ids')
  return isMailbox
    ? { mailAccountIds: 'These must all be mailboxes of that user.' }
    : { userId: 'There is no user with this id.' }
}
