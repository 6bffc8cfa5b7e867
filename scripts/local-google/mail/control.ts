// The part of /__control/ that steers mailboxes: mail that comes, changes and goes, and what stands there. Addresses
// need not be anybody's: a mailbox is made where one is asked for.
import * as z from 'zod'
import { json, type Reply } from '../http.ts'
import type { Mailboxes } from '../mailboxes.ts'
import { now, type World } from '../world.ts'
import { composeMail, type SimpleMail } from './compose.ts'
import { generateMail } from './generate.ts'
import { readFields, splitRaw } from './mime.ts'
import { searchMessages } from './search.ts'
import * as store from './store.ts'
import { threadFor } from './threading.ts'

export interface MailControlDeps {
  readonly world: World
  readonly mailboxes: Mailboxes
}

const messageId = z.string().regex(/^[0-9a-f]{16}$/)
const email = z.string().min(1)
const text = z.string().optional()
const newMessage = z.strictObject({
  id: messageId.optional(),
  threadId: messageId.optional(),
  labelIds: z.array(z.string()).default(['INBOX', 'UNREAD']),
  internalDate: z.number().int().nonnegative().optional(),
  raw: text,
  encoding: z.enum(['text', 'base64']).default('text'),
  from: text,
  to: text,
  cc: text,
  bcc: text,
  subject: text,
  text: text,
  html: text,
  messageId: text,
  inReplyTo: text,
  references: text,
  attachments: z
    .array(z.strictObject({ filename: z.string(), contentType: text, contentBase64: z.string() }))
    .optional(),
})
const labelList = z.array(z.string()).default([])
const schemas = {
  messages: z.strictObject({ email, messages: z.array(newMessage), quiet: z.boolean().default(false) }),
  generate: z.strictObject({ email, count: z.number().int().min(1).max(200_000), seed: z.number().int().default(1) }),
  modify: z.strictObject({ email, ids: z.array(z.string()), addLabelIds: labelList, removeLabelIds: labelList }),
  delete: z.strictObject({ email, ids: z.array(z.string()) }),
  label: z.strictObject({ email, id: z.string().min(1).optional(), name: z.string().min(1) }),
  mailbox: z.strictObject({ email }),
}

type Handler = (deps: MailControlDeps, body: unknown, query: URLSearchParams) => Reply | undefined

export const mailHandlers: Readonly<Record<string, Handler>> = {
  'POST mail/messages': (deps, body) => {
    const input = schemas.messages.parse(body)
    const mailbox = deps.mailboxes.of(input.email)
    const history = input.quiet ? 'quiet' : 'told'
    const added = input.messages.map((message) => store.addMessage(mailbox, built(deps, mailbox, message), history))
    return json(
      200,
      added.map(({ id, threadId }) => ({ id, threadId })),
    )
  },
  'POST mail/generate': ({ world, mailboxes }, body) => {
    const { email: address, count, seed } = schemas.generate.parse(body)
    generateMail(mailboxes.of(address), { count, seed, now: now(world) })
    return json(200, { count })
  },
  'POST mail/modify': ({ mailboxes }, body) => {
    const { email: address, ids, addLabelIds, removeLabelIds } = schemas.modify.parse(body)
    const mailbox = mailboxes.of(address)
    for (const label of addLabelIds) if (!mailbox.labels.has(label)) store.putLabel(mailbox, label, label)
    for (const message of found(mailbox, ids)) store.changeLabels(mailbox, message, addLabelIds, removeLabelIds)
    return undefined
  },
  'POST mail/delete': ({ mailboxes }, body) => {
    const { email: address, ids } = schemas.delete.parse(body)
    const mailbox = mailboxes.of(address)
    for (const message of found(mailbox, ids)) store.removeMessage(mailbox, message)
    return undefined
  },
  'PUT mail/labels': ({ mailboxes }, body) => {
    const { email: address, id, name } = schemas.label.parse(body)
    const label = store.putLabel(mailboxes.of(address), id, name)
    return json(200, { id: label.id, name: label.name })
  },
  'POST mail/expire-history': ({ mailboxes }, body) => {
    store.expireHistory(mailboxes.of(schemas.mailbox.parse(body).email))
    return undefined
  },
  'GET mail/state': ({ mailboxes }, _body, query) => {
    const mailbox = mailboxes.of(asked(query))
    const messages = store.newestFirst(mailbox).map((message) => ({
      id: message.id,
      threadId: message.threadId,
      labelIds: [...message.labelIds],
      historyId: String(message.historyId),
      internalDate: String(message.internalDate),
    }))
    return json(200, { historyId: String(mailbox.historyId), messages })
  },
  'GET mail/search': ({ world, mailboxes }, _body, query) => {
    const mailbox = mailboxes.of(asked(query))
    const options = { now: now(world) }
    const hits = searchMessages(mailbox, store.newestFirst(mailbox), query.get('q') ?? '', options)
    return json(200, { ids: hits.map(({ id }) => id) })
  },
  'GET mail/sent': ({ mailboxes }, _body, query) => {
    const mailbox = mailboxes.of(asked(query))
    const sent = store.newestFirst(mailbox).filter((message) => message.labelIds.has('SENT'))
    const rows = sent.map(({ id, threadId, labelIds, head, body }) => {
      const raw = Buffer.concat([head, body]).toString('utf8')
      return { id, threadId, raw, labelIds: [...labelIds] }
    })
    return json(200, rows)
  },
}

function asked(query: URLSearchParams): string {
  return schemas.mailbox.parse({ email: query.get('email') ?? '' }).email
}

function found(mailbox: store.Mailbox, ids: readonly string[]): store.Message[] {
  return ids.flatMap((id) => mailbox.messages.get(id) ?? [])
}

/** A message as the body describes it. Without `threadId` it joins the conversation it answers. */
function built(
  { world }: MailControlDeps,
  mailbox: store.Mailbox,
  input: z.infer<typeof newMessage>,
): store.NewMessage {
  const internalDate = input.internalDate ?? now(world)
  const raw =
    input.raw === undefined
      ? composed(mailbox, input, internalDate)
      : Buffer.from(input.raw, input.encoding === 'base64' ? 'base64' : 'utf8')
  const halves = splitRaw(raw)
  const threadId = input.threadId ?? threadFor(mailbox, readFields(halves.head), null) ?? undefined
  return { id: input.id, threadId, labelIds: input.labelIds, internalDate, ...halves }
}

let composedCount = 0

function composed(mailbox: store.Mailbox, mail: SimpleMail, internalDate: number): Buffer {
  composedCount += 1
  const id = `<local-${composedCount}.${internalDate}@mail.example.com>`
  return composeMail(mail, { to: mailbox.email, messageId: id, date: new Date(internalDate) })
}
