// `npm run db:migrate`, `db:reset`, `db:psql`, `db:url`: the development database by hand. Each works on DATABASE_URL
// where that is set, else on the embedded server, which is started for the time of the command if `npm run dev` does not run it.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import { migrate } from './migrate.ts'
import { developmentDataDir, localUrl, Refusal, startPostgres } from './postgres.ts'
import { describeDatabaseError, isLoopback, portFrom } from './settings.ts'

interface Database {
  url: string
  close(): Promise<void>
}

async function openDatabase(): Promise<Database> {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, close: async () => {} }
  const port = portFrom('GATEPOST_PG_PORT', 54329)
  if (await isOurs(port)) return { url: localUrl(port), close: async () => {} }
  const server = await startPostgres({ port, dataDir: developmentDataDir(port) })
  return { url: server.url(), close: () => server.stop() }
}

/** Whether the embedded server of this checkout already answers on this port. */
async function isOurs(port: number): Promise<boolean> {
  const sql = postgres(localUrl(port), { max: 1, connect_timeout: 3, onnotice: () => {} })
  try {
    const [row] = await sql`select current_setting('data_directory') as folder`
    return row?.folder === developmentDataDir(port)
  } catch {
    return false
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function reset(url: string): Promise<void> {
  const host = new URL(url).hostname
  if (!isLoopback(host) && !process.argv.includes('--yes')) {
    throw new Refusal(
      `DATABASE_URL is on ${host}, not on this machine. To delete everything in it: npm run db:reset -- --yes`,
    )
  }
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.begin(async (transaction) => {
      await transaction`drop schema if exists drizzle cascade`
      await transaction`drop schema if exists public cascade`
      await transaction`create schema public`
    })
  } finally {
    await sql.end({ timeout: 5 })
  }
  await migrate(url)
}

async function prompt(url: string): Promise<void> {
  if (await runPsql(url)) return
  console.log('psql is not installed, so this is a small prompt of our own: SQL ended by ";", \\q to leave.')
  const sql = postgres(url, { max: 1, onnotice: (notice) => console.log(notice.message) })
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY ?? false,
  })
  let statement = ''
  let isOpen = true
  lines.once('close', () => {
    isOpen = false
  })
  const ask = (): void => {
    if (!isOpen) return
    lines.setPrompt(statement.trim() ? 'gatepost-# ' : 'gatepost=# ')
    lines.prompt()
  }
  ask()
  for await (const line of lines) {
    if (line.trim() === '\\q') break
    statement += `${line}\n`
    if (line.trim().endsWith(';')) {
      await execute(sql, statement)
      statement = ''
    }
    ask()
  }
  if (statement.trim()) await execute(sql, statement)
  lines.close()
  await sql.end({ timeout: 5 })
}

async function execute(sql: postgres.Sql, statement: string): Promise<void> {
  try {
    const rows = await sql.unsafe(statement)
    if (rows.length > 0) console.table(rows)
    else console.log(`${rows.command ?? 'OK'} ${rows.count ?? ''}`.trim())
  } catch (error) {
    console.log(`ERROR: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function runPsql(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('psql', [url, ...process.argv.slice(3)], { stdio: 'inherit' })
    process.on('SIGINT', () => {}) // psql cancels the running statement; this process stays until psql leaves.
    child.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(false) : reject(error)))
    child.once('close', (code) => {
      process.exitCode = code ?? 1
      resolve(true)
    })
  })
}

const verbs: Record<string, (url: string) => Promise<void>> = {
  migrate: async (url) => {
    await migrate(url)
    console.log('The database is up to date.')
  },
  reset: async (url) => {
    await reset(url)
    console.log('The database is empty and up to date.')
  },
  psql: prompt,
}

async function main(): Promise<void> {
  const verb = process.argv[2] ?? ''
  if (verb === 'url') {
    console.log(process.env.DATABASE_URL || localUrl(portFrom('GATEPOST_PG_PORT', 54329)))
    return
  }
  const run = verbs[verb]
  if (!run) throw new Refusal('Usage: node scripts/db.ts migrate | reset [--yes] | psql | url')
  const database = await openDatabase()
  try {
    await run(database.url)
  } finally {
    await database.close()
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Refusal ? error.message : describeDatabaseError(error))
  process.exitCode = 1
}
