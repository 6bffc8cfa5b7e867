// The mail part of the bench: a million stored messages listed and searched, mailboxes brought in step, letters sent.

import type { ControlName } from './build.ts'
import { explainMail, type MailPlan } from './mail-plans.ts'
import { measureSearches, type SearchTimes, searchKinds, searchShooter } from './mail-search.ts'
import { type StoredMail, seedMail } from './mail-seed.ts'
import { runSends, type SendRun, sendShooter } from './mail-send.ts'
import { countSync, runSync, runSyncWithHeap, type SmallHeapSync, type SyncRun, type SyncTrips } from './mail-sync.ts'
import { type Measured, measure } from './measure.ts'
import { type Callers, controlByIdShooter } from './paths.ts'
import type { SignedIn } from './seed.ts'
import { type Counted, count, farawayMs } from './wire.ts'
import type { World } from './world.ts'

export interface MailResults {
  readonly date: string
  readonly isQuick: boolean
  readonly stored: StoredMail
  /** Each group begins with its control. */
  readonly groups: readonly (readonly Measured[])[]
  readonly counted: readonly Counted[]
  /** With the database 20 ms away, beside one query. */
  readonly faraway: readonly Measured[]
  readonly searches: readonly SearchTimes[]
  readonly plans: readonly MailPlan[]
  readonly syncs: readonly SyncRun[]
  readonly syncTrips: SyncTrips
  /** A sync with a part of the heap that an isolate has. */
  readonly smallHeap: SmallHeapSync
  readonly sends: SendRun
}

export interface MailFigures {
  readonly rounds: number
  readonly seconds: number
  readonly messages: number
  readonly mailboxes: number
  /** Of each kind of search at most, one at a time and eight at once. */
  readonly searches: { readonly requests: number; readonly seconds: number }
  readonly syncs: readonly number[]
  readonly sends: number
}

/** The controls that mail is measured against. */
export const mailControls: readonly ControlName[] = ['empty', 'query', 'insert']

/** People that are needed beside those whose mailboxes are filled beforehand. */
export const syncingPeople = (figures: MailFigures): number => figures.syncs.length + countedSyncs + 1

const lanes = 16
/** Walks whose trips are counted: one of so many pages, one twice as long. */
const countedSyncs = 2
const countedPages = 5
const smallHeapMegabytes = 48
/** The paths that are held to one query, by their names here. */
export const listPath = 'mail list'
export const searchPath = 'mail search'
export const sendPath = 'send, taken in'

export async function measureMail(
  world: World,
  callers: Callers,
  { figures, say }: { readonly figures: MailFigures; readonly say: (line: string) => void },
): Promise<MailResults> {
  // Mailboxes that are filled by a sync are none of those that are filled beforehand.
  const syncing = callers.signedIn.slice(0, syncingPeople(figures))
  const owners = callers.signedIn.slice(syncing.length)
  const filled = callers.people.slice(syncing.length, syncing.length + figures.mailboxes)
  say(`storing ${figures.messages} messages`)
  const stored = await seedMail(world.sql, filled, figures.messages)
  const asking = owners.filter(({ accountId }) => filled.some((one) => one.accountId === accountId))
  say('mail: plans')
  const plans = await explainMail(world, asking)
  say('mail: round trips')
  const { counted, faraway } = await measureMailWire(world, callers, asking, figures.seconds)
  const candidate = await world.start('candidate')
  say('mail: searches')
  const searches = await measureSearches(candidate, asking, figures.searches)
  say('mail: rates')
  const [query, insert] = [await world.start('query'), await world.start('insert')]
  const { rounds, seconds } = figures
  const byId = () => controlByIdShooter(callers)
  const groups = [
    await measure(
      world,
      [
        { name: 'one query', process: query, shooter: byId },
        { name: listPath, process: candidate, shooter: () => searchShooter(kindOf('list, no search'), asking) },
        { name: searchPath, process: candidate, shooter: () => searchShooter(kindOf('one rare word'), asking) },
      ],
      { rounds, seconds, lanes },
    ),
    await measure(
      world,
      [
        { name: 'one insert', process: insert, shooter: byId },
        { name: sendPath, process: candidate, shooter: () => sendShooter(asking) },
      ],
      { rounds, seconds, lanes },
    ),
  ]
  await Promise.all([candidate, query, insert].map((one) => one.stop()))
  say('mail: sending')
  const sends = await runSends(world, asking, figures.sends)
  say(`sync of ${figures.syncs.join(' and ')} messages`)
  const syncs: SyncRun[] = []
  for (const [index, messages] of figures.syncs.entries())
    syncs.push(await runSync(world, at(syncing, index), messages))
  const syncTrips = await countSync(world, syncing.slice(figures.syncs.length, -1), countedPages)
  const smallHeap = await runSyncWithHeap(world, at(syncing, syncing.length - 1), {
    messages: figures.syncs[0] ?? 0,
    heapMegabytes: smallHeapMegabytes,
  })
  const date = new Date().toISOString().slice(0, 10)
  return {
    date,
    isQuick: figures.rounds < 5,
    stored,
    groups,
    counted,
    faraway,
    searches,
    plans,
    syncs,
    syncTrips,
    smallHeap,
    sends,
  }
}

function at(owners: readonly SignedIn[], index: number): SignedIn {
  const owner = owners[index]
  if (owner === undefined) throw new Error('too few people are signed in')
  return owner
}

function kindOf(name: string): (typeof searchKinds)[number] {
  const kind = searchKinds.find((one) => one.name === name)
  if (kind === undefined) throw new Error(`no search is called ${name}`)
  return kind
}

async function measureMailWire(
  world: World,
  callers: Callers,
  asking: readonly SignedIn[],
  seconds: number,
): Promise<Pick<MailResults, 'counted' | 'faraway'>> {
  const candidate = await world.start('candidate', 'counted')
  const control = await world.start('query', 'counted')
  const paths = [
    [listPath, () => searchShooter(kindOf('list, no search'), asking)],
    ['mail threads', () => searchShooter(kindOf('threads, no search'), asking)],
    [searchPath, () => searchShooter(kindOf('one rare word'), asking)],
    ['mail search, by relevance', () => searchShooter(kindOf('by relevance, rare word'), asking)],
    [sendPath, () => sendShooter(asking)],
  ] as const
  const counted: Counted[] = []
  for (const [name, shooter] of paths) counted.push(await count(world, candidate.port, name, shooter()))
  await world.services.setDatabaseDelay(farawayMs)
  const faraway = await measure(
    world,
    [
      { name: 'one query', process: control, shooter: () => controlByIdShooter(callers) },
      ...paths
        .filter(([name]) => name === listPath || name === searchPath)
        .map(([name, shooter]) => ({ name, process: candidate, shooter })),
    ],
    { rounds: 3, seconds, lanes: 1 },
  )
  await world.services.setDatabaseDelay(0)
  await Promise.all([candidate.stop(), control.stop()])
  return { counted, faraway }
}
