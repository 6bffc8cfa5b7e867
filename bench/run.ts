// `npm run bench`: builds the Worker, runs it in `workerd serve` beside its controls and a PostgreSQL of its own, measures
// every budget of DESIGN section 9, prints them and writes docs/performance.md. `-- --quick` takes three to four minutes,
// `-- --only=mail` measures mail alone.
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../scripts/postgres.ts'
import { type MailFigures, type MailResults, mailControls, measureMail, syncingPeople } from './mail.ts'
import { mailTable, searchTable } from './mail-page.ts'
import type { Measured } from './measure.ts'
import { type Kept, measureKept, measureStartUp, measureTenLogins, type StartUp, type TenLogins } from './memory.ts'
import { type Callers, controlByIdShooter, controlShooter, meShooter } from './paths.ts'
import { pageWithMail, performancePage } from './performance-page.ts'
import { explainHot, type Plan, timeClaim } from './plans.ts'
import { measureRates } from './rates.ts'
import { printed } from './report.ts'
import { countScheduled, runScheduled, type ScheduledRun, type ScheduledTrips } from './scheduled.ts'
import { newServiceKey, type Person, seedAccounts, settleLetters, signIn } from './seed.ts'
import { measureWire, type WireResult } from './wire.ts'
import { openWorld, type World } from './world.ts'

export interface Results {
  readonly date: string
  readonly cores: number
  readonly isQuick: boolean
  readonly minutes: number
  /** What whoever ran it wants said about this run; null for nothing. */
  readonly note: string | null
  readonly bundle: {
    readonly bytes: number
    readonly gzipBytes: number
    readonly parts: readonly (readonly [string, number])[]
  }
  /** Each group begins with its control. */
  readonly groups: readonly (readonly Measured[])[]
  readonly wire: WireResult
  readonly scheduled: readonly ScheduledRun[]
  readonly scheduledTrips: ScheduledTrips
  readonly plans: readonly { readonly stored: number; readonly plans: readonly Plan[] }[]
  /** One claim with half of all tokens due, 10,000 at most. */
  readonly claims: readonly { readonly stored: number; readonly due: number; readonly ms: number }[]
  readonly kept: readonly Kept[]
  readonly tenLogins: TenLogins
  /** A process that refreshes 10,000 due accounts (null where it failed), and an empty Worker's memory. */
  readonly due: ScheduledRun | null
  readonly dueCount: number
  readonly emptyBytes: number | null
  readonly startUp: StartUp
  readonly mail: MailResults
}

const isQuick = process.argv.includes('--quick')
const option = (name: string): string | null =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? null
const figures = isQuick
  ? { sizes: [1_000, 10_000], rounds: 3, seconds: 0.8, single: 200, startUps: 5, due: 2_000, tens: 10 }
  : { sizes: [1_000, 10_000, 100_000], rounds: 5, seconds: 2, single: 800, startUps: 11, due: 10_000, tens: 150 }
const mailFigures: MailFigures = isQuick
  ? {
      rounds: 3,
      seconds: 0.6,
      messages: 20_000,
      mailboxes: 20,
      searches: { requests: 40, seconds: 1 },
      syncs: [500, 1_000],
      sends: 100,
    }
  : {
      rounds: 5,
      seconds: 2,
      messages: 1_000_000,
      mailboxes: 1_000,
      searches: { requests: 400, seconds: 4 },
      syncs: [1_000, 10_000],
      sends: 500,
    }
const dueEach = 1_000
const keptRequests = 20_000
const signedIn = 200

