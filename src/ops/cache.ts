// The cache (KV: what may be stale, such as providers' signing keys) as an admin sees and empties it. It is handed that
// one namespace, so it cannot reach the flows' records. PostgreSQL says who may, and keeps the trail, before KV is touched.

import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { admitted } from './admin-gate.sql.ts'
import { admitToCache, admitToCacheChange } from './cache.sql.ts'

/** What of a KV namespace is used here. */
export interface CacheStore {
  get(key: string): Promise<string | null>
  list(options: {
    limit: number
    cursor?: string
  }): Promise<
    | { readonly list_complete: true; readonly keys: readonly CachedKey[] }
    | { readonly list_complete: false; readonly keys: readonly CachedKey[]; readonly cursor: string }
  >
  delete(key: string): Promise<void>
}

interface CachedKey {
  readonly name: string
  /** Seconds since 1970. */
  readonly expiration?: number
}

interface CacheDeps {
  readonly db: Db
  readonly cache: CacheStore
}

export interface CachePage {
  readonly keys: readonly { readonly name: string; readonly expiresAt: Date | null }[]
  /** KV's own; null at the end. */
  readonly cursor: string | null
  /** Of all keys, on the first page only; null on later ones. */
  readonly count: { readonly keys: number; readonly isComplete: boolean } | null
}

// A Worker may send 1,000 requests an invocation, six at once; the database's socket is one of them.
const keysPerClear = 500
const deletesAtOnce = 5
const keysPerList = 1_000
const listsPerCount = 10

/** Some keys in KV's order, from `cursor` on. Throws 401, 403, 422 for a cursor that KV does not know, 503. */
export async function listCache(
  deps: CacheDeps,
  claim: CallerClaim,
  page: { limit: number; cursor: string | null },
  origin: RequestOrigin,
): Promise<CachePage> {
  admitted(await deps.db.first(admitToCache, { ...callerParams(claim), ...origin }))
  const listing = deps.cache.list({ limit: page.limit, ...(page.cursor === null ? {} : { cursor: page.cursor }) })
  const found = await (page.cursor === null ? reached(listing) : listing.catch(refuseCursor))
  return {
    keys: found.keys.map(({ name, expiration }) => ({
      name,
      expiresAt: expiration === undefined ? null : new Date(expiration * 1_000),
    })),
    cursor: found.list_complete ? null : found.cursor,
    count:
      page.cursor !== null
        ? null
        : found.list_complete
          ? { keys: found.keys.length, isComplete: true }
          : await countKeys(deps.cache),
  }
}

async function countKeys(cache: CacheStore): Promise<{ keys: number; isComplete: boolean }> {
  let keys = 0
  let cursor: string | undefined
  for (let lists = 0; lists < listsPerCount; lists += 1) {
    const found = await reached(cache.list({ limit: keysPerList, ...(cursor === undefined ? {} : { cursor }) }))
    keys += found.keys.length
    if (found.list_complete) return { keys, isComplete: true }
    cursor = found.cursor
  }
  return { keys, isComplete: false }
}

/** Deletes up to 500 keys; `hasMore` says that it should be called again. Throws 401, 403, 503. */
export async function clearCache(
  deps: CacheDeps,
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<{ readonly deleted: number; readonly hasMore: boolean }> {
  admitted(await deps.db.first(admitToCacheChange, { ...callerParams(claim), ...origin, scope: 'all' }))
  const { keys, list_complete } = await reached(deps.cache.list({ limit: keysPerClear }))
  for (let start = 0; start < keys.length; start += deletesAtOnce) {
    const some = keys.slice(start, start + deletesAtOnce)
    await reached(Promise.all(some.map(({ name }) => deps.cache.delete(name))))
  }
  return { deleted: keys.length, hasMore: !list_complete }
}

/** Deletes one key. Throws 401, 403, 404 where there is none, 503. */
export async function forgetCached(
  deps: CacheDeps,
  claim: CallerClaim,
  key: string,
  origin: RequestOrigin,
): Promise<void> {
  const params = { ...callerParams(claim), ...origin }
  admitted(await deps.db.first(admitToCache, params))
  if ((await reached(deps.cache.get(key))) === null) throw new AppError('not_found')
  admitted(await deps.db.first(admitToCacheChange, { ...params, scope: 'key' }))
  await reached(deps.cache.delete(key))
}

/** KV's own errors are an outage. */
async function reached<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((cause: unknown) => {
    throw new AppError('unavailable', { cause })
  })
}

function refuseCursor(cause: unknown): never {
  throw new AppError('invalid_input', { cause, errors: [{ path: 'cursor', message: 'is none of ours' }] })
}
