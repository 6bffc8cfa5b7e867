// Migrations: twice, at once, and again after a stop in the middle give one schema (SECURITY AP-19); on an older Worker's
// schema nothing is taken away. On databases of their own.
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { createLockTable, migrate } from '../../scripts/migrate.ts'
import { projectRoot } from '../../scripts/postgres.ts'

const admin = postgres(inject('adminDatabaseUrl'), { max: 1, onnotice: () => {} })
// Its name begins with the template's, so it is dropped with that one where this file cannot.
const made: string[] = []
const folder = join(projectRoot, 'migrations')

afterAll(async () => {
  for (const name of made) await admin`drop database if exists ${admin(name)} with (force)`
  await admin.end({ timeout: 1 })
})

async function freshDatabase(): Promise<string> {
  const name = `${inject('templateDatabase')}_${randomBytes(4).toString('hex')}`
  await admin`create database ${admin(name)}`
  made.push(name)
  const url = new URL(inject('adminDatabaseUrl'))
  url.pathname = `/${name}`
  return url.href
}

async function ask<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Everything that makes up the schema, in words. */
async function schemaOf(url: string): Promise<string[]> {
  return ask(url, async (sql) => {
    const rows = await sql<{ line: string }[]>`
      select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
        from information_schema.columns where table_schema = 'public'
      union all select format('index %s', indexdef) from pg_indexes where schemaname = 'public'
      union all select format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
        where connamespace = 'public'::regnamespace
      union all select format('trigger %s %s', tgenabled, pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal
      union all select format('function %s', pg_get_functiondef(oid)) from pg_proc where pronamespace = 'public'::regnamespace
      order by 1`
    return rows.map(({ line }) => line)
  })
}

async function applied(url: string): Promise<number> {
  return ask(url, async (sql) => {
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from drizzle.__drizzle_migrations`
    return row?.n ?? -1
  })
}

interface Journal {
  entries: { idx: number; tag: string }[]
}

const journal = (path = folder): Journal =>
  JSON.parse(readFileSync(join(path, 'meta', '_journal.json'), 'utf8')) as Journal

describe('migrations', () => {
  it('AP-19 run twice are run once', async () => {
    const url = await freshDatabase()
    await migrate(url)
    const before = await schemaOf(url)
    expect(before.length).toBeGreaterThan(100)
    await ask(url, (sql) => sql`insert into users (email_address_txt) values ('ada@gmail.com')`)
    await migrate(url)
    expect(await schemaOf(url)).toEqual(before)
    expect(await applied(url)).toBe(journal().entries.length)
    expect(await ask(url, (sql) => sql`select 1 from users`)).toHaveLength(1)
  })

  it('AP-19 run by six processes at once on an empty database end as one schema', async () => {
    const [once, atOnce] = await Promise.all([freshDatabase(), freshDatabase()])
    await migrate(once)
    await Promise.all(Array.from({ length: 6 }, () => migrate(atOnce)))
    expect(await schemaOf(atOnce)).toEqual(await schemaOf(once))
    expect(await applied(atOnce)).toBe(journal().entries.length)
  })

  it('AP-19 agree on one lock, however ten sessions that make it at once fall together', async () => {
    const url = await freshDatabase()
    const sessions = Array.from({ length: 10 }, () => postgres(url, { max: 1, onnotice: () => {} }))
    try {
      for (let round = 0; round < 40; round++) {
        await expect(Promise.all(sessions.map((sql) => createLockTable(sql)))).resolves.toHaveLength(10)
        await ask(url, (sql) => sql.unsafe('drop table drizzle.gatepost_migration_lock; drop schema drizzle'))
      }
    } finally {
      await Promise.all(sessions.map((sql) => sql.end({ timeout: 1 })))
    }
  })

  it('AP-19 go on where an older release stopped, with its rows in place', async () => {
    const { entries } = journal()
    const older = mkdtempSync(join(tmpdir(), 'gatepost-migrations-'))
    try {
      const url = await freshDatabase()
      for (let upTo = 1; upTo <= entries.length; upTo += 1) {
        cpSync(folder, older, { recursive: true })
        const cut: Journal = { ...journal(), entries: entries.slice(0, upTo) }
        writeFileSync(join(older, 'meta', '_journal.json'), JSON.stringify(cut))
        await migrate(url, older)
        expect(await applied(url)).toBe(upTo)
      }
      const whole = await freshDatabase()
      await migrate(whole)
      expect(await schemaOf(url)).toEqual(await schemaOf(whole))
    } finally {
      rmSync(older, { recursive: true, force: true })
    }
  })

  it('AP-19 leave nothing half done where one fails, and run through once it is mended', async () => {
    const broken = mkdtempSync(join(tmpdir(), 'gatepost-migrations-'))
    try {
      cpSync(folder, broken, { recursive: true })
      const last = journal().entries.at(-1)?.tag ?? ''
      const file = join(broken, `${last}.sql`)
      const text = readFileSync(file, 'utf8')
      writeFileSync(file, `${text}\n--> statement-breakpoint\nSELECT 1/0;`)
      const url = await freshDatabase()
      await expect(migrate(url, broken)).rejects.toThrow()
      expect(await schemaOf(url)).toEqual([])
      await migrate(url)
      expect(await applied(url)).toBe(journal().entries.length)
    } finally {
      rmSync(broken, { recursive: true, force: true })
    }
  })

  it('AP-19 refuse in words where there are none', async () => {
    await expect(migrate(inject('adminDatabaseUrl'), join(tmpdir(), 'no-such-folder'))).rejects.toThrow(
      'npm run db:generate',
    )
  })

  it('AP-19 stand in the journal, one file each, and take nothing away from a Worker that still runs', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
    expect(files.map((name) => name.replace('.sql', '')).sort()).toEqual(
      journal()
        .entries.map(({ tag }) => tag)
        .sort(),
    )
    const all = files.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll(/--.*$/gm, '')).join('\n')
    expect(all).not.toMatch(
      /\b(DROP\s+(TABLE|COLUMN)|RENAME\s+(TO|COLUMN)|ALTER\s+COLUMN\s+\S+\s+(SET\s+NOT\s+NULL|TYPE))\b/i,
    )
  })

  it('AP-17 hold nothing that a pooler in transaction mode or a plain server refuses', () => {
    const all = readdirSync(folder)
      .filter((name) => name.endsWith('.sql'))
      .map((name) => readFileSync(join(folder, name), 'utf8').replaceAll(/--.*$/gm, ''))
      .join('\n')
    expect(all).not.toMatch(/\b(CREATE\s+EXTENSION|pg_advisory|LISTEN|NOTIFY|uuidv7\(\)|SET\s+SESSION)\b/i)
  })
})
