// The id of a thread as callers know it: the provider's own is unique within its mailbox only, so the mailbox stands
// before it. It opens nothing: whose mailbox that is stands in every statement.

export interface ThreadKey {
  readonly accountId: string
  readonly providerThreadId: string
}

export function printThreadId(key: ThreadKey): string {
  return `${key.accountId.replaceAll('-', '')}.${key.providerThreadId}`
}

/** Null where it has not the form of one. */
export function parseThreadId(id: string): ThreadKey | null {
  const [, hex, providerThreadId] = /^([0-9a-f]{32})\.([\w-]{1,128})$/.exec(id) ?? []
  if (hex === undefined || providerThreadId === undefined) return null
  const accountId = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return { accountId, providerThreadId }
}
