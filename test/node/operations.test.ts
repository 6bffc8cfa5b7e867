// The files people run by hand keep pace with the rest: the Makefile's targets call npm scripts that exist, compose.yaml
// opens the database that its own comment, the Makefile and README name, and the Worker knows how many migrations there are.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { expectedMigrations } from '../../src/ops/expected-migrations.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')))
const makefile = read('Makefile')
const targets = [...makefile.matchAll(/^([a-z]+):.*## \S/gm)].map(([, name]) => name ?? '')

describe('the Makefile', () => {
  it('has the targets its users expect, each phony and explained', () => {
    for (const name of ['dev', 'test', 'check', 'migrate', 'makemigrations', 'psql', 'bench', 'up', 'down', 'help'])
      expect(targets).toContain(name)
    expect(/^\.PHONY: (.*)$/m.exec(makefile)?.[1]?.split(' ').sort()).toEqual([...targets].sort())
    expect(makefile).toMatch(/^\.DEFAULT_GOAL := help$/m)
  })

  it('calls npm scripts that exist, and does nothing of its own', () => {
    const called = [...makefile.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name ?? '')
    expect(called.length).toBeGreaterThanOrEqual(6)
    for (const name of called) expect(scripts).toHaveProperty([name])
    const recipes = makefile.split('\n').filter((line) => line.startsWith('\t'))
    for (const recipe of recipes) expect(recipe).toMatch(/^\t@?(npm (run|ci)|docker compose|awk|echo|test) ?/)
  })

  it('shows its targets by default, and asks for a migration’s name', ({ skip }) => {
    const made = spawnSync('make', ['--no-print-directory'], { cwd: root, encoding: 'utf8' })
    skip(made.error !== undefined, 'make is not installed')
    for (const name of targets) expect(made.stdout).toContain(`\n${name} `.trimStart())
    const unnamed = spawnSync('make', ['makemigrations'], { cwd: root, encoding: 'utf8' })
    expect(unnamed.status).not.toBe(0)
    expect(unnamed.stderr).toContain('NAME=')
  })
})

describe('compose.yaml', () => {
  const compose = read('compose.yaml')
  const setting = (name: string): string => new RegExp(`^ +${name}: (\\S+)$`, 'm').exec(compose)?.[1] ?? ''

  it('opens the database that is written everywhere, on this machine only', () => {
    const url = `postgres://${setting('POSTGRES_USER')}:${setting('POSTGRES_PASSWORD')}@127.0.0.1`
    expect(compose).toContain(`DATABASE_URL=${url}:5432/${setting('POSTGRES_DB')}`)
    expect(makefile).toContain(`DATABASE_URL=${url}:$(POSTGRES_PORT)/${setting('POSTGRES_DB')}`)
    expect(read('README.md')).toContain(`DATABASE_URL=${url}:5432/${setting('POSTGRES_DB')}`)
    expect(compose).toMatch(/"127\.0\.0\.1:\$\{POSTGRES_PORT:-5432\}:5432"/)
  })

  it('needs no image of ours, keeps its data and says when it is ready', () => {
    expect(compose).not.toMatch(/^\s*build:/m)
    expect(setting('image')).toMatch(/^postgres:1[4-8]$/)
    expect(compose).toMatch(/^volumes:\n {2}postgres-data:$/m)
    expect(compose).toContain('- postgres-data:/var/lib/postgresql/data')
    expect(compose).toContain('pg_isready')
  })
})

describe('migrations', () => {
  it('are as many as the Worker expects: a new one goes with a new figure in src/ops/expected-migrations.ts', () => {
    const journal = z.object({ entries: z.array(z.unknown()) }).parse(JSON.parse(read('migrations/meta/_journal.json')))
    expect(expectedMigrations).toBe(journal.entries.length)
  })
})
