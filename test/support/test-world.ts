// The world that one workerd's tests see (plain Node): a clone of the template database, a proxy before it, and a strict
// local Google and GitHub, so that no test sees what another runner's does at that moment.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import postgres from 'postgres'
import { startLocalGithub } from '../../scripts/local-github/server.ts'
import { projectRoot } from '../../scripts/postgres.ts'
import { startDatabaseProxy, throughProxy } from './database-proxy.ts'

export interface TestWorld {
  /** The file's database, directly. */
  databaseUrl: string
  /** The same through the proxy: what Hyperdrive gets. */
  proxiedDatabaseUrl: string
  /** HTTP control of the proxy. */
  proxyUrl: string
  googleUrl: string
  githubUrl: string
}

/** The client that every local Google of the tests knows. */
export const googleClient = {
  clientId: 'test-google-client',
  clientSecret: 'test-google-secret',
  redirectUris: ['http://localhost:8787/auth/google/callback'],
}

/** The OAuth app that every local GitHub of the tests knows. */
export const githubClient = {
  clientId: 'test-github-client',
  clientSecret: 'test-github-secret',
  redirectUris: ['http://localhost:8787/auth/github/callback'],
}

interface Closing {
  closings: (() => Promise<void>)[]
}

// The configuration and the global set-up load this file separately, in one process: the list is theirs together.
const registryKey = Symbol.for('gatepost.test.worlds')

function registry(): Closing {
  const found: unknown = Reflect.get(globalThis, registryKey)
  if (isClosing(found)) return found
  const fresh: Closing = { closings: [] }
  Reflect.set(globalThis, registryKey, fresh)
  return fresh
}

function isClosing(value: unknown): value is Closing {
  return typeof value === 'object' && value !== null && 'closings' in value
}

/** Makes the world of one runner. It lives until `closeTestWorlds`. */
export async function openTestWorld(adminUrl: string, template: string): Promise<TestWorld> {
  const [databaseUrl, google, github] = await Promise.all([
    cloneTemplate(adminUrl, template),
    startGoogle(),
    startLocalGithub({ clients: [githubClient] }),
  ])
  const proxy = await startDatabaseProxy(databaseUrl)
  registry().closings.push(async () => {
    await Promise.all([proxy.close(), google.close(), github.close()])
  })
  return {
    databaseUrl,
    proxiedDatabaseUrl: throughProxy(databaseUrl, proxy),
    proxyUrl: proxy.controlUrl,
    googleUrl: google.url,
    githubUrl: github.url,
  }
}

/** Closes the servers of all worlds; their databases are dropped with the template. */
export async function closeTestWorlds(): Promise<void> {
  await Promise.all(
    registry()
      .closings.splice(0)
      .map((close) => close()),
  )
}

/** A copy of the migrated template; its name begins with the template's. */
export async function cloneTemplate(adminUrl: string, template: string): Promise<string> {
  const name = `${template}_${randomBytes(4).toString('hex')}`
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} })
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await admin`create database ${admin(name)} template ${admin(template)}`
        break
      } catch (error) {
        // 55006: somebody (another clone, autovacuum) is in the template just now.
        if (!(error instanceof postgres.PostgresError) || error.code !== '55006' || attempt === 50) throw error
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  } finally {
    await admin.end({ timeout: 1 })
  }
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}

interface LocalGoogle {
  url: string
  close(): Promise<void>
}

async function startGoogle(): Promise<LocalGoogle> {
  const path = join(projectRoot, 'scripts', 'local-google', 'server.ts')
  if (!existsSync(path)) return { url: 'http://127.0.0.1:9', close: async () => {} }
  const module: { startLocalGoogle(options: object): Promise<LocalGoogle> } = await import(pathToFileURL(path).href)
  return module.startLocalGoogle({ clients: [googleClient] })
}
