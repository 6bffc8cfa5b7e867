// What stands around the Worker under test, on a thread of its own so that the load generator does not wait for it: KV, the
// provider stub, a pooler before PostgreSQL, and a second pooler whose way to PostgreSQL leads through the counting proxy.
import { fileURLToPath } from 'node:url'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { startDatabaseProxy, throughProxy, type WireCounts } from '../test/support/database-proxy.ts'
import type { GmailCounts } from './gmail-stub.ts'
import { startKv } from './kv.ts'
import { startPooler } from './pooler.ts'
import { startProvider } from './provider.ts'

export interface Services {
  readonly providerOrigin: string
  readonly kvPort: number
  /** Ports of the two poolers. */
  readonly poolPort: number
  readonly countedPoolPort: number
  /** Counts between the counted pooler and PostgreSQL; `connections` are those that the Worker opened to the pooler. */
  wireCounts(): Promise<WireCounts>
  /** Milliseconds of one round trip between the counted pooler and PostgreSQL. */
  setDatabaseDelay(ms: number): Promise<void>
  setProviderDelay(ms: number): Promise<void>
  providerCalls(): Promise<number>
  addCodes(codes: readonly (readonly [code: string, idToken: string])[]): Promise<void>
  /** What the stub's Gmail holds from now on; its counts begin again. */
  setGmail(mailbox: { email: string; messages: number }): Promise<void>
  gmailCounts(): Promise<GmailCounts>
  stop(): Promise<void>
}

interface Setup {
  readonly databaseUrl: string
  readonly poolSize: number
  readonly jwks: string
}

type Order =
  | { readonly op: 'wireCounts' | 'providerCalls' | 'gmailCounts' }
  | { readonly op: 'databaseDelay' | 'providerDelay'; readonly ms: number }
  | { readonly op: 'codes'; readonly codes: readonly (readonly [string, string])[] }
  | { readonly op: 'gmail'; readonly mailbox: { email: string; messages: number } }

/** Starts the thread and resolves when all of it listens. */
export async function startServices(setup: Setup): Promise<Services> {
  const thread = new Worker(fileURLToPath(import.meta.url), { workerData: setup })
  thread.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
  })
  const waiting: ((value: unknown) => void)[] = []
  thread.on('message', (value) => waiting.shift()?.(value))
  const next = <T>(): Promise<T> => new Promise((resolve) => waiting.push(resolve as (value: unknown) => void))
  const ask = <T>(order: Order): Promise<T> => {
    const answer = next<T>()
    thread.postMessage(order)
    return answer
  }
  const places = await next<Pick<Services, 'providerOrigin' | 'kvPort' | 'poolPort' | 'countedPoolPort'>>()
  return {
    ...places,
    wireCounts: () => ask({ op: 'wireCounts' }),
    providerCalls: () => ask({ op: 'providerCalls' }),
    setDatabaseDelay: (ms) => ask({ op: 'databaseDelay', ms }),
    setProviderDelay: (ms) => ask({ op: 'providerDelay', ms }),
    addCodes: (codes) => ask({ op: 'codes', codes }),
    setGmail: (mailbox) => ask({ op: 'gmail', mailbox }),
    gmailCounts: () => ask({ op: 'gmailCounts' }),
    stop: async () => void (await thread.terminate()),
  }
}

async function serve(setup: Setup): Promise<void> {
  const provider = await startProvider(setup.jwks)
  const kv = await startKv()
  const proxy = await startDatabaseProxy(setup.databaseUrl, { keepsSilent: true })
  const pool = await startPooler(setup.databaseUrl, setup.poolSize)
  const counted = await startPooler(throughProxy(setup.databaseUrl, proxy), setup.poolSize)
  const obey = (order: Order): unknown => {
    switch (order.op) {
      case 'wireCounts':
        return { ...proxy.counts(), connections: counted.connections() }
      case 'providerCalls':
        return provider.calls()
      case 'databaseDelay':
        return proxy.setDelay(order.ms)
      case 'providerDelay':
        return provider.setDelay(order.ms)
      case 'codes':
        return provider.addCodes(order.codes)
      case 'gmail':
        return provider.gmail.setMailbox(order.mailbox)
      case 'gmailCounts':
        return provider.gmail.counts()
    }
  }
  parentPort?.on('message', (order: Order) => parentPort?.postMessage(obey(order)))
  parentPort?.postMessage({
    providerOrigin: provider.origin,
    kvPort: kv.port,
    poolPort: pool.port,
    countedPoolPort: counted.port,
  })
}

if (parentPort !== null) await serve(workerData as Setup)
