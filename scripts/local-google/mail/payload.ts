// A message as Gmail's API shows it: full, metadata, minimal or raw. Bodies are parsed once and kept beside their bytes,
// so that messages of one body share the work.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { guessText, plainHeader, readableHeader, textIn } from './charset.ts'
import { escapeHtml, textOfHtml } from './html-text.ts'
import { type Entity, type Field, fieldOf, parseEntity, readFields } from './mime.ts'
import type { Mailbox, Message } from './store.ts'

const SNIPPET_LENGTH = 200
/** How much of a body a snippet looks at, in characters. */
const SNIPPET_SOURCE_LENGTH = 20_000
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Gmail's attachment ids are some hundred characters long. */
const SEALED_LENGTH = 220

export type TextBodies = 'as-sent' | 'utf-8'
export const formats = ['full', 'metadata', 'minimal', 'raw'] as const
export type Format = (typeof formats)[number]

const parsed = new WeakMap<Buffer, Map<string, Entity>>()

/** The message's tree. Its own fields are the message's, whoever else has this body. */
export function entityOf(message: Message): Entity {
  const fields = readFields(message.head)
  const structure = ['content-type', 'content-transfer-encoding', 'content-disposition']
  const key = structure.map((name) => fieldOf(fields, name) ?? '').join('\n')
  const known = parsed.get(message.body) ?? new Map<string, Entity>()
  parsed.set(message.body, known)
  const tree = known.get(key) ?? parseEntity(fields, message.body)
  known.set(key, tree)
  return { ...tree, fields }
}

/** Text of a text part. */
export function textOf(entity: Entity): string {
  return textIn(entity.content, entity.charset) ?? guessText(entity.content)
}

/** The inline text parts of one kind, attached messages left out. */
export function inlineTexts(entity: Entity, mimeType: string): Entity[] {
  if (entity.mimeType === 'message/rfc822') return []
  if (entity.mimeType === mimeType && entity.filename === '') return [entity]
  return entity.parts.flatMap((part) => inlineTexts(part, mimeType))
}

export function sizeOf(message: Message): number {
  return message.head.length + message.body.length
}

/** @param metadataHeaders names to keep where the format is `metadata`; none keeps all */
export function messageJson(
  mailbox: Mailbox,
  message: Message,
  view: { format: Format; textBodies: TextBodies; metadataHeaders?: readonly string[] },
): Record<string, unknown> {
  const entity = entityOf(message)
  const common = {
    id: message.id,
    threadId: message.threadId,
    ...(message.labelIds.size === 0 ? {} : { labelIds: [...message.labelIds] }),
    snippet: snippetOf(entity),
    sizeEstimate: sizeOf(message),
    historyId: String(message.historyId),
    internalDate: String(message.internalDate),
  }
  if (view.format === 'raw') return { ...common, raw: base64url(Buffer.concat([message.head, message.body])) }
  if (view.format === 'minimal') return common
  if (view.format === 'metadata') {
    const wanted = (view.metadataHeaders ?? []).map((name) => name.toLowerCase())
    const kept = entity.fields.filter(({ name }) => wanted.length === 0 || wanted.includes(name.toLowerCase()))
    return { ...common, payload: { mimeType: entity.mimeType, headers: headersJson(kept, view.textBodies) } }
  }
  const seal = (partId: string): string => sealPart(mailbox, message, partId)
  return { ...common, payload: partJson(entity, '', view.textBodies, seal) }
}

function headersJson(fields: readonly Field[], textBodies: TextBodies): { name: string; value: string }[] {
  const read = textBodies === 'utf-8' ? readableHeader : plainHeader
  return fields.map(({ name, value }) => ({ name, value: read(value) }))
}

function partJson(entity: Entity, partId: string, textBodies: TextBodies, seal: (partId: string) => string): object {
  const { mimeType, filename, fields, parts } = entity
  const children = parts.map((part, index) => partJson(part, childId(partId, index), textBodies, seal))
  return {
    partId,
    mimeType,
    filename,
    headers: headersJson(fields, textBodies),
    body: bodyJson(entity, partId, textBodies, seal),
    ...(children.length === 0 ? {} : { parts: children }),
  }
}

function childId(partId: string, index: number): string {
  return partId === '' ? String(index) : `${partId}.${index}`
}

function bodyJson(
  entity: Entity,
  partId: string,
  textBodies: TextBodies,
  seal: (partId: string) => string,
): { size: number; data?: string; attachmentId?: string } {
  if (entity.mimeType.startsWith('multipart/')) return { size: 0 }
  const isInline = entity.filename === '' && entity.mimeType.startsWith('text/')
  if (!isInline) return { attachmentId: seal(partId), size: entity.content.length }
  const text = textBodies === 'utf-8' ? textIn(entity.content, entity.charset) : null
  const bytes = text === null ? entity.content : Buffer.from(text)
  return bytes.length === 0 ? { size: 0 } : { size: bytes.length, data: base64url(bytes) }
}

/** Gmail's base64url keeps its padding. */
export function base64url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

const snippets = new WeakMap<Buffer, string>()

function snippetOf(entity: Entity): string {
  const [plain] = inlineTexts(entity, 'text/plain').filter((part) => part.content.length > 0)
  const part = plain ?? inlineTexts(entity, 'text/html')[0]
  if (part === undefined) return ''
  const known = snippets.get(part.content)
  if (known !== undefined) return known
  const source = textOf(part).slice(0, SNIPPET_SOURCE_LENGTH)
  const text = part.mimeType === 'text/html' ? textOfHtml(source) : source
  const words = [...text.replaceAll('\0', ' ').replace(/\s+/g, ' ').trim()].slice(0, SNIPPET_LENGTH).join('')
  const snippet = escapeHtml(words.trimEnd())
  snippets.set(part.content, snippet)
  return snippet
}

/** The id of a part's content. Sealing takes a fresh nonce, so no two reads give the same one (as at Gmail). */
function sealPart(mailbox: Mailbox, message: Message, partId: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', mailbox.attachmentKey, nonce)
  const text = `${message.id} ${partId} `.padEnd(SEALED_LENGTH)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** The content an attachment id of this message names, or null. */
export function openAttachment(mailbox: Mailbox, message: Message, attachmentId: string): Buffer | null {
  const sealed = Buffer.from(attachmentId, 'base64url')
  if (sealed.length !== NONCE_BYTES + SEALED_LENGTH + TAG_BYTES) return null
  const decipher = createDecipheriv('aes-256-gcm', mailbox.attachmentKey, sealed.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    const [id, partId = ''] = text.toString('utf8').split(' ')
    if (id !== message.id) return null
    const path = partId === '' ? [] : partId.split('.').map(Number)
    let entity: Entity | undefined = entityOf(message)
    for (const index of path) entity = entity?.parts[index]
    return entity?.content ?? null
  } catch {
    return null
  }
}
