// Gmail's API as an opened mailbox (types in mail.ts). It must not know users, sealing or where the access token came
// from; what a 401 or 403 leads to is decided elsewhere.

import * as z from 'zod'
import { normalizeEmail } from '../crypto/encoding.ts'
import { type ProviderResult, providerFailure } from './failure.ts'
import { openAttachment } from './gmail/attachment.ts'
import { type GmailDeps, getJson, historyId, messageCount } from './gmail/call.ts'
import { fetchMessages } from './gmail/fetch.ts'
import { arrivedAfter, listHistory, listLabels, listMessages } from './gmail/listing.ts'
import { findSentMessage, sendMessage } from './gmail/send.ts'
import type { MailAdapter, MailCosts } from './mail.ts'

/** Gmail's quota units (SECURITY G12). An attachment is two calls: its message, then its bytes. */
const costs: MailCosts = { mailbox: 1, list: 5, message: 20, history: 2, labels: 1, attachment: 40, send: 100 }

const profileSchema = z.object({
  emailAddress: z.string(),
  historyId,
  messagesTotal: messageCount,
})

export function createGmail(deps: GmailDeps): MailAdapter {
  return {
    costs,
    mailbox: ({ accessToken }) => readMailbox(deps, accessToken),
    list: ({ after, ...input }) => listMessages(deps, { ...input, search: after === null ? '' : arrivedAfter(after) }),
    fetch: (input) => fetchMessages(deps, input),
    history: (input) => listHistory(deps, input),
    labels: (input) => listLabels(deps, input),
    attachment: (input) => openAttachment(deps, input),
    send: (input) => sendMessage(deps, input),
    findSent: (input) => findSentMessage(deps, { ...input, costs }),
  }
}

async function readMailbox(
  deps: GmailDeps,
  accessToken: string,
): Promise<ProviderResult<{ email: string; historyId: string; messagesTotal: number }>> {
  const profile = await getJson(deps, { accessToken, path: '/profile', schema: profileSchema })
  if (!profile.ok) return profile
  const { emailAddress, ...rest } = profile.value
  const email = normalizeEmail(emailAddress)
  return email === null ? providerFailure('unavailable', 'unreadable_answer') : { ok: true, value: { email, ...rest } }
}
