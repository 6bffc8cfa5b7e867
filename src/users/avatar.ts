// A person's picture: stored in R2 under a fresh unguessable id, named by the person's row. The object comes before the
// row that names it, and goes after it, through `erasures`. It must not know how a picture is parsed or served.

import type { Me } from '../auth/sessions.sql.ts'
import { isUuid } from '../crypto/random.ts'
import type { RequestOrigin } from '../db/audit.ts'
import { type CallerClaim, callerParams } from '../db/caller.ts'
import type { Db } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { describeThrown, type Log } from '../log.ts'
import type { EraseAvatarMessage } from '../messages.ts'
import { type AvatarChange, clearAvatar, setAvatar } from './avatar.sql.ts'
import { admitPicture, type Picture } from './pictures/picture.ts'

export interface AvatarDeps {
  readonly db: Db
  readonly avatars: R2Bucket
  readonly log: Log
}

/** What a change of picture gives its door: who the person is now, and the old picture's removal for the queue. */
export interface ChangedAvatar {
  readonly me: Me
  readonly messages: EraseAvatarMessage[]
}

/** A name for a picture: 122 random bits, since knowing it is all that is needed to see the picture. */
export function newAvatarId(): string {
  return crypto.randomUUID()
}

/** Stores a picture under its id. Throws 503 where R2 does not take it. */
export async function storePicture(bucket: R2Bucket, avatarId: string, picture: Picture): Promise<void> {
  try {
    await bucket.put(avatarId, picture.bytes, { httpMetadata: { contentType: picture.contentType } })
  } catch (thrown) {
    throw new AppError('unavailable', { cause: thrown })
  }
}

/** Takes back a picture that no row came to name. A failure is logged: nobody knows the id, so it is unreachable. */
export async function discardPicture(deps: { avatars: R2Bucket; log: Log }, avatarId: string): Promise<void> {
  await deps.avatars.delete(avatarId).catch((thrown: unknown) => {
    deps.log.error('storage_failed', { job: 'discard_picture', ...describeThrown(thrown) })
  })
}

/** Gives the caller a new picture. Throws 401, 403 (a key), 413, 422 `picture_refused`, 503. */
export async function putAvatar(
  deps: AvatarDeps,
  claim: CallerClaim,
  bytes: Uint8Array,
  origin: RequestOrigin,
): Promise<ChangedAvatar> {
  if (claim.kind === 'key') throw new AppError('forbidden')
  const picture = admitPicture(bytes)
  const avatarId = newAvatarId()
  await storePicture(deps.avatars, avatarId, picture)
  try {
    return changed(await deps.db.first(setAvatar, { ...callerParams(claim), ...origin, avatarId }))
  } catch (thrown) {
    // Where the database may have taken the row after all, the picture must stay: it is then only a refusal that discards.
    if (thrown instanceof AppError && thrown.code !== 'unavailable') await discardPicture(deps, avatarId)
    throw thrown
  }
}

/** Takes the caller's picture away; done already is done. Throws 401, 403 (a key). */
export async function removeAvatar(
  deps: Pick<AvatarDeps, 'db'>,
  claim: CallerClaim,
  origin: RequestOrigin,
): Promise<ChangedAvatar> {
  return changed(await deps.db.first(clearAvatar, { ...callerParams(claim), ...origin }))
}

function changed(row: AvatarChange | null): ChangedAvatar {
  if (row === null) throw new AppError('unauthorized')
  if (row.isKey) throw new AppError('forbidden')
  // Deleted while this waited for their row.
  if (row.id === null) throw new AppError('unauthorized')
  const { isKey: _, erasureId, ...me } = row
  return { me, messages: erasureId === null ? [] : [{ kind: 'erase_avatar', erasure_id: erasureId }] }
}

export interface StoredPicture {
  readonly contentType: string
  /** Quoted, as HTTP writes it. */
  readonly etag: string
  /** Null where the client's own copy, named by `knownEtag`, is the same. */
  readonly body: ReadableStream | null
}

/** A picture for whoever knows its id. Null where there is none; throws 503 where R2 does not answer. */
export async function openPicture(
  bucket: R2Bucket,
  avatarId: string,
  knownEtag: string | null,
): Promise<StoredPicture | null> {
  if (!isUuid(avatarId)) return null
  const known = /^(?:W\/)?"([^"]+)"$/.exec(knownEtag ?? '')?.[1]
  let object: R2ObjectBody | R2Object | null
  try {
    object = await bucket.get(avatarId, known === undefined ? {} : { onlyIf: { etagDoesNotMatch: known } })
  } catch (thrown) {
    throw new AppError('unavailable', { cause: thrown })
  }
  if (object === null) return null
  return {
    contentType: object.httpMetadata?.contentType ?? 'application/octet-stream',
    etag: object.httpEtag,
    body: 'body' in object ? object.body : null,
  }
}
