// What a mailbox can do at its provider, and the shapes it answers with. Types only: no memory, no database, no decision.
// Every verb takes a live access token, asks once within a time limit, and answers with a value.

import type { ProviderResult } from './failure.ts'

export interface Token {
  readonly accessToken: string
}

export interface MailAddress {
  /** As it was written, decoded; empty where there was none. */
  readonly name: string
  /** As it was written; not normalised, not checked. */
  readonly address: string
}

export interface MailAttachment {
  /** The provider's place of the part in its message (`1`, `1.2`); what an attachment is asked for by. */
  readonly partId: string
  /** Decoded and cut to 255 characters; empty where the part had none. */
  readonly filename: string
  /** `type/subtype`, lower case; `application/octet-stream` where it could not be read. */
  readonly contentType: string
  readonly sizeBytes: number
  /** Of an inline picture: what `cid:` names, without its angle brackets. */
  readonly contentId: string | null
}

/** One message, read and decoded. Texts hold no NUL and no lone surrogate, and are cut to the adapter's limits. */
export interface MailMessage {
  readonly id: string
  readonly threadId: string
  readonly historyId: string
  readonly labelIds: readonly string[]
  /** The provider's own time of arrival. */
  readonly receivedAt: Date
  readonly sizeBytes: number
  /** `Message-ID`, `In-Reply-To` with their angle brackets; null where missing or unreadable. */
  readonly messageId: string | null
  readonly inReplyTo: string | null
  /** Message ids of `References`, oldest first, 50 at most (the first and the newest). */
  readonly references: readonly string[]
  readonly subject: string
  readonly from: MailAddress | null
  readonly to: readonly MailAddress[]
  readonly cc: readonly MailAddress[]
  readonly bcc: readonly MailAddress[]
  readonly replyTo: readonly MailAddress[]
  readonly snippet: string
  /** The text part; null where the message has none. */
  readonly text: string | null
  /** The HTML part as it was sent: hostile until sanitised. */
  readonly html: string | null
  readonly attachments: readonly MailAttachment[]
}

/** What became of one message of a batch, and what it cost beyond `costs.message`: further calls made for it. */
export type FetchedMessage = { readonly extraUnits?: number } & Fetched

type Fetched =
  | { readonly kind: 'message'; readonly message: MailMessage }
  /** Only its labels were asked for. */
  | { readonly kind: 'labels'; readonly id: string; readonly labelIds: readonly string[] }
  /** Deleted since it was listed (404). */
  | { readonly kind: 'gone'; readonly id: string }
  /** Cannot be read, now or later: recorded and skipped. `code` is short and ours: `[a-z0-9_]{1,64}`. */
  | { readonly kind: 'broken'; readonly id: string; readonly code: string }
  /** Was not answered for now (a 429, 403 for quota or 5xx inside the batch): to be asked for again. */
  | {
      readonly kind: 'later'
      readonly id: string
      readonly code: string
      /** True where the provider said: too fast. */
      readonly isRateLimit: boolean
      readonly retryAfterSeconds: number | null
    }

export interface MessagePage {
  /** Newest first, each once. */
  readonly ids: readonly string[]
  /** Null at the end. */
  readonly nextPageToken: string | null
  /** The provider's estimate of all there are. */
  readonly estimate: number
}

/** One thing that happened to a mailbox, oldest first. */
export type MailChange =
  | { readonly kind: 'added' | 'deleted'; readonly id: string }
  | { readonly kind: 'labels_added' | 'labels_removed'; readonly id: string; readonly labelIds: readonly string[] }

export interface HistoryPage {
  readonly changes: readonly MailChange[]
  /**
   * Where to go on after these changes are stored: the newest record of this page where more pages follow, else the
   * mailbox's current id.
   */
  readonly cursor: string
  /** Null at the end. */
  readonly nextPageToken: string | null
}

export interface MailLabel {
  readonly id: string
  readonly name: string
  readonly isSystem: boolean
}

export interface SentMessage {
  readonly id: string
  readonly threadId: string
}

export interface AttachmentStream {
  /** The decoded bytes as they arrive; never whole in memory. */
  readonly body: ReadableStream<Uint8Array>
  readonly sizeBytes: number | null
}

export interface MailAdapter {
  readonly costs: MailCosts
  /** Whose mailbox the token opens, from the provider itself; what it holds, and where its history stands. */
  mailbox(input: Token): Promise<ProviderResult<{ email: string; historyId: string; messagesTotal: number }>>
  /**
   * Ids newest first.
   * @param input.limit 1 to 500
   * @param input.after only what arrived since then (to the second)
   */
  list(
    input: Token & { limit: number; pageToken: string | null; after: Date | null },
  ): Promise<ProviderResult<MessagePage>>
  /**
   * Up to 50 messages in one request, answered for one by one and yielded as they arrive, so that no more than one is
   * held whole. A failure of the request itself is yielded once, last.
   * @param input.depth `full`, or `labels` where only these are wanted
   */
  fetch(
    input: Token & { ids: readonly string[]; depth: 'full' | 'labels' },
  ): AsyncGenerator<ProviderResult<FetchedMessage>, void, undefined>
  /** Fails with `history_expired` where the cursor is older than what the provider remembers. */
  history(input: Token & { cursor: string; pageToken: string | null }): Promise<ProviderResult<HistoryPage>>
  labels(input: Token): Promise<ProviderResult<readonly MailLabel[]>>
  /**
   * Opens one attachment; `null` where the message or the part is not there (any more). The provider's own attachment
   * ids change between reads, so it is found again by message and part each time.
   */
  attachment(input: Token & { messageId: string; partId: string }): Promise<ProviderResult<AttachmentStream | null>>
  /**
   * Sends one message. A failure of kind `unavailable` is ambiguous: it may have been sent.
   * @param input.mime the whole message, CRLF line ends
   * @param input.threadId the thread it answers in; null begins one
   */
  send(input: Token & { mime: Uint8Array; threadId: string | null }): Promise<ProviderResult<SentMessage>>
  /**
   * Looks for a message we may have sent, by the Message-ID we gave it (Gmail may have put its own in its place and kept
   * ours in `X-Google-Original-Message-ID`). Null: all was seen, and nothing was sent. `unseen`: not found, but not all
   * was seen either.
   * @param input.since not before this; a little earlier than the first attempt
   * @param input.until not after this; null where it may be as late as now
   * @param input.allow asked before each of its calls, with what they cost; where the answer is no, it ends `unseen`
   */
  findSent(
    input: Token & {
      messageId: string
      since: Date
      until: Date | null
      allow: (units: number) => Promise<boolean>
    },
  ): Promise<ProviderResult<SentMessage | 'unseen' | null>>
}

/** What each verb costs in the provider's own units (Gmail: developers.google.com/gmail/api/reference/quota; SECURITY G12). */
export interface MailCosts {
  readonly mailbox: number
  readonly list: number
  /** A message, whatever its depth. */
  readonly message: number
  readonly history: number
  readonly labels: number
  readonly attachment: number
  readonly send: number
}
