// A grant that is not kept, on its way to be revoked: by a row of `erasures`, unless another live grant has its subject.

import { uuidV7 } from '../crypto/random.ts'
import type { KeyRing } from '../crypto/seal.ts'
import { auditParams, type RequestOrigin } from '../db/audit.ts'
import type { Db } from '../db/client.ts'
import type { ErrorCode } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import { opensMail, type ReceivedGrant, sealForRevocation } from './grant.ts'
import { type RefusedGrantParams, writeRefusal } from './refuse-grant.sql.ts'

interface RefuseDeps {
  readonly db: Db
  readonly clock: () => Date
  readonly keyRing: KeyRing
}

export const nothingRefused: RefusedGrantParams = { refusedGrant: null, refusedAs: null, refusedDueAt: null }

/** The grant sealed for revocation, due after `delaySeconds`. */
export async function refusedGrant(
  deps: RefuseDeps,
  grant: ReceivedGrant,
  delaySeconds: number,
): Promise<RefusedGrantParams> {
  const { sealed, sealedAs } = await sealForRevocation(deps.keyRing, grant, uuidV7(deps.clock()))
  return {
    refusedGrant: sealed,
    refusedAs: sealedAs,
    refusedDueAt: new Date(deps.clock().getTime() + delaySeconds * 1_000),
  }
}

export interface RefusedRequest {
  readonly grant: ReceivedGrant
  readonly provider: Provider
  readonly actorUserId: string | null
  readonly origin: RequestOrigin
  readonly waitingId: string | null
}

/** Records a refusal and sends the grant, if it opens mail, to be revoked; within a cron tick unless another lives. */
export async function refuseGrant(deps: RefuseDeps, refused: RefusedRequest, code: ErrorCode): Promise<void> {
  const { grant, provider, actorUserId, origin, waitingId } = refused
  await deps.db.all(writeRefusal, {
    ...(opensMail(provider, grant) ? await refusedGrant(deps, grant, 0) : nothingRefused),
    ...auditParams(origin, [
      {
        action: 'sign_in.refused',
        actorUserId,
        subjectId: null,
        outcome: 'refused',
        event: { provider: grant.provider, code },
      },
    ]),
    provider: grant.provider,
    subject: grant.subject,
    waitingId,
  })
}

/** The grant of a first round whose consent screen is still to come: revoked if nobody completes it in time. */
export async function setAsideForConsent(
  deps: RefuseDeps,
  grant: ReceivedGrant,
  delaySeconds: number,
  origin: RequestOrigin,
): Promise<void> {
  await deps.db.all(writeRefusal, {
    ...(await refusedGrant(deps, grant, delaySeconds)),
    ...auditParams(origin, []),
    provider: grant.provider,
    subject: grant.subject,
    waitingId: null,
  })
}
