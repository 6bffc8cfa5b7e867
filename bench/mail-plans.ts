// The statements that list and search mail, under generic plans over all that is stored: their time, and the indexes they
// go by. None of them may read a whole table.
import { callerParams } from '../src/db/caller.ts'
import type { Statement } from '../src/db/client.ts'
import { browseEmails, browseThreads } from '../src/mail/read/list.sql.ts'
import { fromTheStart } from '../src/mail/read/list-cursor.ts'
import type { ListParams } from '../src/mail/read/list-parts.sql.ts'
import { searchEmails, searchEmailsRanked, searchThreads, searchThreadsRanked } from '../src/mail/search/search.sql.ts'
import { planSearch } from '../src/mail/search/search.ts'
import { searchKinds } from './mail-search.ts'
import { explain, type Plan } from './plans.ts'
import type { SignedIn } from './seed.ts'
import type { World } from './world.ts'

export interface MailPlan extends Plan {
  /** What was asked. */
  readonly kind: string
  /** A list by that of dates, a search by that of words or (what is common, by date) that of dates; threads by theirs. */
  readonly isByIndex: boolean
}

const pageLimit = 51

/** @param owners the first one's mailbox is the largest */
export async function explainMail(world: World, owners: readonly SignedIn[]): Promise<MailPlan[]> {
  const plans: MailPlan[] = []
  for (const kind of searchKinds) {
    const owner = kind.isOfLargest === true ? owners[0] : owners[1]
    if (owner === undefined) throw new Error('nobody is signed in')
    const [session] = await world.sql`SELECT session_id FROM sessions WHERE user_id = ${owner.userId} LIMIT 1`
    const sort = kind.query.sort === 'relevance' ? 'relevance' : 'date'
    const plan = planSearch({ q: kind.query.q ?? null, sort }, new Date(), [])
    const shared: ListParams = {
      ...callerParams({ kind: 'session', userId: owner.userId, sessionId: String(session?.session_id) }),
      ...fromTheStart,
      ...{ forUserId: null, userEmail: null, limit: pageLimit, isAnywhere: plan.isAnywhere, words: plan.excerptWords },
    }
    const isOfThreads = kind.path === 'emails/threads'
    const explained = async <P extends object, R extends object>(
      [ofEmails, ofThreads]: readonly [Statement<P, R>, Statement<P, object>],
      params: P,
    ): Promise<Plan> => explain(world.sql, isOfThreads ? ofThreads : ofEmails, params, { runs: 3 })
    const found =
      plan.kind === 'browse'
        ? await explained([browseEmails, browseThreads], { ...shared, ...plan.params })
        : plan.kind === 'search'
          ? await explained([searchEmails, searchThreads], { ...shared, ...plan.params })
          : await explained([searchEmailsRanked, searchThreadsRanked], { ...shared, ...plan.params })
    const finding = {
      browse: ['emails_sent_ix'],
      search: ['emails_search_ix', 'emails_sent_ix'],
      ranked: ['emails_search_ix'],
    }
    const isByIndex =
      finding[plan.kind].some((index) => found.indexes.includes(index)) &&
      (!isOfThreads || found.indexes.includes('emails_thread_ix')) &&
      !found.wholeTables.some((table) => table.startsWith('emails '))
    plans.push({ ...found, kind: kind.name, isByIndex })
  }
  return plans
}
