// Is it alive, is it ready, and what of the database. Answers hold no host, no connection string, no version of ours.

import type { KeyRing } from '../crypto/seal.ts'
import type { Db } from '../db/client.ts'
import { countSealed, readDatabase } from './health.sql.ts'

export interface DatabaseHealth {
  readonly isUp: boolean
  readonly isMigrated: boolean
  readonly latencyMs: number
}

/** Never throws: a database that cannot be asked is down. */
export async function checkDatabase(db: Db, clock: () => Date): Promise<DatabaseHealth> {
  const startedAt = clock().getTime()
  const row = await db.first(readDatabase, {}).catch(() => null)
  return { isUp: row !== null, isMigrated: row?.isMigrated ?? false, latencyMs: clock().getTime() - startedAt }
}

export interface SealingKeyUse {
  readonly keyId: string
  /** Null: not counted. Only a counted 0 says that nothing needs the key. */
  readonly rows: number | null
  /** Seals new rows. */
  readonly isFirst: boolean
  /** False: rows need a key that is not in the ring any more, or not yet. */
  readonly isKnown: boolean
}

export interface Readiness {
  readonly isReady: boolean
  readonly database: DatabaseHealth
  readonly sealingKeys: readonly SealingKeyUse[]
}

/** The keys of the ring where nobody could count their rows. */
export function uncountedKeys(keyRing: KeyRing | null): SealingKeyUse[] {
  return (keyRing ?? []).map((key, index) => ({ keyId: key.id, rows: null, isFirst: index === 0, isKnown: true }))
}

/**
 * Ready where the database answers and is migrated and the sealing keys are well (`keyRing` null: the setting is broken).
 * A row whose key is not in the ring is named, and holds up nobody else's.
 */
export async function checkReadiness(deps: { db: Db; clock: () => Date; keyRing: KeyRing | null }): Promise<Readiness> {
  const database = await checkDatabase(deps.db, deps.clock)
  const isCountable = database.isUp && database.isMigrated
  const sealingKeys = isCountable ? await countSealingKeys(deps.db, deps.keyRing) : uncountedKeys(deps.keyRing)
  return { isReady: database.isUp && database.isMigrated && deps.keyRing !== null, database, sealingKeys }
}

/** Never throws: where rows could not be counted their number is null. */
export async function countSealingKeys(db: Db, keyRing: KeyRing | null): Promise<SealingKeyUse[]> {
  const counted = await db.all(countSealed, {}).catch(() => null)
  return counted === null ? uncountedKeys(keyRing) : usesOf(keyRing ?? [], counted)
}

function usesOf(
  ring: readonly KeyRing[number][],
  counted: readonly { readonly keyId: string; readonly rows: number }[],
): SealingKeyUse[] {
  const rowsOf = new Map(counted.map((row) => [row.keyId, row.rows]))
  const keyIds = new Set([...ring.map((key) => key.id), ...rowsOf.keys()])
  return [...keyIds].map((keyId) => ({
    keyId,
    rows: rowsOf.get(keyId) ?? 0,
    isFirst: ring[0]?.id === keyId,
    isKnown: ring.some((key) => key.id === keyId),
  }))
}
