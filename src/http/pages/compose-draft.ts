// A message as somebody types it into the form: read from the form, made from the message it answers, and turned into what
// the verb takes. It judges no field: the verb does (mail/send/request.ts).

import { AppError } from '../../errors.ts'
import type { Email } from '../../mail/read/read.ts'
import { recipientOf } from '../../mail/send/addresses.ts'
import type { UnsentEmail } from '../../mail/send/outbox.ts'
import { replyRecipients, replySubject } from '../../mail/send/reply.ts'
import { type EmailRequest, mostRecipients } from '../../mail/send/request.ts'
import type { AppContext } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { readBeginning } from '../validate.ts'
import { fullTime, personInFull } from './mail-words.ts'

/** What a form holds; it is shown again as it was typed where something is refused. */
export interface Typed {
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
  readonly subject: string
  readonly text: string
  /** Id of the message it answers, or empty. */
  readonly replyTo: string
  /** Made with the form: sent twice, it is one message. */
  readonly key: string
}

export const filesLimitBytes = 7_000_000
const formLimitBytes = 16_000_000
/** Of somebody who is not known no more is read: a letter without its files is shorter. */
const strangersLimitBytes = 1_000_000
const quotedCharacters = 100_000
/** A hundred addresses with their names have a tenth of it. */
const addressesCharacters = 100_000

export function emptyDraft(from: string): Typed {
  return { from, to: '', cc: '', bcc: '', subject: '', text: '', replyTo: '', key: newKey() }
}

export function newKey(): string {
  return crypto.randomUUID()
}

/** An answer to `email` from the mailbox that has it. */
export function replyDraft(email: Email, ownAddress: string, toWhom: 'sender' | 'all'): Typed {
  const recipients = replyRecipients({ ...email, references: '' }, ownAddress)
  const named = new Set([ownAddress, ...recipients.map(({ address }) => address)].map((text) => text.toLowerCase()))
  const isOther = ({ address }: { address: string }): boolean => !named.has(address.toLowerCase())
  const others = (people: Email['to']): Email['to'] => (toWhom === 'all' ? people.filter(isOther) : [])
  return {
    ...emptyDraft(ownAddress),
    to: typedAddresses([...recipients, ...others(email.to)]),
    cc: typedAddresses(others(email.cc)),
    subject: replySubject(email.subject),
    text: quoted(email),
    replyTo: email.id,
  }
}

/** What was not sent, as it was written. */
export function unsentDraft({ from, subject, text, replyToEmailId, ...lists }: UnsentEmail): Typed {
  return {
    ...emptyDraft(from),
    to: typedAddresses(lists.to),
    cc: typedAddresses(lists.cc),
    bcc: typedAddresses(lists.bcc),
    subject,
    text,
    replyTo: replyToEmailId ?? '',
  }
}

/** Fit to be read again by the verb; people whose address is none are left out. */
function typedAddresses(people: readonly { name: string; address: string }[]): string {
  return people
    .flatMap(({ name, address }) => recipientOf(name, address) ?? [])
    .map(({ name, address }) => {
      if (name === '') return address
      const isPlain = !/[",;:@()[\]\\<>]/.test(name)
      return `${isPlain ? name : `"${name.replaceAll(/["\\]/g, '\\$&')}"`} <${address}>`
    })
    .join(', ')
}

function quoted(email: Email): string {
  const text = (email.text ?? '').slice(0, quotedCharacters).toWellFormed().trimEnd()
  const sender = email.from === null ? 'somebody' : personInFull(email.from)
  const lines = text.split(/\r?\n/).map((line) => (line.startsWith('>') ? `>${line}` : `> ${line}`.trimEnd()))
  return `\n\nOn ${fullTime(email.sentAt)}, ${sender} wrote:\n${lines.join('\n')}\n`
}

/**
 * The form, with its files. Throws 415, 413, 422, 400.
 * @returns files null where they are more than a message takes
 */
export async function readDraft(c: AppContext): Promise<{ typed: Typed; files: EmailRequest['attachments'] | null }> {
  const { form, isWhole } = await readFields(c, formLimitBytes)
  return { typed: typedIn(form), files: isWhole ? await filesOf(form) : null }
}

/** What was typed, of somebody who is not known. Null where it cannot be read, or is longer than any letter. */
export async function readTyped(c: AppContext): Promise<Typed | null> {
  try {
    return typedIn((await readFields(c, strangersLimitBytes)).form)
  } catch {
    return null
  }
}

