// Gmail's payload, a tree of parts that a stranger shaped → what a reader sees first and what is attached. Pure. It walks
// so deep and so far and no further, so that no mail can exhaust it.

import type { MailAttachment } from '../mail.ts'
import { type Headers, readFilename, readHeaders, readParameter, readToken } from './headers.ts'
import { decodeBase64, decodeText } from './text.ts'

const MAX_DEPTH = 100
const MAX_PARTS = 1000
const MAX_PART_ID_LENGTH = 400
const MAX_CONTENT_ID_LENGTH = 255

/** One text part of the body. */
export interface TextLeaf {
  readonly kind: 'text' | 'html'
  readonly charset: string | null
  readonly sizeBytes: number
  /** The provider's way to it where its data did not come along; changes from read to read. */
  readonly attachmentId: string | null
  /** Null where it did not come along. */
  readonly data: Uint8Array | null
  /** How it is listed where its text cannot be had. */
  readonly attachment: FoundAttachment
}

export type BodyNode =
  | { readonly leaf: TextLeaf }
  | { readonly children: readonly BodyNode[]; readonly isAlternative: boolean }

export interface FoundAttachment extends MailAttachment {
  readonly attachmentId: string | null
  /** Base64 that came along in place of an attachment id. */
  readonly inlineData: string | null
}

export interface Payload {
  readonly headers: Headers
  readonly body: BodyNode
  readonly attachments: readonly FoundAttachment[]
}

interface Part {
  readonly partId?: unknown
  readonly mimeType?: unknown
  readonly filename?: unknown
  readonly headers?: unknown
  readonly body?: unknown
  readonly parts?: unknown
}

/** Null where it is no payload at all. */
export function readPayload(payload: unknown): Payload | null {
  if (!isRecord(payload)) return null
  const attachments: FoundAttachment[] = []
  let partsLeft = MAX_PARTS

  function walk(part: Part, depth: number, place: string): BodyNode | null {
    partsLeft -= 1
    const headers = readHeaders(part.headers)
    const contentType = readContentType(part, headers)
    const children = Array.isArray(part.parts) ? part.parts : []
    if (contentType.startsWith('multipart/') || (children.length > 0 && contentType !== 'message/rfc822')) {
      const nodes: BodyNode[] = []
      for (const [index, child] of children.entries()) {
        if (partsLeft <= 0 || depth >= MAX_DEPTH) break
        const node = isRecord(child) ? walk(child, depth + 1, place === '' ? `${index}` : `${place}.${index}`) : null
        if (node !== null) nodes.push(node)
      }
      return { children: nodes, isAlternative: contentType === 'multipart/alternative' }
    }
    const found = describePart(part, headers, contentType, place)
    const isAttached = found.filename !== '' || readToken(headers.get('content-disposition')) === 'attachment'
    if (!isAttached && (contentType === 'text/plain' || contentType === 'text/html')) {
      return { leaf: readLeaf(found, headers, contentType) }
    }
    if (isAttached || found.attachmentId !== null || contentType === 'message/rfc822') attachments.push(found)
    return null
  }

  const body = walk(payload, 0, '') ?? { children: [], isAlternative: false }
  return { headers: readHeaders(payload.headers), body, attachments }
}

/** All text parts of the body, in their order. */
export function leavesOf(node: BodyNode): TextLeaf[] {
  return 'leaf' in node ? [node.leaf] : node.children.flatMap(leavesOf)
}

/**
 * What a reader sees. Of alternatives the first plain one and the last, richest HTML; parts one after the other are
 * joined. Where some of these have HTML only, the plain rest joins them there and there is no text: half of a mail
 * would pass for all of it.
 * @param textOf a part's text; null where it cannot be had
 */
export function composeBody(
  node: BodyNode,
  textOf: (leaf: TextLeaf) => string | null,
): { text: string | null; html: string | null } {
  if ('leaf' in node) {
    const text = textOf(node.leaf)
    return node.leaf.kind === 'text' ? { text, html: null } : { text: null, html: text }
  }
  const parts = node.children
    .map((child) => composeBody(child, textOf))
    .filter(({ text, html }) => text !== null || html !== null)
  if (node.isAlternative) {
    return {
      text: parts.find(({ text }) => text !== null)?.text ?? null,
      html: parts.findLast(({ html }) => html !== null)?.html ?? null,
    }
  }
  const texts = parts.flatMap(({ text }) => text ?? [])
  return {
    text: texts.length > 0 && texts.length === parts.length ? texts.join('\n') : null,
    html: parts.some(({ html }) => html !== null)
      ? parts.map(({ text, html }) => html ?? escapeText(text ?? '')).join('\n')
      : null,
  }
}

/** The text of a part whose bytes are known. */
export function leafText(leaf: TextLeaf, data: Uint8Array): string {
  return decodeText(data, leaf.charset)
}

function readLeaf(found: FoundAttachment, headers: Headers, contentType: string): TextLeaf {
  return {
    kind: contentType === 'text/html' ? 'html' : 'text',
    charset: readParameter(headers.get('content-type'), 'charset'),
    sizeBytes: found.sizeBytes,
    attachmentId: found.attachmentId,
    data: found.inlineData === null ? null : decodeBase64(found.inlineData),
    // The base64 is not kept beside its bytes.
    attachment: { ...found, inlineData: null },
  }
}

function describePart(part: Part, headers: Headers, contentType: string, place: string): FoundAttachment {
  const body: { size?: unknown; attachmentId?: unknown; data?: unknown } = isRecord(part.body) ? part.body : {}
  const { size, attachmentId, data } = body
  const isCountable = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
  const isUsable = typeof attachmentId === 'string' && /^[\w-]{1,4096}$/.test(attachmentId)
  return {
    partId: readPartId(part.partId, place),
    filename: readFilename(filenameOf(part, headers)),
    contentType,
    sizeBytes: isCountable ? size : 0,
    contentId: readContentId(headers.get('content-id')),
    attachmentId: isUsable ? attachmentId : null,
    inlineData: typeof data === 'string' ? data : null,
  }
}

function filenameOf(part: Part, headers: Headers): string {
  if (typeof part.filename === 'string' && part.filename !== '') return part.filename
  return (
    readParameter(headers.get('content-disposition'), 'filename') ??
    readParameter(headers.get('content-type'), 'name') ??
    ''
  )
}

/** The root's own id is empty; a message that is nothing but one file calls it `0`, which no other part then is. */
function readPartId(partId: unknown, place: string): string {
  if (typeof partId === 'string' && partId.length <= MAX_PART_ID_LENGTH && /^\d+(?:\.\d+)*$/.test(partId)) return partId
  return place === '' ? '0' : place
}

function readContentType(part: Part, headers: Headers): string {
  const type = typeof part.mimeType === 'string' && part.mimeType !== '' ? part.mimeType : headers.get('content-type')
  const token = readToken(type)
  return /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(token) ? token : 'application/octet-stream'
}

function readContentId(value: string | undefined): string | null {
  const id = /^\s*<?([^<>\s\p{C}]+)>?\s*$/u.exec(value ?? '')?.[1]
  return id === undefined || id.length > MAX_CONTENT_ID_LENGTH ? null : id
}

function escapeText(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<div style="white-space: pre-wrap">${escaped}</div>`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