const startedAt = performance.now()
const say = (line: string): void =>
  console.error(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s  ${line}`)

const page = join(projectRoot, 'docs', 'performance.md')
const isToWrite = process.argv.includes('--write')

async function main(): Promise<void> {
  // Said once by Node of the function that takes the types off two small modules; nothing to act on.
  process.removeAllListeners('warning')
  const only = option('only')
  if (only !== null && only !== 'mail') throw new Error('--only takes mail')
  const world = await openWorld(say, only === 'mail' ? mailControls : undefined)
  try {
    const results = only === null ? await measureAll(world) : await measureMailAlone(world)
    if ('mail' in results) {
      console.log(printed(results))
      if (!isQuick || isToWrite) await write(performancePage(results))
    } else {
      console.log(`${mailTable(results)}\n\n${searchTable(results)}`)
      if (isToWrite) await write(pageWithMail(await readFile(page, 'utf8'), results))
    }
    const json = option('json')
    if (json !== null) await writeFile(json, JSON.stringify(results, null, 1))
  } finally {
    await world.close()
  }
}

async function write(text: string): Promise<void> {
  await writeFile(page, text)
  say('wrote docs/performance.md')
}

/** With no more people than mail needs. */
async function measureMailAlone(world: World): Promise<MailResults> {
  const people = await seedAccounts(world, 0, mailFigures.mailboxes + syncingPeople(mailFigures))
  const callers = { people, signedIn: await signIn(world, people.slice(0, signedIn)), serviceKey: '' }
  return measureMail(world, callers, { figures: mailFigures, say })
}

async function measureAll(world: World): Promise<Results> {
  say('start-up')
  const startUp = await measureStartUp(world, figures.startUps)
  const people: Person[] = []
  const scheduled: ScheduledRun[] = []
  const plans: { stored: number; plans: Plan[] }[] = []
  const claims: { stored: number; due: number; ms: number }[] = []
  let callers: Callers = { people, signedIn: [], serviceKey: await newServiceKey(world) }
  const candidate = await world.start('candidate')
  for (const stored of figures.sizes) {
    say(`storing ${stored} accounts`)
    people.push(...(await seedAccounts(world, people.length, stored)))
    if (callers.signedIn.length === 0)
      callers = { ...callers, signedIn: await signIn(world, people.slice(0, signedIn)) }
    say('plans')
    plans.push({ stored, plans: await explainHot(world, callers, dueEach) })
    const many = Math.min(stored / 2, 10_000)
    claims.push({ stored, due: many, ms: await timeClaim(world, many) })
    say('scheduled refresh')
    for (const [providerMs, consumers] of scheduledSetups(stored))
      scheduled.push(await runScheduled(world, candidate, { stored, due: dueEach, providerMs, consumers }))
  }
  say('scheduled refresh, counted')
  const scheduledTrips = await countScheduled(world, dueEach)
  const groups = await measureRates(world, callers, candidate, { figures, say })
  await candidate.stop()
  say('round trips')
  const wire = await measureWire(world, callers, figures.seconds)
  say('memory')
  const kept = isQuick ? [] : await measureMemory(world, callers)
  say('ten logins at once')
  const tenLogins = await measureTenLogins(world, callers, figures.tens)
  await settleLetters(world.sql)
  say(`${figures.due} due accounts`)
  const fresh = await world.start('candidate')
  const empty = await world.start('empty')
  const many = { stored: people.length, due: figures.due, providerMs: 0, consumers: 1 }
  const due = await runScheduled(world, fresh, many).catch((error: unknown) => {
    say(String(error))
    return null
  })
  const emptyBytes = await empty.residentBytes()
  await Promise.all([fresh.stop(), empty.stop()])
  const mail = await measureMail(world, callers, { figures: mailFigures, say })
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    isQuick,
    note: option('note'),
    minutes: (performance.now() - startedAt) / 60_000,
    bundle: { bytes: world.built.bundleBytes, gzipBytes: world.built.gzipBytes, parts: world.built.parts },
    ...{
      groups,
      wire,
      scheduled,
      scheduledTrips,
      plans,
      claims,
      kept,
      tenLogins,
      due,
      dueCount: figures.due,
      emptyBytes,
      startUp,
      mail,
    },
  }
}

async function measureMemory(world: World, callers: Callers): Promise<Kept[]> {
  return [
    await measureKept(world, 'empty', 'empty Worker', controlShooter(), keptRequests),
    await measureKept(world, 'query', 'one query', controlByIdShooter(callers), keptRequests),
    await measureKept(world, 'candidate', 'me', meShooter(callers), keptRequests),
  ]
}

/** Provider's milliseconds and consumers at once; the first of all only warms up. */
function scheduledSetups(stored: number): readonly (readonly [number, number])[] {
  const largest = stored === figures.sizes.at(-1)
  return largest
    ? [
        [0, 1],
        [0, 4],
        [20, 1],
      ]
    : [[0, 1]]
}

await main()