/** The form as far as `mostBytes` go: its fields come first, then its files. Throws 415, 400, 413 (not even the fields). */
async function readFields(c: AppContext, mostBytes: number): Promise<{ form: FormData; isWhole: boolean }> {
  const type = c.req.header('Content-Type') ?? ''
  if (!/^multipart\/form-data\s*(;|$)/i.test(type)) throw new AppError('unsupported_media_type')
  const [, boundary = ''] = /\bboundary="?([^";]+)/i.exec(type) ?? []
  try {
    const { bytes, isWhole } = await readBeginning(c.req.raw, mostBytes)
    const body = isWhole ? bytes : endedAtLastField(bytes, boundary)
    const form = await new Response(body, { headers: { 'Content-Type': type } }).formData()
    if (isWhole || form.has('text')) return { form, isWhole }
  } catch (thrown) {
    throw new AppError('malformed_request', { cause: thrown })
  }
  throw new AppError('body_too_large')
}

/** The form up to the last field that is there whole. */
function endedAtLastField(bytes: Uint8Array, boundary: string): Uint8Array {
  // A character a byte: places in the text are places in the bytes.
  const length = Math.max(0, new TextDecoder('latin1').decode(bytes).lastIndexOf(`\r\n--${boundary}`))
  const end = new TextEncoder().encode(`\r\n--${boundary}--\r\n`)
  const ended = new Uint8Array(length + end.length)
  ended.set(bytes.subarray(0, length))
  ended.set(end, length)
  return ended
}

/** Throws 422 where it asks for something else, 400 where a field is no text. */
function typedIn(form: FormData): Typed {
  if (form.get('action') !== 'send') throw new AppError('invalid_input')
  const field = (name: string): string => {
    const value = form.get(name)
    if (typeof value === 'string' && value.includes('\0')) throw new AppError('malformed_request')
    return typeof value === 'string' ? value : ''
  }
  const key = uuid.safeParse(field('key'))
  return {
    from: field('from'),
    to: field('to'),
    cc: field('cc'),
    bcc: field('bcc'),
    subject: field('subject'),
    text: field('text'),
    replyTo: field('reply_to'),
    key: key.success ? key.data : newKey(),
  }
}

async function filesOf(form: FormData): Promise<EmailRequest['attachments'] | null> {
  const files = form.getAll('files').filter((entry): entry is File => typeof entry !== 'string')
  // A field left empty is a file without a name and without bytes.
  const chosen = files.filter(({ name, size }) => name !== '' || size > 0)
  if (chosen.reduce((sum, { size }) => sum + size, 0) > filesLimitBytes) return null
  const attachments: EmailRequest['attachments'][number][] = []
  for (const file of chosen) {
    const contentType = file.type === '' ? 'application/octet-stream' : file.type
    attachments.push({ filename: file.name, contentType, contentBase64: base64(await file.arrayBuffer()) })
  }
  return attachments
}

function base64(bytes: ArrayBuffer): string {
  const pieces: string[] = []
  // A multiple of three, so that pieces join without padding between them.
  const step = 24_576
  for (let at = 0; at < bytes.byteLength; at += step)
    pieces.push(btoa(String.fromCharCode(...new Uint8Array(bytes, at, Math.min(step, bytes.byteLength - at)))))
  return pieces.join('')
}

/** Throws 422 where a field of addresses is too long to be read. */
export function requestOf(typed: Typed, attachments: EmailRequest['attachments']): EmailRequest {
  const isReply = uuid.safeParse(typed.replyTo).success
  return {
    from: typed.from,
    to: addressesOf(typed, 'to'),
    cc: addressesOf(typed, 'cc'),
    bcc: addressesOf(typed, 'bcc'),
    subject: isReply && typed.subject.trim() === '' ? null : typed.subject,
    text: typed.text,
    html: null,
    attachments,
    replyToEmailId: isReply ? typed.replyTo : null,
  }
}

function addressesOf(typed: Typed, field: 'to' | 'cc' | 'bcc'): string[] {
  if (typed[field].length <= addressesCharacters) return splitAddresses(typed[field])
  const message = `must be at most ${addressesCharacters} characters`
  throw new AppError('invalid_input', { errors: [{ path: field, message }] })
}

/** At commas, semicolons and line ends, outside quotes and angle brackets. No more than show that they are too many. */
export function splitAddresses(text: string): string[] {
  const parts: string[] = []
  let [part, isQuoted, isFramed] = ['', false, false]
  let former = ''
  const endPart = (): void => {
    const typed = part.trim()
    if (typed !== '') parts.push(typed)
    part = ''
  }
  for (const character of text) {
    if (parts.length > mostRecipients) break
    if (character === '"' && former !== '\\' && !isFramed) isQuoted = !isQuoted
    if (!isQuoted && character === '<') isFramed = true
    if (!isQuoted && character === '>') isFramed = false
    if (!isQuoted && !isFramed && /[,;\n\r]/.test(character)) endPart()
    else part += character
    former = character
  }
  endPart()
  return parts
}
