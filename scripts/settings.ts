// The Worker's settings as the Node side sees them: which names there are (`.dev.vars.example` is the list), how
// `.dev.vars` is read and written, and the few settings of the scripts themselves. Never prints a value.
import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { freshKeys } from './keys.ts'
import { projectRoot, Refusal } from './postgres.ts'

const PLACEHOLDER = 'generate'

/** Every name of a setting of the Worker, commented ones included. */
export async function settingNames(root = projectRoot): Promise<string[]> {
  const text = await readFile(join(root, '.dev.vars.example'), 'utf8')
  return [...text.matchAll(/^(?:# ?)?([A-Z][A-Z0-9_]*)=/gm)].flatMap((match) => match[1] ?? [])
}

/** Creates `.dev.vars` (0600) with fresh keys when it is missing; otherwise leaves all but the word "generate" as it is. */
export async function ensureDevVars(root = projectRoot): Promise<'created' | 'completed' | 'kept'> {
  const path = join(root, '.dev.vars')
  const there = existsSync(path)
  const text = await readFile(there ? path : join(root, '.dev.vars.example'), 'utf8')
  let filled = text
  for (const [name, value] of Object.entries(freshKeys())) {
    filled = filled.replace(new RegExp(`^${name}=${PLACEHOLDER}[ \\t]*$`, 'm'), () => assignment(name, value))
  }
  if (there && filled === text) return 'kept'
  // Written beside its place and renamed: an interrupted start leaves no half file, and the mode is right from the start.
  const fresh = `${path}.new-${process.pid}`
  await writeFile(fresh, filled, { mode: 0o600 })
  await rename(fresh, path)
  return there ? 'completed' : 'created'
}

/** What `.dev.vars` says, unexpanded. */
export async function readDevVars(root = projectRoot): Promise<Record<string, string>> {
  const parsed = parseEnv(await readFile(join(root, '.dev.vars'), 'utf8'))
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/**
 * One line (or, for a value with line breaks, more) of an env file that reads back as exactly this value.
 * @throws Refusal when no quoting can hold it
 */
export function assignment(name: string, value: string): string {
  // The reader expands $NAME inside every kind of quotes; a backslash before the sign keeps it.
  const escaped = value.replaceAll('$', '\\$')
  const quote = ["'", '`', '"'].find((mark) => !value.includes(mark) && (mark !== '"' || !/\\[nr]/.test(value)))
  if (!quote) throw new Refusal(`${name} mixes all three kinds of quotes, which an env file cannot hold.`)
  return `${name}=${quote}${escaped}${quote}`
}

/** The port in an environment setting of the scripts, or the default. */
export function portFrom(name: string, fallback: number): number {
  const text = process.env[name]
  if (text === undefined || text === '') return fallback
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535)
    throw new Refusal(`${name} must be a port number from 1 to 65535.`)
  return port
}

/** Whether a host name (as `URL.hostname` gives it) is this machine. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '[::1]' ||
    host === '::1' ||
    /^127(\.\d+){3}$/.test(host)
  )
}

/** An error of the database driver in one sentence, without the connection string. */
export function describeDatabaseError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const where = process.env.DATABASE_URL ? 'the server of DATABASE_URL' : 'PostgreSQL'
  if (
    error instanceof AggregateError ||
    ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CONNECT_TIMEOUT', 'ETIMEDOUT'].includes(code)
  ) {
    return `Cannot reach ${where} (${code || 'ECONNREFUSED'}).`
  }
  if (code === 'ERR_INVALID_URL')
    return 'DATABASE_URL is not a connection string: postgres://user:password@host:port/database.'
  if (/^[0-9A-Z]{5}$/.test(code)) return `${where} answered: ${error.message} (${code})`
  return error.stack ?? error.message
}
